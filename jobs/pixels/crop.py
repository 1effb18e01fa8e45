"""Cut windows out of level 0, decoding each needed tile once.

Tiles are decoded in bands of a few rows, column by column, and kept until the last window that touches them is done.
So memory holds the rows of tiles that one window spans, however many windows there are, and most windows are cut while
their tiles are still in the processor's cache: row by row, a wide slide takes some percent more time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.errors import BadInput
from jobs.pixels.reader import Level, Reader, tile_count

Ints = NDArray[np.int64]
Pad = tuple[int, int, int]
WHITE: Pad = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Crop:
    """One window of level 0."""

    x: int
    y: int
    """Upper left pixel of the window; may lie outside the scan."""
    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB."""
    valid_fraction: float
    """Share of the window that lies in the scan; the rest has the colour of the padding."""
    absent_fraction: float = 0.0
    """Share of the window that lies in the scan where the file holds no tile; it has the scan's background."""


BAND = 4
"""Rows of tiles that are decoded together."""
_Held = tuple[NDArray[np.uint8] | BadInput, bool]
"""The pixels of a tile, or why there are none; and whether the file holds none for it."""


def crops(
    reader: Reader, centers: NDArray[np.floating], size: int = 250, pad: Pad = WHITE, band: int = BAND
) -> Iterator[tuple[int, Crop]]:
    """Cut a window around each centre, in the order in which their tiles come.

    Args:
        reader: the scan.
        centers: (n, 2): x and y in level-0 pixels, continuous, 0 at the first pixel's outer corner.
        size: side of the window in pixels; its corner is floor(centre - size / 2).
        pad: colour (red, green, blue) of what lies outside the scan.
        band: rows of tiles that are decoded together; 1 for a scan on S3, which is read by ranges in their order.

    Yields:
        Position in `centers`, and the crop; each position once.

    Raises:
        ValueError: a centre is not finite, or the arguments have another shape.
        BadInput: a needed tile cannot be decoded.
    """
    for index, found in cut(reader, windows_around(centers, size), pad, band):
        if isinstance(found, BadInput):
            raise found
        yield index, found


def windows_around(centers: NDArray[np.floating], size: int) -> Ints:
    """Windows (n, 4) of one size, each x, y, width and height, around centres (n, 2)."""
    places = np.asarray(centers, dtype=np.float64)
    if places.size == 0:
        return np.empty((0, 4), dtype=np.int64)
    if places.ndim != 2 or places.shape[1] != 2 or size < 1:
        raise ValueError("crops() takes centers of shape (n, 2) and a size of at least 1 pixel")
    if not np.isfinite(places).all() or np.abs(places).max() > 2**40:
        raise ValueError("crops() takes finite centers in pixels")
    corners = np.floor(places - size / 2).astype(np.int64)
    return np.hstack([corners, np.full_like(corners, size)])


