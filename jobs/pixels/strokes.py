"""Thin strokes of a picture, bright and dark apart, at every size: what writing is made of and cells are not.

A white top-hat (the picture less its morphological opening, Serra 1982) keeps what is brighter than its ground and
narrower than the window, a black top-hat what is darker; shading, nuclei and whole cells vanish. Halving the picture
again and again brings strokes of any width down to the one window.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_WINDOW = 7
"""Side of the window in pixels; strokes are narrower."""
_SMALLEST = 24
_SIZES = 4


def stroke_maps(rgb: Picture) -> Iterator[tuple[int, Picture]]:
    """The bright and the dark strokes of a picture at each size.

    Args:
        rgb: (height, width, 3).

    Yields:
        How many pixels of the picture lie along one of the map, and the map (rows, columns): how much a stroke
        differs from its ground, 0 to 255, in the colour in which it differs most.
    """
    planes = np.ascontiguousarray(np.moveaxis(rgb, 2, 0))
    scale = 1
    while min(planes.shape[1:]) >= _SMALLEST and scale < 1 << _SIZES:
        yield scale, (planes - _box(np.maximum, _box(np.minimum, planes))).max(axis=0)
        yield scale, (_box(np.minimum, _box(np.maximum, planes)) - planes).max(axis=0)
        planes, scale = _halved(planes), scale * 2


def _box(extreme: np.ufunc, planes: Picture) -> Picture:
    """Least or greatest value in the window around each pixel; the window ends at the picture's edge."""
    return _line(extreme, _line(extreme, planes, 1), 2)


def _line(extreme: np.ufunc, planes: Picture, axis: int) -> Picture:
    """The same along one axis: windows of 2, 4, then 7 pixels, each out of two of the one before."""
    reach = [(0, 0), (0, 0), (0, 0)]
    reach[axis] = (_WINDOW // 2, _WINDOW // 2)
    found = np.moveaxis(np.pad(planes, reach, mode="edge"), axis, 0)
    for step in (1, 2, 3):
        found = extreme(found[:-step], found[step:])
    return np.moveaxis(found, 0, axis)


def _halved(planes: Picture) -> Picture:
    """Means of 2 x 2 pixels."""
    height, width = planes.shape[1] // 2 * 2, planes.shape[2] // 2 * 2
    wide = planes[:, :height, :width].astype(np.uint16)
    rows = wide[:, ::2] + wide[:, 1::2]
    return ((rows[:, :, ::2] + rows[:, :, 1::2] + 2) >> 2).astype(np.uint8)
