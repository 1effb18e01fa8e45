"""Slides of the wanted stain become tiles once; a broken slide is held back and the rest goes on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs import pipeline
from jobs.lake import Lake
from jobs.pixels.encode import decode
from jobs.settings import Places, Settings, Tiles
from schemas.features import QUALITY, SECTION
from schemas.stages import CROP, DEIDENTIFY, MEASURE, TILE
from tests.histology import microarray, section
from tests.jobs.measure.test_stage import crop, put, scan
from tests.jobs.pixels.conftest import write_pyramid

UM = 1.0


def deliver(lake, name, pixels):
    """Write a slide into the curated zone; its rows of scans and regions."""
    file = Path(lake.settings.zone_root("curated").removeprefix("file://")) / "objects" / f"{name}.tif"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_pyramid(file, [pixels, np.asarray(Image.fromarray(pixels).reduce(4))], compression="deflate")
    height, width = pixels.shape[:2]
    own = {"scan_id": f"{name:>032}", "uri": f"objects/{file.name}", "kind": "slide", "stain": "H&E"}
    whole = {
        "region_id": f"{name:a>32}", "scan_id": own["scan_id"], "specimen_id": "e" * 32, "name": None,
        "polygon": [0.0, 0.0, float(width), 0.0, float(width), float(height), 0.0, float(height)],
    }  # fmt: skip
    sized = {"width_px": width, "height_px": height, "mpp_x": UM, "mpp_y": UM}
    return scan(0, **own | sized), whole, file


def run(lake, stage):
    outcome = pipeline.run_stage(lake, stage)
    return {account.unit: (account.came, account.held) for account in outcome.accounts}


@pytest.fixture
def own_lake(spark, tmp_path):
    places = Places(lake=(tmp_path / "lake").as_uri(), landing=(tmp_path / "landing").as_uri())
    tiles = Tiles(size=128, mpp=2.0, overlap=16, least_tissue=0.05)
    return Lake(Settings(places=places, sources={}, tiles=tiles), spark)


def test_slides_become_tiles_once(own_lake):
    lake = own_lake
    off = Lake(replace(lake.settings, tiles=Tiles()), lake.spark)
    pixels, mask = microarray(1, rows=2, columns=2, mpp=UM)
    array, whole, file = deliver(lake, "1", pixels)
    core = whole | {"region_id": "b" * 32, "name": "A1", "polygon": [0.0, 0.0, 900.0, 0.0, 900.0, 900.0, 0.0, 900.0]}
    unsized, of_unsized, _ = deliver(lake, "2", pixels[:300, :300])
    smear, of_smear, _ = deliver(lake, "3", pixels[:300, :300])
    scans = [array, unsized | {"mpp_x": None, "mpp_y": None}, smear | {"stain": "May-Grünwald-Giemsa"}]
    regions = [whole, core, of_unsized, of_smear]
    put(lake, DEIDENTIFY, "curated.scans", scans)
    put(lake, DEIDENTIFY, "curated.regions", regions)
    put(lake, CROP, "curated.crops", [crop(0, 0, scan_id=array["scan_id"])])
    assert run(off, TILE) == {}
    assert lake.version("curated.tiles") is None

    done = run(lake, TILE)
    assert done["slide"] == (2, 1)
    (held,) = lake.read("restricted.quarantine").collect()
    assert (held.unit_id, held.reason) == (unsized["scan_id"], "pixel_size_missing")
    crops = {row.unit_id: row for row in lake.read("curated.crops").where("unit_kind = 'tile'").collect()}
    tiles = {row.tile_id: row for row in lake.read("curated.tiles").collect()}
    assert set(crops) == set(tiles)
    assert done["tile"] == (len(tiles), 0)
    covered = np.zeros_like(mask)
    for tile_id, tile in tiles.items():
        shown, window = crops[tile_id], pixels[tile.y : tile.y + 256, tile.x : tile.x + 256]
        assert (shown.preset, shown.scale, shown.out_mpp_x, shown.width) == ("tile_128", 0.5, 2.0, 256)
        assert shown.valid_fraction == pytest.approx(window.shape[0] * window.shape[1] / 256**2)
        if shown.valid_fraction == 1:
            wanted = np.asarray(Image.fromarray(window).reduce(2))
            assert np.abs(decode(shown.image).astype(int) - wanted).max() <= 1
        covered[tile.y : tile.y + 256, tile.x : tile.x + 256] = True
        in_core = tile.x + 128 < 900 and tile.y + 128 < 900
        assert tile.region_id == (core if in_core else whole)["region_id"]
    assert (mask & covered).sum() > 0.95 * mask.sum()

    # What was cut is measured, and a cell's crop is left as it is.
    assert run(lake, MEASURE)["crop"] == (len(tiles) + 1, 0)
    rows = lake.read("curated.features").where("feature <> 'border_contact'").collect()
    named = {tile_id: {row.feature for row in rows if row.unit_id == tile_id} for tile_id in tiles}
    assert all(set(QUALITY) <= found for found in named.values())
    assert sum(found == set(QUALITY) for found in named.values()) == len(tiles)  # 2 µm hide nuclei
    assert not set(SECTION) & {row.feature for row in rows}

    # Nothing is done twice, and a new slide costs itself alone: the old file is gone by now.
    versions = {name: lake.version(name) for name in TILE.writes}
    assert run(lake, TILE) == {}
    assert {name: lake.version(name) for name in TILE.writes} == versions
    file.write_bytes(b"")
    new, of_new, _ = deliver(lake, "4", section(5, mpp=UM, side_um=700, pen="").pixels)
    broken, of_broken, broken_file = deliver(lake, "5", pixels[:400, :400])
    os.truncate(broken_file, broken_file.stat().st_size // 2)
    put(lake, DEIDENTIFY, "curated.regions", [*regions, of_new, of_broken])
    put(lake, DEIDENTIFY, "curated.scans", [*scans, new, broken])
    done = run(lake, TILE)
    assert done["slide"] == (2, 1)
    more = {row.tile_id: row for row in lake.read("curated.tiles").collect()}
    assert {tile_id: more[tile_id] for tile_id in tiles} == tiles
    assert {more[tile_id].scan_id for tile_id in set(more) - set(tiles)} == {new["scan_id"]}
    assert lake.read("curated.crops").where("unit_kind = 'cell'").count() == 1

    # A slide that is gone takes its tiles with it.
    put(lake, DEIDENTIFY, "curated.scans", scans[:1])
    run(lake, TILE)
    assert {row.tile_id: row for row in lake.read("curated.tiles").collect()} == tiles
    assert lake.read("curated.crops").where("unit_kind = 'tile'").count() == len(tiles)
