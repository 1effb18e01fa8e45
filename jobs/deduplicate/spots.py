"""Cells that lie on one spot of two scans which show the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from jobs.pixels.likeness import Match

Floats = NDArray[np.float64]
Size = tuple[int, int]
"""Width and height in pixels."""


def placed(points: Floats, match: Match, a: Size, b: Size, *, stretched: bool) -> Floats:
    """Where points (n, 2) of scan b lie in scan a, in pixels.

    Args:
        points: x and y in b.
        match: how b becomes a, in pixels of a.
        a, b: sizes of the scans.
        stretched: whether the match takes b to the size of a; overlapping parts are of one scale.
    """
    x, y = points[:, 0], points[:, 1]
    width, height = b
    if match.flip:
        x = width - x
    for _ in range(match.turn // 90):
        # Anticlockwise: what was on the right is now on top.
        x, y = y, width - x
        width, height = height, width
    across, down = (a[0] / width, a[1] / height) if stretched else (1.0, 1.0)
    return np.stack([x * across + match.dx, y * down + match.dy], axis=1)


def on_one_spot(a: Floats, b: Floats, distance: float) -> Iterator[tuple[int, int, float, float]]:
    """Numbers of points of a and b that lie within a distance, and by how much b's lies off; all in pixels of a."""
    if not len(a) or not len(b):
        return
    for i, near in enumerate(cKDTree(b).query_ball_point(a, distance)):
        for j in sorted(near):
            yield i, j, float(b[j, 0] - a[i, 0]), float(b[j, 1] - a[i, 1])
