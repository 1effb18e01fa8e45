"""Lay cells out on slides and fields so that their stamps do not touch."""

from __future__ import annotations

import numpy as np

from jobs.hospital.cells import Body
from jobs.hospital.plan import Cell
from jobs.hospital.seeds import rng

SPACING = 44.0
"""Least distance of two centres, in pixels: shapes of one cell lie within 8 px of it, so cells stay apart."""
MARGIN = 12.0
"""Least distance of a centre from the scan's edge, in pixels, so that no examiner's shape is centred outside."""


def lay_out(
    seed: int, name: str, codes: list[str], size: tuple[int, int], um: float, scale: float = 1.0
) -> tuple[tuple[Cell, ...], list[str]]:
    """Place cells at random.

    Args:
        seed: of the hospital.
        name: of the scan; with the seed it decides everything.
        codes: classes to place.
        size: width and height in pixels.
        um: µm per pixel.
        scale: size of cells against the usual one.

    Returns:
        The cells that found a place, and the classes of those that did not.
    """
    gen = rng(seed, "layout", name)
    placed: list[Cell] = []
    taken = np.empty((0, 3))
    left = []
    for code in codes:
        own = int(gen.integers(1 << 31))
        radius = Body(code, own, scale).radius / um
        tries = gen.random((200, 2)) * (np.array(size) - 2 * MARGIN) + MARGIN
        near = np.hypot(tries[:, None, 0] - taken[None, :, 0], tries[:, None, 1] - taken[None, :, 1])
        least = np.maximum(radius + taken[None, :, 2] + 2, SPACING)
        free = np.flatnonzero((near >= least).all(axis=1))
        if not len(free):
            left.append(code)
            continue
        x, y = tries[free[0]].round(1).tolist()
        taken = np.vstack([taken, [x, y, radius]])
        placed.append(Cell(x, y, code, own))
    return tuple(placed), left
