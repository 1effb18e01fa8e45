"""Lay cells out on slides and fields so that their stamps do not touch."""

from __future__ import annotations

from collections import defaultdict
from math import ceil, hypot

import numpy as np

from jobs.hospital.cells import Body
from jobs.hospital.plan import Cell
from jobs.hospital.seeds import rng

SPACING = 44.0
"""Least distance of two centres, in pixels: shapes of one cell lie within 8 px of it, so cells stay apart."""
MARGIN = 12.0
"""Least distance of a centre from the scan's edge, in pixels, so that no examiner's shape is centred outside."""


def lay_out(
    seed: int,
    name: str,
    codes: list[str],
    size: tuple[int, int],
    um: float,
    scale: float = 1.0,
    *,
    all_or_none: bool = False,
) -> tuple[tuple[Cell, ...], list[str]]:
    """Place cells at random.

    Args:
        seed: of the hospital.
        name: of the scan; with the seed it decides everything.
        codes: classes to place.
        size: width and height in pixels.
        um: µm per pixel.
        scale: size of cells against the usual one.
        all_or_none: whether to stop at the first cell that finds no place.

    Returns:
        The cells that found a place, and the classes of those that did not.
    """
    gen = rng(seed, "layout", name)
    placed: list[Cell] = []
    taken = _Taken()
    left = []
    for code in codes:
        own = int(gen.integers(1 << 31))
        radius = Body(code, own, scale).radius / um
        tries = gen.random((200, 2)) * (np.array(size) - 2 * MARGIN) + MARGIN
        free = next((number for number, (x, y) in enumerate(tries.tolist()) if taken.leaves(x, y, radius)), None)
        if free is None:
            left.append(code)
            if all_or_none:
                break
            continue
        x, y = tries[free].round(1).tolist()
        taken.add(x, y, radius)
        placed.append(Cell(x, y, code, own))
    return tuple(placed), left


class _Taken:
    """Circles on a plane, in squares of `SPACING`, so that one is compared with those around it alone."""

    def __init__(self) -> None:
        self._squares = defaultdict[tuple[int, int], list[tuple[float, float, float]]](list)
        self._largest = 0.0

    def add(self, x: float, y: float, radius: float) -> None:
        self._squares[int(x // SPACING), int(y // SPACING)].append((x, y, radius))
        self._largest = max(self._largest, radius)

    def leaves(self, x: float, y: float, radius: float) -> bool:
        """Whether there is room for another."""
        column, row = int(x // SPACING), int(y // SPACING)
        reach = ceil(max(radius + self._largest + 2, SPACING) / SPACING)
        around = range(-reach, reach + 1)
        return all(
            hypot(x - other_x, y - other_y) >= max(radius + other + 2, SPACING)
            for square in ((column + dx, row + dy) for dy in around for dx in around)
            for other_x, other_y, other in self._squares.get(square, ())
        )
