"""What lies on a slide of an H&E section: its tissue, the cores of a tissue microarray, the tiles to be cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.pixels.grid import GridTile, best_level, cores, tissue_grid
from jobs.pixels.reader import Level, Mpp, Reader, ScanInfo, Tile
from jobs.pixels.tissue import WORK_UM, Mask, tissue_mask

LOOK_PIXELS = 8_000_000
"""A slide is looked at in about so many pixels at most; one of 25 x 20 mm has 8 µm each."""
_CORNERS = 32
"""Of the polygon around a core."""


@dataclass(frozen=True, slots=True)
class CoreRegion:
    """A core of a tissue microarray."""

    name: str
    """Row as a letter, column as a number."""
    polygon: list[float]
    """x and y in turn, in level-0 pixels within the scan."""


def look(reader: Reader, mpp: float) -> tuple[NDArray[np.uint8], float]:
    """The whole slide in small, from the level that suits, tile by tile.

    Args:
        reader: the slide.
        mpp: µm per level-0 pixel.

    Returns:
        Pixels (height, width, 3), and µm per pixel.

    Raises:
        BadInput: a tile cannot be decoded.
    """
    width, height = reader.size
    um = max(WORK_UM, mpp * sqrt(width * height / LOOK_PIXELS))
    number = best_level(reader.levels, mpp, um)
    level = reader.levels[number]
    factor = max(1.0, um / (mpp * level.downsample))
    across, down = max(1, round(level.width / factor)), max(1, round(level.height / factor))
    fx, fy = level.width / across, level.height / down
    small = np.empty((down, across, 3), dtype=np.uint8)
    for tile in reader.tiles(number):
        left, right = round(tile.x / fx), round((tile.x + tile.width) / fx)
        top, bottom = round(tile.y / fy), round((tile.y + tile.height) / fy)
        if right > left and bottom > top:
            shown = Image.fromarray(reader.decode(tile)).resize((right - left, bottom - top), Image.Resampling.BOX)
            small[top:bottom, left:right] = np.asarray(shown)
    return small, mpp * width / across


def tissue_of(reader: Reader, mpp: float) -> Mask:
    """Mask of the slide's tissue, (height, width) of the slide in small; raises as `look` does."""
    pixels, um = look(reader, mpp)
    return tissue_mask(pixels, um)


def core_regions(reader: Reader, mpp: float) -> list[CoreRegion]:
    """The cores of a tissue microarray; empty where the slide is none. Raises as `look` does."""
    width, height = reader.size
    mask = tissue_of(reader, mpp)
    scale = np.array([width / mask.shape[1], height / mask.shape[0]])
    turn = np.arange(_CORNERS) * (2 * np.pi / _CORNERS)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    found = []
    for core in cores(mask):
        corners = np.clip((np.array([core.x, core.y]) + core.radius * circle) * scale, 0, (width, height))
        found.append(CoreRegion(core.name, corners.ravel().round(1).tolist()))
    return found


def plan_tiles(
    reader: Reader, mpp: float, *, size: int, out_mpp: float, overlap: int, least: float
) -> tuple[int, list[GridTile]]:
    """The tiles of a grid over the slide's tissue.

    Args:
        reader: the slide.
        mpp: µm per level-0 pixel.
        size: side of a tile as it is written, in pixels.
        out_mpp: µm per pixel of the tiles as they are written.
        overlap: pixels, as written, that neighbours share.
        least: smallest tissue share of a tile.

    Returns:
        Side of a tile in level-0 pixels, and the tiles in level-0 pixels. Raises as `look` does.
    """
    side = max(1, round(size * out_mpp / mpp))
    shared = min(side - 1, round(overlap * out_mpp / mpp))
    mask = tissue_of(reader, mpp)
    return side, list(tissue_grid(mask, reader.size, side=side, overlap=shared, least=least))


def holds(polygon: list[float], x: float, y: float) -> bool:
    """Whether a point lies in a polygon, by the crossings of a ray (Shimrat, Commun ACM 1962)."""
    corners = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
    spans = (y0 > y) != (y1 > y)
    crossing = x0[spans] + (y - y0[spans]) / (y1[spans] - y0[spans]) * (x1[spans] - x0[spans])
    return bool(np.count_nonzero(crossing > x) % 2)


@dataclass(frozen=True)
class LevelView:
    """A reader whose finest level is one of another's: what cuts at level 0 cuts there."""

    reader: Reader
    number: int

    @property
    def levels(self) -> tuple[Level, ...]:
        """From that level on, with downsamples as the slide counts them."""
        return self.reader.levels[self.number :]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of that level."""
        return self.levels[0].width, self.levels[0].height

    @property
    def mpp(self) -> Mpp | None:
        """Size of a pixel of the slide's own level 0."""
        return self.reader.mpp

    @property
    def mpp_missing(self) -> str | None:
        """As the slide's."""
        return self.reader.mpp_missing

    @property
    def info(self) -> ScanInfo:
        """As the slide's."""
        return self.reader.info

    def tiles(self, level: int) -> Iterator[Tile]:
        """All tiles of a level, counted from that one."""
        return self.reader.tiles(self.number + level)

    def tile(self, level: int, index: int) -> Tile:
        """One tile of a level, counted from that one."""
        return self.reader.tile(self.number + level, index)

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """Pixels of a tile."""
        return self.reader.decode(tile)
