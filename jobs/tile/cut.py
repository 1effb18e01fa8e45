"""Plan the tiles of one slide, and cut a range of them: what executors do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.errors import BadInput, HemalakeError
from jobs.frames import Row, ddl, rows_type
from jobs.pixels.crop import Crop, band_at, cut
from jobs.pixels.digest import pixel_sha256
from jobs.pixels.encode import ENCODER_VERSION, encode_png
from jobs.pixels.grid import GridTile, best_level
from jobs.pixels.open import open_scan
from jobs.pixels.reader import Reader
from jobs.pixels.section import LevelView, holds, plan_tiles
from jobs.settings import Settings, Tiles
from jobs.store import Store
from schemas.crops import CROPS
from schemas.reasons import Reason

PLAN_SCHEMA = ddl({"scan_id": "string", "tiles": rows_type("curated.tiles"), "reason": "string"})
CUT_SCHEMA = ddl({column.name: column.type for column in CROPS.own_columns} | {"reason": "string"})


def preset(tiles: Tiles) -> str:
    """Name of the tiles' size, such as `tile_512`."""
    return f"tile_{tiles.size}"


@dataclass(frozen=True)
class Opener:
    """Opens scans of the curated zone."""

    store: Store
    settings: Settings

    @contextmanager
    def reader(self, uris: str) -> Iterator[Reader]:
        """The scan in these files, relative to the zone and separated by a space."""
        root = self.settings.zone_root("curated")
        with ExitStack() as stack:
            yield open_scan([stack.enter_context(self.store.open(f"{root}/{uri}")) for uri in uris.split(" ")])


@dataclass(frozen=True)
class Planner(Opener):
    """Plans the tiles of one slide after another."""

    def __call__(self, row: Row) -> Iterator[Row]:
        """One row of `PLAN_SCHEMA`: the tiles, or why there are none.

        Args:
            row: scan_id, uri, mpp_x, mpp_y, and regions with region_id, name and polygon.
        """
        planned: Row = {"scan_id": row["scan_id"], "tiles": [], "reason": None}
        try:
            if not (row["mpp_x"] and row["mpp_y"]):
                raise BadInput(Reason.PIXEL_SIZE_MISSING)
            with self.reader(row["uri"]) as reader:
                planned["tiles"] = self._tiles(row, reader)
        except BadInput as bad:
            planned["reason"] = bad.reason.value
        except (HemalakeError, MemoryError):
            raise
        except Exception:  # a decoder failed in a way of its own
            planned["reason"] = Reason.UNREADABLE.value
        yield planned

    def _tiles(self, row: Row, reader: Reader) -> list[Row]:
        tiles = self.settings.tiles
        side, found = plan_tiles(
            reader,
            sqrt(row["mpp_x"] * row["mpp_y"]),
            size=tiles.size,
            out_mpp=tiles.mpp,
            overlap=tiles.overlap,
            least=tiles.least_tissue,
        )
        return [
            {
                "tile_id": tile_id(row["scan_id"], tiles, tile),
                "scan_id": row["scan_id"],
                "region_id": region_of(row["regions"], tile.x + side / 2, tile.y + side / 2),
                "grid_row": tile.row,
                "grid_column": tile.column,
                "x": tile.x,
                "y": tile.y,
                "side": side,
                "tissue_fraction": tile.tissue_fraction,
            }
            for tile in found
        ]


@dataclass(frozen=True)
class Cutter(Opener):
    """Cuts one range of tiles after another."""

    def __call__(self, row: Row) -> Iterator[Row]:
        """Rows of `CUT_SCHEMA`: a crop a tile, or why it cannot be cut.

        Args:
            row: scan_id, uri, mpp_x, mpp_y, and tiles of one size with tile_id, x, y, side.
        """
        size = self.settings.tiles.size
        left = {tile["tile_id"]: self._place(row, tile, size / tile["side"]) for tile in row["tiles"]}
        problem = Reason.UNREADABLE
        try:
            for unit, found in self._found(row):
                shown = {"reason": found.reason.value} if isinstance(found, BadInput) else _shown(found, size)
                yield left.pop(unit) | shown
        except BadInput as bad:
            problem = bad.reason
        except (HemalakeError, MemoryError):
            raise
        except Exception:  # a decoder failed in a way of its own; the tiles so far are good
            pass
        for place in left.values():
            yield place | {"reason": problem.value}

    def _found(self, row: Row) -> Iterator[tuple[str, Crop | BadInput]]:
        """tile_id and pixels of each tile, at the level that is just finer than wanted."""
        tiles, pad = row["tiles"], self.settings.crop.pad
        with self.reader(row["uri"]) as reader:
            number = best_level(reader.levels, sqrt(row["mpp_x"] * row["mpp_y"]), self.settings.tiles.mpp)
            factor = reader.levels[number].downsample
            corners = np.array([(tile["x"], tile["y"]) for tile in tiles], dtype=np.float64)
            side = max(1, round(tiles[0]["side"] / factor))
            windows = np.hstack([np.round(corners / factor), np.full_like(corners, side)]).astype(np.int64)
            band = band_at(self.settings.zone_root("curated"))
            for index, found in cut(LevelView(reader, number), windows, (pad[0], pad[1], pad[2]), band):
                yield tiles[index]["tile_id"], found

    def _place(self, row: Row, tile: Row, scale: float) -> Row:
        return {
            "unit_id": tile["tile_id"],
            "unit_kind": "tile",
            "preset": preset(self.settings.tiles),
            "scan_id": row["scan_id"],
            "x": tile["x"],
            "y": tile["y"],
            "width": tile["side"],
            "height": tile["side"],
            "scale": scale,
            "out_mpp_x": row["mpp_x"] / scale,
            "out_mpp_y": row["mpp_y"] / scale,
            "border_policy": "pad",
        }


def tile_id(scan_id: str, tiles: Tiles, tile: GridTile) -> str:
    """The id of a tile: the same for the same place in the same grid."""
    place = f"{tiles.size} px of {tiles.mpp!r} um, {tiles.overlap} shared, row {tile.row}, column {tile.column}"
    return hashlib.sha256(f"tile of {scan_id}: {place}".encode()).hexdigest()[:32]


def region_of(regions: list[Row], x: float, y: float) -> str:
    """region_id of the named region, a core, that holds a point; else of the whole."""
    named = [region for region in regions if region["name"] is not None and holds(region["polygon"], x, y)]
    whole = [region for region in regions if region["name"] is None]
    return str((named or whole)[0]["region_id"])


def _shown(found: Crop, size: int) -> Row:
    pixels = _resized(found.pixels, size)
    return {
        "valid_fraction": found.valid_fraction,
        "absent_fraction": found.absent_fraction,
        "pixel_sha256": pixel_sha256(pixels),
        "encoding": "image/png",
        "encoder_version": ENCODER_VERSION,
        "image": encode_png(pixels),
    }


def _resized(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """By means over areas where it shrinks, which keeps the stain's density, else by cubic splines."""
    if pixels.shape[:2] == (size, size):
        return pixels
    method = Image.Resampling.BOX if pixels.shape[0] > size else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize((size, size), method), dtype=np.uint8)
