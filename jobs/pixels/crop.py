"""Cut windows of one size around many centres out of level 0, decoding each needed tile once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.pixels.reader import Level, Reader, Tile

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Crop:
    """One window of level 0."""

    x: int
    y: int
    """Upper left pixel of the window; may lie outside the scan."""
    pixels: NDArray[np.uint8]
    """(size, size, 3), RGB."""
    valid_fraction: float
    """Share of the window that lies in the scan; the rest has the colour of the padding."""
    absent_fraction: float = 0.0
    """Share of the window that lies in the scan where the file holds no tile; it is white."""


@dataclass(slots=True)
class _Pending:
    """A window of which some tiles are still to come."""

    pixels: NDArray[np.uint8]
    absent: int = 0


def crops(
    reader: Reader,
    centers: NDArray[np.floating],
    size: int = 250,
    pad: tuple[int, int, int] = (255, 255, 255),
) -> Iterator[tuple[int, Crop]]:
    """Cut a window around each centre, in the order in which their tiles come.

    Memory holds one tile and the windows that it or an earlier tile began and that are not whole yet: at
    most those which straddle two rows of tiles.

    Args:
        reader: the scan.
        centers: (n, 2): x and y in level-0 pixels, continuous, 0 at the first pixel's outer corner.
        size: side of the window in pixels; its corner is floor(centre - size / 2).
        pad: colour (red, green, blue) of what lies outside the scan.

    Yields:
        Position in `centers`, and the crop; each position once.

    Raises:
        ValueError: a centre is not finite, or the arguments have another shape.
        BadInput: a needed tile cannot be decoded.
    """
    corners = _corners(np.asarray(centers, dtype=np.float64), size)
    level = reader.levels[0]
    valid = _valid_fractions(corners, size, level)
    tiles, windows = _needs(corners, size, level)
    left = np.bincount(windows, minlength=len(corners))
    pending: dict[int, _Pending] = {}
    for index in np.flatnonzero(left == 0).tolist():
        x, y = corners[index].tolist()
        yield index, Crop(x, y, _blank(size, pad), 0.0)
    for tile, first, end in _needed(reader, tiles):
        pixels = reader.decode(tile)
        for index in windows[first:end].tolist():
            window = pending.get(index)
            if window is None:
                window = pending[index] = _Pending(_blank(size, pad if valid[index] < 1 else None))
            x, y = corners[index].tolist()
            area = _paste(window.pixels, x, y, tile, pixels)
            window.absent += area if tile.absent else 0
            left[index] -= 1
            if left[index] == 0:
                del pending[index]
                absent = window.absent / size**2
                yield index, Crop(x, y, window.pixels, float(valid[index]), absent)


def _corners(centers: NDArray[np.float64], size: int) -> Ints:
    if centers.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if centers.ndim != 2 or centers.shape[1] != 2 or size < 1:
        raise ValueError("crops() takes centers of shape (n, 2) and a size of at least 1 pixel")
    if not np.isfinite(centers).all() or np.abs(centers).max() > 2**40:
        raise ValueError("crops() takes finite centers in pixels")
    return np.floor(centers - size / 2).astype(np.int64)


def _valid_fractions(corners: Ints, size: int, level: Level) -> NDArray[np.float64]:
    edge = np.array([level.width, level.height])
    inside = np.minimum(corners + size, edge) - np.maximum(corners, 0)
    fractions: NDArray[np.float64] = np.prod(np.maximum(inside, 0), axis=1) / size**2
    return fractions


def _needs(corners: Ints, size: int, level: Level) -> tuple[Ints, Ints]:
    """Every pair of a tile and a window that share pixels, sorted by tile, then by window."""
    side = np.array([level.tile_width, level.tile_height])
    edge = np.array([level.width, level.height])
    first = np.maximum(corners, 0) // side
    end = -(-np.minimum(corners + size, edge) // side)
    count = np.where((corners < edge) & (corners + size > 0), end - first, 0)
    both = count.prod(axis=1)
    windows = np.repeat(np.arange(len(corners)), both)
    turn = np.arange(both.sum()) - np.repeat(np.cumsum(both) - both, both)
    across = np.maximum(count[windows, 0], 1)
    column = first[windows, 0] + turn % across
    row = first[windows, 1] + turn // across
    tiles = row * -(-level.width // level.tile_width) + column
    order = np.argsort(tiles, kind="stable")
    return tiles[order], windows[order]


def _needed(reader: Reader, tiles: Ints) -> Iterator[tuple[Tile, int, int]]:
    """The tiles that are needed, each with where its windows begin and end in the sorted list of pairs."""
    numbers, firsts = np.unique(tiles, return_index=True)
    ends = [*firsts[1:].tolist(), len(tiles)][: len(firsts)]
    wanted = iter(zip(numbers.tolist(), firsts.tolist(), ends, strict=True))
    need = next(wanted, None)
    if need is None:
        return
    for tile in reader.tiles(0):
        if tile.index == need[0]:
            yield tile, need[1], need[2]
            need = next(wanted, None)
            if need is None:
                return


def _paste(window: NDArray[np.uint8], x: int, y: int, tile: Tile, pixels: NDArray[np.uint8]) -> int:
    """Copy what tile and window share; returns how many pixels that is."""
    size: int = window.shape[0]
    left, right = max(x, tile.x), min(x + size, tile.x + tile.width)
    top, bottom = max(y, tile.y), min(y + size, tile.y + tile.height)
    window[top - y : bottom - y, left - x : right - x] = pixels[
        top - tile.y : bottom - tile.y, left - tile.x : right - tile.x
    ]
    return int((right - left) * (bottom - top))


def _blank(size: int, pad: tuple[int, int, int] | None) -> NDArray[np.uint8]:
    """A window filled with a colour, or with nothing yet where tiles will cover all of it."""
    blank = np.empty((size, size, 3), dtype=np.uint8)
    if pad is not None:
        # Row by row: to repeat three bytes throughout takes longer than to decode the tile.
        blank.reshape(size, 3 * size)[:] = np.tile(np.array(pad, dtype=np.uint8), size)
    return blank