def cut(reader: Reader, windows: Ints, pad: Pad = WHITE, band: int = BAND) -> Iterator[tuple[int, Crop | BadInput]]:
    """Cut windows of any size, in the order in which their tiles come.

    Args:
        reader: the scan.
        windows: (n, 4): x, y, width and height of each in level-0 pixels; they may lie outside the scan.
        pad: colour (red, green, blue) of what lies outside the scan.
        band: rows of tiles that are decoded together; 1 for a scan on S3, which is read by ranges in their order.

    Yields:
        Position in `windows`, and the crop, or why a tile that it needs cannot be decoded; each position once.
    """
    level = reader.levels[0]
    across = -(-level.width // level.tile_width)
    first, end = spans(windows, level)
    inside = (first < end).all(axis=1)
    for index in np.flatnonzero(~inside).tolist():
        x, y, width, height = windows[index].tolist()
        yield index, Crop(x, y, _blank(width, height, pad), 0.0)
    last = _turn(end[:, 0] - 1, end[:, 1] - 1, across, band)
    waiting = np.flatnonzero(inside)
    waiting = waiting[np.argsort(last[waiting], kind="stable")]
    users = _users(first[inside], end[inside], level)
    needed = np.flatnonzero(users)
    turns = _turn(needed % across, needed // across, across, band)
    needed = needed[np.argsort(turns)]
    ready = np.searchsorted(last[waiting], np.sort(turns), side="right").tolist()
    order = _in_pieces(waiting, np.hstack([windows, first, end]))
    held: dict[int, _Held] = {}
    left: dict[int, int] = {}
    done = 0
    for number, until in zip(needed.tolist(), ready, strict=True):
        held[number], left[number] = _decoded(reader, number), int(users[number])
        for index, (*window, column, row, column_end, row_end) in islice(order, until - done):
            yield index, _crop(window, range(column, column_end), range(row, row_end), held, level, pad)
            for each in [n * across + m for n in range(row, row_end) for m in range(column, column_end)]:
                left[each] -= 1
                if not left[each]:
                    del left[each], held[each]
        done = until


def _in_pieces(order: Ints, table: Ints) -> Iterator[tuple[int, list[int]]]:
    """Positions in an order, each with its row of a table, as Python's own numbers; not all of them at a time."""
    for start in range(0, len(order), 1024):
        part = order[start : start + 1024]
        yield from zip(part.tolist(), table[part].tolist(), strict=True)


def _turn(column: Ints, row: Ints, across: int, band: int) -> Ints:
    """Numbers that rise in the order in which tiles are decoded."""
    return ((row // band) * across + column) * band + row % band


def band_at(uri: str) -> int:
    """How many rows of tiles are decoded together of scans at a URI."""
    return BAND if uri.startswith("file:") else 1


def resampled(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A crop of `side` x `side` pixels, by Pillow's bicubic filter; as it is where it has that size."""
    if pixels.shape[:2] == (side, side):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC), dtype=np.uint8)


def spans(windows: Ints, level: Level) -> tuple[Ints, Ints]:
    """First column and row of tiles of each window (n, 2), and those behind its last; equal where it has none."""
    side = np.array([level.tile_width, level.tile_height])
    edge = np.array([level.width, level.height])
    corners, ends = windows[:, :2], windows[:, :2] + windows[:, 2:]
    first = np.maximum(corners, 0) // side
    end = -(-np.minimum(ends, edge) // side)
    touches = ((corners < edge) & (ends > 0)).all(axis=1, keepdims=True)
    return first, np.where(touches, end, first)


def _users(first: Ints, end: Ints, level: Level) -> NDArray[np.int32]:
    """How many windows touch each tile, in raster order: sums over the corners of their spans."""
    across = -(-level.width // level.tile_width)
    down = tile_count(level) // across
    steps = np.zeros((down + 1, across + 1), dtype=np.int32)
    for columns, rows, sign in ((first, first, 1), (end, end, 1), (first, end, -1), (end, first, -1)):
        np.add.at(steps, (rows[:, 1], columns[:, 0]), sign)
    counts: NDArray[np.int32] = steps.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    return counts[:down, :across].ravel()


def _decoded(reader: Reader, number: int) -> _Held:
    tile = reader.tile(0, number)
    try:
        return reader.decode(tile), tile.absent
    except BadInput as problem:
        return problem, tile.absent


def _crop(
    window: list[int], columns: range, rows: range, held: dict[int, _Held], level: Level, pad: Pad
) -> Crop | BadInput:
    """Put a window together from the tiles of these columns and rows."""
    x, y, width, height = window
    side_x, side_y = level.tile_width, level.tile_height
    across = -(-level.width // side_x)
    inside = x >= 0 and y >= 0 and x + width <= level.width and y + height <= level.height
    pixels = _blank(width, height, None if inside else pad)
    lefts = [max(x, column * side_x) for column in columns]
    rights = [*lefts[1:], min(x + width, level.width)]
    top, absent = max(y, 0), 0
    for row in rows:
        bottom = min(y + height, (row + 1) * side_y, level.height)
        for column, left, right in zip(columns, lefts, rights, strict=True):
            tile, is_absent = held[row * across + column]
            if isinstance(tile, BadInput):
                return tile
            pixels[top - y : bottom - y, left - x : right - x] = tile[
                top - row * side_y : bottom - row * side_y, left - column * side_x : right - column * side_x
            ]
            absent += (right - left) * (bottom - top) * is_absent
        top = bottom
    valid = (rights[-1] - lefts[0]) * (bottom - max(y, 0))
    return Crop(x, y, pixels, valid / (width * height), absent / (width * height))


def _blank(width: int, height: int, pad: Pad | None) -> NDArray[np.uint8]:
    """A window filled with a colour, or with nothing yet where tiles will cover all of it."""
    blank = np.empty((height, width, 3), dtype=np.uint8)
    if pad is not None:
        # Row by row: to repeat three bytes throughout takes longer than to decode the tile.
        blank.reshape(height, 3 * width)[:] = np.tile(np.array(pad, dtype=np.uint8), width)
    return blank
