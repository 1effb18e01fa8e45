"""What every format shares: a scan has levels, a level has tiles, a tile decodes to RGB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PIXELS_MOST = 89_478_485
"""A tile of more pixels is refused as a decompression bomb: it is a quarter of a GiB, and Pillow's limit."""
TILES_MOST = 1 << 24
"""A level of more tiles is refused: 16.7 million tiles of 256 px are a square of a million pixels."""
MPP_LEAST, MPP_MOST = 0.02, 20.0
"""µm per pixel that a microscope can have; outside lie printers' defaults (72 dpi is 353) and wrong units."""


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a scan; level 0 is the finest."""

    width: int
    height: int
    downsample: float
    """Level-0 pixels per pixel of this level."""
    tile_width: int
    tile_height: int


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of a level, as far as it lies in the image."""

    level: int
    index: int
    """Position in raster order, counted from 0 over whole rows of tiles."""
    x: int
    y: int
    """Upper left pixel, in pixels of its level."""
    width: int
    height: int
    absent: bool = False
    """The file holds no pixels for it; it decodes to the scan's background."""


@dataclass(frozen=True, slots=True)
class Mpp:
    """Size of a level-0 pixel in µm, and where that is from."""

    x: float
    y: float
    source: str


@dataclass(frozen=True, slots=True)
class ScanInfo:
    """What the file says of how it was made; None where it says nothing."""

    codec: str
    """How level 0 is compressed, in lower case: `jpeg`, `jpeg-ls`, `png`, `none` …"""
    lossy: bool
    """Whether that codec, or one before it by the file's own word, loses information."""
    objective: float | None = None
    """Magnification of the objective."""
    vendor: str | None = None
    model: str | None = None
    icc_profile: bytes | None = None
    optical_path: str | None = None
    focal_plane: float | None = None
    """Offset of the focal plane in µm."""
    background: tuple[int, int, int] = (255, 255, 255)
    """Colour (red, green, blue) of absent tiles: what the file declares, else white."""
    notes: tuple[str, ...] = ()
    """What was chosen or changed on the way to RGB of 8 bits, a sentence each; empty where nothing was."""


class Reader(Protocol):
    """A scan open for reading; a tile is read when it is decoded. Not to be shared among threads."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of level 0."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """From the finest to the coarsest."""

    @property
    def mpp(self) -> Mpp | None:
        """Size of a level-0 pixel, or None: then `mpp_missing` says why."""

    @property
    def mpp_missing(self) -> str | None:
        """Why there is no pixel size; None where there is one."""

    @property
    def info(self) -> ScanInfo:
        """What the file says of how it was made."""

    def tiles(self, level: int) -> Iterator[Tile]:
        """All tiles of a level, row by row."""

    def tile(self, level: int, index: int) -> Tile:
        """One tile of a level."""

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """Pixels (height, width, 3) of the tile in RGB, clipped at the image's edge.

        Raises:
            BadInput: TRUNCATED, UNREADABLE or TOO_LARGE.
        """


def grid(number: int, level: Level) -> Iterator[Tile]:
    """The tiles of a level that is covered by a regular grid from its upper left corner, row by row."""
    return (grid_tile(number, level, index) for index in range(tile_count(level)))


def tile_count(level: Level) -> int:
    """How many tiles cover a level."""
    return -(-level.width // level.tile_width) * -(-level.height // level.tile_height)


def grid_tile(number: int, level: Level, index: int, *, absent: bool = False) -> Tile:
    """A tile of such a grid."""
    row, column = divmod(index, -(-level.width // level.tile_width))
    x, y = column * level.tile_width, row * level.tile_height
    width, height = min(level.tile_width, level.width - x), min(level.tile_height, level.height - y)
    return Tile(number, index, x, y, width, height, absent)


def plausible_mpp(x: float | None, y: float | None, source: str) -> tuple[Mpp | None, str | None]:
    """A pixel size in µm with its source, or None with the reason why it cannot be believed.

    Returns:
        `mpp` and `mpp_missing` of a reader: one of them is None.
    """
    if x is None or y is None:
        return None, "the file states none"
    if not (MPP_LEAST <= x <= MPP_MOST and MPP_LEAST <= y <= MPP_MOST):
        return None, f"implausible: {source} is outside {MPP_LEAST} to {MPP_MOST:g} µm"
    if max(x, y) > 1.25 * min(x, y):
        return None, f"implausible: {source} differs between width and height"
    return Mpp(x, y, source), None
