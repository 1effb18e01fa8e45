"""The fingerprints of a lake as arrays: all of the small columns, and the squares of those that are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.lake import Lake
from jobs.pixels.pairs import Ints
from jobs.pixels.register import SIDE

TABLE = "curated.fingerprints"
_SMALL = ["unit_id", "scan_id", "width", "height", "pixel_sha256", "vector"]


@dataclass(frozen=True)
class Units:
    """The crops of one preset, in the order of their keys: a lower number is a lower key."""

    preset: str
    kind: str
    """scan, for overviews, or cell."""
    ids: list[str]
    """Of the crop: cell or region."""
    scans: list[str]
    sha256: list[str]
    widths: Ints
    heights: Ints
    vectors: NDArray[np.float32]
    """(n, 190)."""

    @property
    def keys(self) -> list[str]:
        """By what duplicates name them: cells by themselves, regions by their scan."""
        return self.ids if self.kind == "cell" else self.scans


def presets(lake: Lake) -> list[tuple[str, str]]:
    """Each preset with its kind of unit, in order."""
    if lake.version(TABLE) is None:
        return []
    found = lake.glance(TABLE).to_table(columns=["preset", "unit_kind"]).group_by(["preset", "unit_kind"]).aggregate([])
    kinds = {"region": "scan", "cell": "cell"}
    return sorted((row["preset"], kinds[row["unit_kind"]]) for row in found.to_pylist())


def read(lake: Lake, preset: str, kind: str, scans: Collection[str]) -> Units:
    """All crops of a preset that show anything, of some scans."""
    shown = (pc.field("preset") == preset) & pc.field("vector").is_valid()
    shown &= pc.field("scan_id").isin(pa.array(list(scans), pa.string()))
    rows = lake.glance(TABLE).to_table(columns=_SMALL, filter=shown).sort_by("unit_id" if kind == "cell" else "scan_id")
    vectors = np.frombuffer(b"".join(rows["vector"].to_pylist()), "<f4")
    return Units(
        preset,
        kind,
        rows["unit_id"].to_pylist(),
        rows["scan_id"].to_pylist(),
        rows["pixel_sha256"].to_pylist(),
        rows["width"].to_numpy().astype(np.int64),
        rows["height"].to_numpy().astype(np.int64),
        vectors.reshape(len(rows), -1 if len(rows) else 0).astype(np.float32, copy=False),
    )


def squares(lake: Lake, units: Units, numbers: Ints) -> NDArray[np.uint8]:
    """Squares (n, 64, 64) of some of the units."""
    found = np.zeros((len(numbers), SIDE, SIDE), dtype=np.uint8)
    for place, row in _rows(lake, units, numbers, ["square"]):
        found[place] = np.frombuffer(row["square"], np.uint8).reshape(SIDE, SIDE)
    return found


def overviews(lake: Lake, units: Units, numbers: Ints) -> list[NDArray[np.uint8]]:
    """Reduced luma of some regions."""
    found: list[NDArray[np.uint8]] = [np.zeros((0, 0), np.uint8)] * len(numbers)
    for place, row in _rows(lake, units, numbers, ["reduced", "reduced_width"]):
        found[place] = np.frombuffer(row["reduced"], np.uint8).reshape(-1, row["reduced_width"])
    return found


def _rows(lake: Lake, units: Units, numbers: Ints, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Some columns of some of the units, each with its place in `numbers`, in no order."""
    place = {units.ids[number]: n for n, number in enumerate(numbers.tolist())}
    wanted = pc.field("preset") == units.preset
    if len(numbers) < len(units.ids):
        wanted &= pc.field("unit_id").isin(pa.array(list(place)))
    for batch in lake.glance(TABLE).to_batches(columns=["unit_id", *columns], filter=wanted, batch_size=4096):
        yield from ((place[row["unit_id"]], row) for row in batch.to_pylist() if row["unit_id"] in place)
