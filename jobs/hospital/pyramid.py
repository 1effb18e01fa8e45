"""Levels and JPEG tiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import simplejpeg

from jobs.hospital.canvas import Pixels

REDUCTION = 4
"""Level 1 has a pixel for each 4 x 4 of level 0."""


def reduced(pixels: Pixels) -> Pixels:
    """Level 1: the mean of each block; sides that do not fit are cut off."""
    height, width = (side // REDUCTION for side in pixels.shape[:2])
    blocks = pixels[: height * REDUCTION, : width * REDUCTION].reshape(height, REDUCTION, width, REDUCTION, 3)
    rows = blocks.sum(axis=3, dtype=np.uint16).sum(axis=1, dtype=np.uint16)
    means: Pixels = ((rows + REDUCTION**2 // 2) // REDUCTION**2).astype(np.uint8)
    return means


def tiles(pixels: Pixels, side: int) -> Iterator[Pixels]:
    """Tiles row by row; those over the edge are filled up with the edge's pixels."""
    height, width = pixels.shape[:2]
    for top in range(0, height, side):
        for left in range(0, width, side):
            tile = pixels[top : top + side, left : left + side]
            missing = (side - tile.shape[0], side - tile.shape[1])
            if any(missing):
                tile = np.pad(tile, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
            yield np.ascontiguousarray(tile)


def jpeg(pixels: Pixels, quality: int, subsampling: str = "422") -> bytes:
    """A baseline JPEG stream in YCbCr."""
    data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality, colorsubsampling=subsampling)
    return data
