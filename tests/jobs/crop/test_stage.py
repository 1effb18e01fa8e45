"""The stage in a lake: even ranges, a run that goes on where one was killed, and what cannot be cut."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jobs import pipeline
from jobs.crop import ranges
from jobs.lake import EVERYTHING, Lake, contract
from jobs.store import local_path
from schemas.reasons import Reason
from schemas.stages import CROP, DEIDENTIFY

SIDE = 1200


def key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def put(lake: Lake, name: str, rows: list[dict[str, Any]]) -> None:
    blank = {column.name: None for column in contract(name).own_columns}
    schema = ", ".join(f"{column.name} {column.type}" for column in contract(name).own_columns)
    frame = lake.spark.createDataFrame([tuple((blank | row).values()) for row in rows], schema)
    lake.write(lake.work(DEIDENTIFY, rebuild=True), name, frame, scope=EVERYTHING)


def fill(lake: Lake, cells: dict[str, int]) -> None:
    """Make these fields, each with so many annotated cells, all that the lake holds."""
    root = local_path(lake.settings.zone_root("curated"))
    root.mkdir(parents=True, exist_ok=True)
    for name in cells:
        pixels = np.random.default_rng(len(name)).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{name}.png")
    put(lake, "curated.scans", [
        {"scan_id": key(name), "patient_key": key("p"), "kind": "field", "uri": f"{name}.png", "width_px": SIDE,
         "height_px": SIDE, "mpp_source": "header", "site_key": key("s"), "codec": "png", "lossy_source": False}
        for name in cells
    ])  # fmt: skip
    put(
        lake,
        "curated.regions",
        [
            {
                "region_id": key(f"region {name}"),
                "scan_id": key(name),
                "polygon": [0.0, 0.0, 1200.0, 0.0, 1200.0, 1200.0],
            }
            for name in cells
        ],
    )
    put(lake, "curated.annotations", [mark(name, n) for name, count in cells.items() for n in range(count)])


def mark(name: str, number: int) -> dict[str, Any]:
    """A point on a field, a grid of them from corner to corner."""
    x, y = 60.0 + number % 30 * 35, 60.0 + number // 30 * 35
    return {
        "annotation_id": key(f"{name} {number}"), "scan_id": key(name), "source_key": key(f"file {name}"),
        "position": number, "geometry_type": "point", "coordinates": [x, y], "center_x": x, "center_y": y,
        "label_raw": "BLA", "label_code": "BLA", "vocabulary": "munich_bmc", "vocabulary_version": "1",
        "examiner_key": key("e"), "annotator_kind": "human", "round": 1,
    }  # fmt: skip


def parts(lake: Lake) -> dict[str, int]:
    """Name and inode of each part that waits for its commit."""
    root = local_path(lake.settings.zone_root("curated"))
    return {path.name: path.stat().st_ino for path in root.glob("_staging/crop-parts/*/curated.crops/*.parquet")}


def files(lake: Lake) -> dict[str, int]:
    folder = local_path(lake.uri(contract("curated.crops")))
    return {path.name: path.stat().st_ino for path in folder.glob("*.parquet")}


def test_ranges_are_of_one_size_whatever_the_scans(spark):
    of_scan = {"a": 5, "b": 500, "c": 3, "d": 92}
    rows = [(s, f"{s}{n}", "cell", float(n % 7), float(n)) for s, count in of_scan.items() for n in range(count)]
    units = spark.createDataFrame(rows, "scan_id string, unit_id string, unit_kind string, x double, y double")
    scans = spark.createDataFrame(
        [(s, s, 0.1, 0.1) for s in of_scan], "scan_id string, uri string, mpp_x double, mpp_y double"
    )
    found = {row["range"]: row.scans for row in ranges.ranges(units, scans, 100).collect()}
    assert {n: sum(len(scan.units) for scan in each) for n, each in found.items()} == dict.fromkeys(range(6), 100)
    assert sorted(unit.unit_id for each in found.values() for scan in each for unit in scan.units) == sorted(
        row[1] for row in rows
    )
    bands = [
        (min(u.y for u in s.units), max(u.y for u in s.units))
        for each in found.values()
        for s in each
        if s.scan_id == "b"
    ]
    bands.sort()
    assert all(one[1] < other[0] for one, other in itertools.pairwise(bands))


def test_a_run_goes_on_where_one_was_killed(lake, monkeypatch):
    fill(lake, {"large": 200, "small": 40})
    write = Lake.write

    def killed(self, work, name, *args, **options):
        if name == "curated.cells":
            raise KeyboardInterrupt
        return write(self, work, name, *args, **options)

    monkeypatch.setattr(Lake, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run_stage(lake, CROP)
    monkeypatch.undo()
    left = parts(lake)
    assert len(left) == 4
    lost, *finished = sorted(left)
    root = local_path(lake.settings.zone_root("curated"))
    next(root.glob(f"_staging/crop-parts/*/curated.crops/{lost}")).unlink()
    outcome = pipeline.run_stage(lake, CROP)
    there = files(lake)
    assert {name: there[name] for name in finished} == {name: left[name] for name in finished}
    assert [(each.unit, each.came, each.passed) for each in outcome.accounts] == [
        ("annotation", 240, 240), ("crop", 242, 242)
    ]  # fmt: skip
    crops = lake.read("curated.crops").select("unit_id", "preset", "scan_id").collect()
    assert len(crops) == len({(row.unit_id, row.preset) for row in crops}) == 242
    assert lake.read("curated.fingerprints").count() == 242
    assert not [path for path in root.glob("_staging/**/*") if path.is_file()]
    assert pipeline.run_stage(lake, CROP).skipped

    # One more annotation in an old scan: nothing else is cut.
    fill(lake, {"large": 201, "small": 40})
    outcome = pipeline.run_stage(lake, CROP)
    assert {each.table: each.inserted for each in outcome.written if each.changed} == {
        "curated.cells": 1, "curated.crops": 1, "curated.fingerprints": 1, "curated.votes": 1
    }  # fmt: skip
    assert there.items() <= files(lake).items()


def test_what_cannot_be_cut_is_held_back_and_the_rest_goes_on(lake):
    fill(lake, {"good": 10, "broken": 7})
    root = local_path(lake.settings.zone_root("curated"))
    whole = (root / "broken.png").read_bytes()
    (root / "broken.png").write_bytes(whole[:5000])
    outcome = pipeline.run_stage(lake, CROP)
    assert [(each.unit, each.came, each.passed, each.held) for each in outcome.accounts] == [
        ("annotation", 17, 10, 7), ("crop", 19, 11, 8)
    ]  # fmt: skip
    assert lake.read("curated.cells").count() == lake.read("curated.votes").count() == 10
    held = lake.read("restricted.quarantine").where("resolved_by IS NULL").collect()
    assert {row.unit_kind for row in held} == {"annotation", "crop"}
    assert {row.reason for row in held} <= {Reason.TRUNCATED, Reason.UNREADABLE}
    assert all(row.sentence == Reason(row.reason).sentence for row in held)

    # The scan comes again, whole: what was held back passes.
    (root / "broken.png").rename(root / "mended.png")
    (root / "mended.png").write_bytes(whole)
    rows = [row.asDict() for row in lake.read("curated.scans").drop("stage_version", "settings_sha256").collect()]
    put(lake, "curated.scans", [row | {"uri": row["uri"].replace("broken", "mended")} for row in rows])
    pipeline.run_stage(lake, CROP)
    assert lake.read("curated.cells").count() == 17
    assert lake.read("curated.crops").count() == 19
    assert lake.read("restricted.quarantine").where("resolved_by IS NULL").count() == 0
