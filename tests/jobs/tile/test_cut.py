"""What executors do with slides, sound and broken."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jobs.settings import Tiles
from jobs.store import Store
from jobs.tile.cut import Cutter, Planner, region_of
from tests.histology import section
from tests.jobs.pixels.conftest import write_pyramid

UM = 0.5


@pytest.fixture
def slide(settings, tmp_path):
    """Settings, and the row of a slide."""
    pixels = section(2, mpp=UM, side_um=500, pen="").pixels
    folder = tmp_path / "lake" / "curated" / "objects"
    folder.mkdir(parents=True)
    write_pyramid(folder / "a.tif", [pixels, np.asarray(Image.fromarray(pixels).reduce(4))], compression="deflate")
    whole = {"region_id": "r" * 32, "name": None, "polygon": [0.0, 0.0, 9e4, 0.0, 9e4, 9e4]}
    row = {"scan_id": "s" * 32, "uri": "objects/a.tif", "mpp_x": UM, "mpp_y": UM, "regions": [whole]}
    return replace(settings, tiles=Tiles(size=128, mpp=1.0)), row, folder / "a.tif"


def planned(settings, row):
    (plan,) = Planner(Store(), settings)(row)
    return plan


def test_a_slide_is_planned_and_cut(slide):
    settings, row, _ = slide
    plan = planned(settings, row)
    assert plan["reason"] is None
    assert len(plan["tiles"]) > 4
    found = list(Cutter(Store(), settings)(row | {"tiles": plan["tiles"]}))
    assert {one["unit_id"] for one in found} == {tile["tile_id"] for tile in plan["tiles"]}
    assert all(one["image"] and "reason" not in one for one in found)
    assert planned(settings, row) == plan
    other = planned(replace(settings, tiles=Tiles(size=128, mpp=1.0, overlap=8)), row)
    assert not {tile["tile_id"] for tile in other["tiles"]} & {tile["tile_id"] for tile in plan["tiles"]}


def test_what_cannot_be_read_is_told_tile_by_tile(slide):
    settings, row, file = slide
    tiles = planned(settings, row)["tiles"]
    assert planned(settings, row | {"mpp_x": None})["reason"] == "pixel_size_missing"
    size = file.stat().st_size
    for rest in (size * 2 // 3, 100, 0):
        os.truncate(file, rest)
        found = list(Cutter(Store(), settings)(row | {"tiles": tiles}))
        assert {one["unit_id"] for one in found} == {tile["tile_id"] for tile in tiles}
        assert any(one.get("reason") for one in found)
    assert planned(settings, row)["reason"]
    assert planned(settings, row)["tiles"] == []


def test_the_core_that_holds_a_point_comes_before_the_whole():
    whole = {"region_id": "w", "name": None, "polygon": [0.0, 0.0, 99.0, 0.0, 99.0, 99.0, 0.0, 99.0]}
    core = {"region_id": "c", "name": "A1", "polygon": [10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]}
    assert [region_of([core, whole], x, 15) for x in (15, 50)] == ["c", "w"]
