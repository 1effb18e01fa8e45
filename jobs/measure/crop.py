"""Measure one crop: what an executor does for each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from jobs.frames import Row
from jobs.pixels.encode import decode
from jobs.pixels.measures import Measure, cell_features, tissue_features
from jobs.pixels.quality import quality
from schemas.features import METHODS

VERSION = "4"
"""Of the methods; raised when the same pixels would give other values."""
SECTION_STAIN = "H&E"
_NUCLEI_MPP_MOST = 1.1
"""Nuclei cannot be told apart where pixels are larger, in µm."""


def measure(row: Row) -> Iterator[Row]:
    """Rows of `curated.features` of one crop.

    What lies beyond the scan's edge is left out, and the cell is sought at its centre, wherever that is. Features of
    cells are of smears, those of tissue are of tiles of sections; quality is of both.

    Args:
        row: unit_id, unit_kind (cell or tile), scan_id, image, the crop's x, y, width and height, its out_mpp_x and
            out_mpp_y or None, the cell's center_x and center_y or None, and the scan's width_px, height_px and stain
            or None.
    """
    pixels, center = inside(decode(row["image"]), row)
    if not pixels.size:
        return
    mpp = _mpp(row)
    for name, found in _measured(pixels, center, row, mpp).items():
        yield {
            "unit_id": row["unit_id"],
            "feature": name,
            "scan_id": row["scan_id"],
            "value": found.value,
            "unit": found.unit,
            "method": METHODS[name],
            "version": VERSION,
        }


def inside(pixels: NDArray[np.uint8], row: Row) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The pixels of a crop that lie in the scan, and where the cell's centre, else the crop's, is in them (x, y)."""
    height, width = pixels.shape[:2]
    across, down = width / row["width"], height / row["height"]
    left, top = math.ceil(max(0, -row["x"]) * across), math.ceil(max(0, -row["y"]) * down)
    right = min(width, math.floor((row["width_px"] - row["x"]) * across))
    bottom = min(height, math.floor((row["height_px"] - row["y"]) * down))
    within = pixels[top : max(top, bottom), left : max(left, right)]
    x, y = width / 2, height / 2
    if row["center_x"] is not None:
        x, y = (row["center_x"] - row["x"]) * across, (row["center_y"] - row["y"]) * down
    return np.ascontiguousarray(within), (x - left, y - top)


def _measured(
    pixels: NDArray[np.uint8], center: tuple[float, float], row: Row, mpp: tuple[float, float] | None
) -> dict[str, Measure]:
    section = row["stain"] == SECTION_STAIN
    mean = math.sqrt(mpp[0] * mpp[1]) if mpp else None
    of_quality = asdict(quality(pixels, mean, section=section))
    found = {name: Measure(value, "1") for name, value in of_quality.items() if value is not None}
    if row["unit_kind"] == "cell" and not section:
        found |= cell_features(pixels, mpp, center)
    if row["unit_kind"] == "tile" and section and mean and mean <= _NUCLEI_MPP_MOST:
        found |= tissue_features(pixels, mean)
    return found


def _mpp(row: Row) -> tuple[float, float] | None:
    """µm per pixel of the crop across and down; None where unknown."""
    across, down = row["out_mpp_x"], row["out_mpp_y"]
    return (across, down) if across and down else None
