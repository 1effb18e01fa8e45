"""A level in small, tile by tile: memory holds one tile and the result, however large the level is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.pixels.reader import PIXELS_MOST, Reader


def shrunk(reader: Reader, number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A level at another size that is not larger: RGB (height, width, 3).

    Each pixel is the mean of those that lie below it; of a level of more than `PIXELS_MOST`, which a scan without
    coarser levels has, those that lie below it in part count to one of their neighbours.

    Raises:
        BadInput: a tile cannot be decoded.
    """
    level = reader.levels[number]
    if level.width * level.height > PIXELS_MOST:
        return _by_tiles(reader, number, width, height)
    whole = np.full((level.height, level.width, 3), 255, dtype=np.uint8)
    for tile in reader.tiles(number):
        whole[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = reader.decode(tile)
    return np.asarray(Image.fromarray(whole).resize((width, height), Image.Resampling.BOX), dtype=np.uint8)


def _by_tiles(reader: Reader, number: int, width: int, height: int) -> NDArray[np.uint8]:
    level = reader.levels[number]
    columns = np.arange(level.width) * width // level.width
    rows = np.arange(level.height) * height // level.height
    sums = np.zeros((height, width, 3))
    for tile in reader.tiles(number):
        across, down = columns[tile.x : tile.x + tile.width], rows[tile.y : tile.y + tile.height]
        left, top = _starts(across), _starts(down)
        parts = np.add.reduceat(reader.decode(tile), top, axis=0, dtype=np.uint32)
        sums[down[top][:, None], across[left]] += np.add.reduceat(parts, left, axis=1)
    counts = np.outer(np.bincount(rows, minlength=height), np.bincount(columns, minlength=width))
    small: NDArray[np.uint8] = np.rint(sums / counts[..., None]).astype(np.uint8)
    return small


def _starts(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each run of equal numbers begins."""
    return np.flatnonzero(np.diff(places, prepend=-1))
