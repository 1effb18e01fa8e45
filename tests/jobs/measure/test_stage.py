"""The stage measures each crop once, follows what changes, and forgets what is gone."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from jobs import pipeline
from jobs.lake import EVERYTHING, Lake, contract
from jobs.pixels.encode import encode_png
from schemas.stages import CROP, DEIDENTIFY, MEASURE
from tests.jobs.pixels.test_measures import smear

SCANS = [f"{number:032x}" for number in (1, 2)]


def scan(number, **other):
    plain = {column.name: None for column in contract("curated.scans").own_columns}
    return plain | {
        "scan_id": SCANS[number], "patient_key": "c" * 32, "kind": "field", "uri": f"objects/{number}", "width_px": 900,
        "height_px": 900, "mpp_x": 0.1, "mpp_y": 0.1, "mpp_source": "header", "site_key": "d" * 32, "codec": "JPEG",
        "lossy_source": True, "stain": "May-Grünwald-Giemsa",
    } | other  # fmt: skip


def crop(cell, number, seed=0, **other):
    pixels = smear(60, 30 + cell, seed=seed)
    return {
        "unit_id": hashlib.sha256(f"cell {cell}".encode()).hexdigest()[:32], "unit_kind": "cell", "preset": "cell_250",
        "scan_id": SCANS[number], "x": 100, "y": 100, "width": 250, "height": 250, "scale": 1.0, "out_mpp_x": 0.1,
        "out_mpp_y": 0.1, "border_policy": "pad", "valid_fraction": 1.0, "absent_fraction": 0.0,
        "pixel_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(), "encoding": "image/png",
        "encoder_version": "1", "image": encode_png(pixels),
    } | other  # fmt: skip


def put(lake, stage, name, rows):
    schema = ", ".join(f"{column.name} {column.type}" for column in contract(name).own_columns)
    lake.write(lake.work(stage), name, lake.spark.createDataFrame(rows, schema), scope=EVERYTHING)


def measured(lake):
    """How many crops the stage took in, and all that it knows by unit."""
    outcome = pipeline.run_stage(lake, MEASURE)
    found = {}
    for row in lake.read("curated.features").collect():
        found.setdefault(row.unit_id, {})[row.feature] = row.value
    return sum(account.came for account in outcome.accounts), found


@pytest.fixture(scope="module")
def own_lake(spark, tmp_path_factory):
    from jobs.settings import Places, Settings

    root = tmp_path_factory.mktemp("measure")
    places = Places(lake=(root / "lake").as_uri(), landing=(root / "landing").as_uri())
    return Lake(Settings(places=places, sources={}), spark)


def test_each_crop_is_measured_once(own_lake):
    lake = own_lake
    put(lake, DEIDENTIFY, "curated.scans", [scan(0), scan(1)])
    overview = crop(9, 0, unit_id="f" * 32, unit_kind="region", preset="overview")
    crops = [crop(0, 0), crop(1, 0), crop(2, 1), overview]
    put(lake, CROP, "curated.crops", crops)
    came, first = measured(lake)
    assert came == 3
    assert set(first) == {one["unit_id"] for one in crops[:3]}
    version = lake.version("curated.features")
    assert measured(lake) == (0, first)
    assert lake.version("curated.features") == version

    # One more cell in an old scan: it alone is decoded, and the others stay.
    crops.append(crop(3, 0))
    put(lake, CROP, "curated.crops", crops)
    came, second = measured(lake)
    assert came == 1
    assert {unit: second[unit] for unit in first} == first
    assert set(second) - set(first) == {crops[-1]["unit_id"]}

    # Other pixels are measured anew, what is gone is forgotten, and a scan's new stain is heeded.
    crops[0] = crop(0, 0, seed=5)
    put(lake, CROP, "curated.crops", [crops[0], *crops[2:]])
    put(lake, DEIDENTIFY, "curated.scans", [scan(0), scan(1, stain="H&E")])
    came, third = measured(lake)
    assert came == 2
    assert set(third) == {crops[index]["unit_id"] for index in (0, 2, 4)}
    assert third[crops[0]["unit_id"]] != second[crops[0]["unit_id"]]
    assert "cell_area" in third[crops[0]["unit_id"]]
    assert "cell_area" not in third[crops[2]["unit_id"]]
    assert third[crops[4]["unit_id"]] == second[crops[4]["unit_id"]]

    # All of it in one go gives the same.
    rebuilt = pipeline.run_stage(lake, replace(MEASURE), rebuild=True)
    assert sum(account.came for account in rebuilt.accounts) == 3
    assert rebuilt.changed == 0
