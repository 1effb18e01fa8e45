"""Cut the cells of one scan out of it: what an executor does for each scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.frames import Row, ddl, rows_type
from jobs.pixels.crop import crops
from jobs.pixels.digest import perceptual_hash, pixel_sha256
from jobs.pixels.encode import ENCODER_VERSION, encode_png
from jobs.pixels.features import focus, saturation
from jobs.pixels.open import open_scan
from jobs.pixels.reader import Reader
from jobs.pixels.shrink import shrunk
from jobs.settings import Settings
from jobs.store import Store
from schemas.crops import CROPS

OVERVIEW = "overview"
"""Preset of the small image of a whole region, by which scans are compared."""
OVERVIEW_SIDE = 320
"""Longer side of an overview, in pixels."""
FEATURES_VERSION = "1"

CUT_SCHEMA = ddl(
    {column.name: column.type for column in CROPS.own_columns} | {"features": rows_type("curated.features")}
)


@dataclass(frozen=True)
class Cutter:
    """Cuts the cells of one scan after another; holds nothing between them."""

    store: Store
    settings: Settings

    def __call__(self, row: Row) -> Iterator[Row]:
        """Crops of one scan, as rows of `CUT_SCHEMA`.

        Args:
            row: scan_id, uri, mpp_x, mpp_y, regions to show whole (region_id), cells to cut (cell_id, x, y).
        """
        root = self.settings.zone_root("curated")
        with ExitStack() as stack:
            streams = [stack.enter_context(self.store.open(f"{root}/{uri}")) for uri in row["uri"].split(" ")]
            reader = open_scan(streams)
            for region in row["regions"] or []:
                yield self._overview(row, reader, region["region_id"])
            cells = row["cells"] or []
            yield from self._cells(row, reader, cells) if cells else ()

    def _cells(self, row: Row, reader: Reader, cells: list[Row]) -> Iterable[Row]:
        crop = self.settings.crop
        centers = np.array([(cell["x"], cell["y"]) for cell in cells], dtype=np.float64)
        pad = (crop.pad[0], crop.pad[1], crop.pad[2])
        for index, cut in crops(reader, centers, size=crop.size, pad=pad):
            unit = cells[index]["cell_id"]
            yield {
                **_pixels(cut.pixels),
                "unit_id": unit,
                "unit_kind": "cell",
                "preset": preset(self.settings),
                "scan_id": row["scan_id"],
                "x": cut.x,
                "y": cut.y,
                "width": crop.size,
                "height": crop.size,
                "scale": 1.0,
                "out_mpp_x": row["mpp_x"],
                "out_mpp_y": row["mpp_y"],
                "border_policy": "pad",
                "valid_fraction": cut.valid_fraction,
                "absent_fraction": cut.absent_fraction,
                "features": _features(unit, row["scan_id"], cut.pixels),
            }

    def _overview(self, row: Row, reader: Reader, region: str) -> Row:
        pixels, scale = overview(reader, OVERVIEW_SIDE)
        return {
            **_pixels(pixels),
            "unit_id": region,
            "unit_kind": "region",
            "preset": OVERVIEW,
            "scan_id": row["scan_id"],
            "x": 0,
            "y": 0,
            "width": reader.size[0],
            "height": reader.size[1],
            "scale": scale,
            "out_mpp_x": row["mpp_x"] / scale if row["mpp_x"] else None,
            "out_mpp_y": row["mpp_y"] / scale if row["mpp_y"] else None,
            "border_policy": "pad",
            "valid_fraction": 1.0,
            "absent_fraction": 0.0,
            "features": [],
        }


def preset(settings: Settings) -> str:
    """Name of the cells' preset, such as `cell_250`."""
    return f"cell_{settings.crop.size}"


def overview(reader: Reader, side: int) -> tuple[NDArray[np.uint8], float]:
    """The whole scan in small, from the smallest level that is large enough.

    Returns:
        Pixels (height, width, 3) whose longer side is `side` or the scan's own, and pixels per level-0 pixel.
    """
    width, height = reader.size
    scale = min(1.0, side / max(width, height))
    large_enough = [n for n, level in enumerate(reader.levels) if level.width >= width * scale]
    number = max(large_enough, default=0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return shrunk(reader, number, *size), scale


def _pixels(pixels: NDArray[np.uint8]) -> Row:
    """Image, its identity and its hash; the hash as a signed number, because Spark has no other."""
    found = perceptual_hash(pixels)
    return {
        "pixel_sha256": pixel_sha256(pixels),
        "perceptual_hash": found - (1 << 64) if found >= 1 << 63 else found,
        "encoding": "image/png",
        "encoder_version": ENCODER_VERSION,
        "image": encode_png(pixels),
    }


def _features(unit: str, scan: str, pixels: NDArray[np.uint8]) -> list[Row]:
    measured = {
        "focus": (focus(pixels), "variance of the Laplacian of luma"),
        "saturation": (saturation(pixels), "mean saturation in HSV"),
    }
    return [
        {
            "unit_id": unit,
            "feature": name,
            "scan_id": scan,
            "value": float(value),
            "unit": "1",
            "method": method,
            "version": FEATURES_VERSION,
        }
        for name, (value, method) in measured.items()
    ]
