"""Look at a level through overlapping windows: bounded memory, however large the level is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jobs.pixels.reader import Level, Tile

SIDE = 2048
"""Width and height of a window in pixels."""
OVERLAP = 256
"""At least so many pixels are shared by neighbours, so that nothing small is cut apart in both."""
PIXELS_WHOLE = 64 << 20
"""Levels of more pixels are sampled: a grid of `SAMPLED` x `SAMPLED` windows from corner to corner."""
SAMPLED = 4

Decode = Callable[[Tile], NDArray[np.uint8]]


class Levels(Protocol):
    """Anything that has levels of tiles."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """From the finest to the coarsest."""

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """Pixels (height, width, 3) of a tile."""


def seen_whole(level: Level) -> bool:
    """Whether the windows cover all of a level."""
    return level.width * level.height <= PIXELS_WHOLE


def windows(reader: Levels, number: int) -> Iterator[NDArray[np.uint8]]:
    """Windows (height, width, 3) over a level, row by row; a tile that neighbours share is decoded once.

    Raises:
        BadInput: a tile cannot be decoded.
    """
    level = reader.levels[number]
    tiles_seen = (SIDE // level.tile_width + 2) * (SIDE // level.tile_height + 2)
    decode: Decode = lru_cache(maxsize=tiles_seen)(reader.decode)
    for top in _starts(level.height, seen_whole(level)):
        for left in _starts(level.width, seen_whole(level)):
            yield _window(level, number, left, top, decode)


def _starts(extent: int, whole: bool) -> list[int]:
    """Where windows begin along one side of a level."""
    count = -(-max(extent - OVERLAP, 1) // (SIDE - OVERLAP)) if whole else SAMPLED
    last = max(extent - SIDE, 0)
    return sorted({round(start) for start in np.linspace(0, last, count)})


def _window(level: Level, number: int, left: int, top: int, decode: Decode) -> NDArray[np.uint8]:
    right, bottom = min(left + SIDE, level.width), min(top + SIDE, level.height)
    pixels = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
    across = -(-level.width // level.tile_width)
    for row in range(top // level.tile_height, -(-bottom // level.tile_height)):
        for column in range(left // level.tile_width, -(-right // level.tile_width)):
            x, y = column * level.tile_width, row * level.tile_height
            width, height = min(level.tile_width, level.width - x), min(level.tile_height, level.height - y)
            found = decode(Tile(number, row * across + column, x, y, width, height))
            x0, y0, x1, y1 = max(x, left), max(y, top), min(x + width, right), min(y + height, bottom)
            pixels[y0 - top : y1 - top, x0 - left : x1 - left] = found[y0 - y : y1 - y, x0 - x : x1 - x]
    return pixels
