"""The crops that each cell gets, by the settings: its own, and a wider one where that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.settings import Crop

OVERVIEW = "overview"
"""Preset of the small image of a whole region, by which scans are compared."""


@dataclass(frozen=True)
class Preset:
    """One kind of crop."""

    name: str
    """Such as `cell_250`, or `cell_250_0.25um` where crops are resampled."""
    kind: str
    """What it shows: `cell`, or `context`, a cell with its surroundings."""
    size: int
    """Side of the crop as it is written, in pixels."""


def presets(crop: Crop) -> tuple[Preset, ...]:
    """The crops of each cell; the first is the cell's own, which all others contain."""
    suffix = f"_{crop.mpp:g}um" if crop.mpp else ""
    sizes = {"cell": crop.size} | ({"context": crop.context} if crop.context else {})
    return tuple(Preset(f"{kind}_{size}{suffix}", kind, size) for kind, size in sizes.items())
