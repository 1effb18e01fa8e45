"""Deduplicate: find scans and cells that show the same thing, and link them. Nothing is removed.

What is new is held against everything, by the fingerprints that cropping left: pixels are not decoded again. Cells are
the same by what they show, or because they lie on one spot of two scans that show the same.

Example:
    $ hemalake deduplicate --settings demo/hemalake.toml
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from jobs.accounting import Account
from jobs.deduplicate import overlaps, units
from jobs.deduplicate.near import Search
from jobs.deduplicate.spots import on_one_spot, placed
from jobs.deduplicate.spread import Bench
from jobs.deduplicate.units import Units
from jobs.frames import Row, ddl
from jobs.lake import EVERYTHING, Lake, Work, contract
from jobs.pixels.likeness import Match
from jobs.pixels.pairs import Found
from jobs.pseudonyms import Pseudonyms
from schemas.contract import Zone

METHOD_VERSION = "9"
PAIR_COLUMNS = [column.name for column in contract("curated.duplicates").own_columns]
PAIR_SCHEMA = ddl({c.name: c.type for c in contract("curated.duplicates").own_columns})
Keyed = dict[tuple[str, str], tuple[str, Match]]
"""Kind and match of pairs of keys, the lower first."""


@dataclass(frozen=True)
class Touched:
    """What came, changed or went since the last run; all of it where `everything`."""

    everything: bool
    units: frozenset[str]
    scans: frozenset[str]
    """Scans whose overview is among it: their cells are looked at anew."""
    crops: int

    def has(self, unit: str, scan: str) -> bool:
        """Whether a unit of a scan is to be looked at."""
        return self.everything or unit in self.units or scan in self.scans


def run(lake: Lake, work: Work) -> list[Account]:
    """Compare what is new with everything, and what is old with nothing."""
    came = touched(lake, work)
    place = lake.staging(Zone.CURATED)
    try:
        rows = list(found(lake, came, Bench(lake.spark, lake.store, place), work.warnings))
    finally:
        lake.store.delete_folder(place)
    lake.write(work, "curated.duplicates", lake.spark.createDataFrame(rows, PAIR_SCHEMA), scope=EVERYTHING)
    return [Account("crop", came.crops, came.crops, 0)]


def touched(lake: Lake, work: Work) -> Touched:
    """Which crops have other fingerprints than at the last run."""
    changes = lake.changes(units.TABLE, work.last(units.TABLE)).select("unit_id", "unit_kind", "preset", "scan_id")
    if work.rebuild:
        return Touched(True, frozenset(), frozenset(), changes.count())
    rows = changes.distinct().collect()
    scans = frozenset(row.scan_id for row in rows if row.unit_kind == "region")
    return Touched(False, frozenset(row.unit_id for row in rows), scans, len(rows))


def found(lake: Lake, came: Touched, bench: Bench, warnings: list[str]) -> Iterator[Row]:
    """All rows of `curated.duplicates`: those that stand, and those that what came makes."""
    scans, cells = Scans(lake), cells_of(lake)
    scan_of = {scan: scan for scan in scans.of} | {cell: scan for scan, some in cells.items() for cell, _, _ in some}
    pairs: dict[str, Keyed] = {}
    for kind in ("scan", "cell"):
        known = standing(lake, kind, scan_of, came)
        pairs[kind] = dict(known)
        for preset in (name for name, shows in units.presets(lake) if shows == kind):
            crops = units.read(lake, preset, kind, scans.of)
            for pair, told in new_pairs(lake, bench, crops, scans, came, known, warnings).items():
                pairs[kind][pair] = max(pairs[kind].get(pair, told), told, key=_surer)
    for pair, told in spot_pairs(lake, pairs["scan"], cells, scans, came).items():
        pairs["cell"].setdefault(pair, told)
    for kind, of_kind in pairs.items():
        for (a, b), (how, match) in sorted(of_kind.items()):
            yield _row(kind, (a, b), how, match, scans.decision(scan_of[a], scan_of[b]))


class Scans:
    """What the table of scans says of each."""

    def __init__(self, lake: Lake) -> None:
        columns = ["scan_id", "kind", "patient_key", "site_key", "width_px", "height_px"]
        there = lake.version("curated.scans") is not None
        rows = lake.glance("curated.scans").to_table(columns=columns).to_pylist() if there else []
        self.of: dict[str, Row] = {row["scan_id"]: row for row in rows}
        unnamed = [name for name, source in lake.settings.sources.items() if source.patients == "none"]
        keys = Pseudonyms.from_file(lake.settings.key_path()) if unnamed else None
        self._unnamed = {keys.key_for("site", name) for name in unnamed} if keys else set()

    def owner(self, scan: str) -> str:
        """The patient; the site where it names none."""
        row = self.of[scan]
        return str(row["site_key"] if row["site_key"] in self._unnamed else row["patient_key"])

    def size(self, scan: str) -> tuple[int, int]:
        """Width and height of level 0."""
        return self.of[scan]["width_px"], self.of[scan]["height_px"]

    def decision(self, a: str, b: str) -> str:
        """What follows of two scans that show the same: of two patients, a look at who is who."""
        return "linked" if self.owner(a) == self.owner(b) else "review"


def standing(lake: Lake, kind: str, scan_of: Mapping[str, str], came: Touched) -> Keyed:
    """Pairs that were found before, of which nothing was touched and both are there."""
    if came.everything or lake.version("curated.duplicates") is None:
        return {}
    rows = lake.glance("curated.duplicates").to_table(columns=PAIR_COLUMNS, filter=pc.field("unit_kind") == kind)
    return {
        (row["unit_a"], row["unit_b"]): (row["kind"], Match(*(row[name] for name in _MATCH)))
        for row in rows.to_pylist()
        if not any(key not in scan_of or came.has(key, scan_of[key]) for key in (row["unit_a"], row["unit_b"]))
    }


def new_pairs(
    lake: Lake, bench: Bench, crops: Units, scans: Scans, came: Touched, known: Keyed, warnings: list[str]
) -> Keyed:
    """Pairs of one preset with a crop that came, by what they show."""
    number = {key: n for n, key in enumerate(crops.keys)}
    old = {(number[a], number[b]): told for (a, b), told in known.items() if a in number and b in number}
    new = np.array([came.has(unit, scan) for unit, scan in zip(crops.ids, crops.scans, strict=True)], dtype=bool)
    fields = np.array([crops.kind == "scan" and scans.of[scan]["kind"] == "field" for scan in crops.scans], dtype=bool)
    search = Search(bench, crops, lambda numbers: units.squares(lake, crops, numbers), fields)
    pairs: Found = search.found(new, old) if new.any() else {}
    some = np.flatnonzero(fields)
    if new[some].any():
        shown = overlaps.Fields(
            some,
            [scans.owner(crops.scans[n]) for n in some],
            crops.widths[some],
            crops.heights[some],
            new[some],
        )
        warnings += [
            f"{count} fields of one owner are too many at a time: parts that two of them share were not looked for. "
            "Name their patients, or deliver fewer at a time."
            for count in overlaps.too_many(shown).values()
        ]
        near = {*pairs, *old}
        pairs |= overlaps.found(bench, shown, lambda numbers: units.overviews(lake, crops, numbers), near)
    return {(crops.keys[a], crops.keys[b]): told for (a, b), told in pairs.items()}


def cells_of(lake: Lake) -> dict[str, list[tuple[str, float, float]]]:
    """All cells with their centres, by scan."""
    cells: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    if lake.version("curated.cells") is not None:
        rows = lake.glance("curated.cells").to_table(columns=["scan_id", "cell_id", "center_x", "center_y"])
        for scan, *cell in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            cells[scan].append((cell[0], cell[1], cell[2]))
    return cells


def spot_pairs(
    lake: Lake, pairs: Keyed, cells: dict[str, list[tuple[str, float, float]]], scans: Scans, came: Touched
) -> Keyed:
    """Pairs of cells on one spot of two scans that show the same, of which one came."""
    reach = lake.settings.crop.same_cell_distance
    found: Keyed = {}
    for (a, b), (kind, match) in pairs.items():
        first, second = cells.get(a), cells.get(b)
        if not first or not second:
            continue
        here, there = (np.array([cell[1:] for cell in some], dtype=np.float64) for some in (first, second))
        seen = placed(there, match, scans.size(a), scans.size(b), stretched=kind != "overlap")
        for i, j, dx, dy in on_one_spot(here, seen, reach):
            x, y = first[i][0], second[j][0]
            if came.has(x, a) or came.has(y, b):
                own = Match(match.score, match.turn, match.flip, dx, dy)
                found[min(x, y), max(x, y)] = "near", own if x < y else own.undone()
    return found


_MATCH = ("score", "turn", "flip", "dx", "dy")


def _surer(told: tuple[str, Match]) -> tuple[bool, float]:
    return told[0] == "exact", told[1].score


def _row(unit_kind: str, pair: tuple[str, str], kind: str, match: Match, decision: str) -> Row:
    values: dict[str, Any] = {name: getattr(match, name) for name in _MATCH}
    return {
        "unit_kind": unit_kind,
        "unit_a": pair[0],
        "unit_b": pair[1],
        "kind": kind,
        **values,
        "method_version": METHOD_VERSION,
        "decision": decision,
    }
