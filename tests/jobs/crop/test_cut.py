"""What an executor makes of a range of cells: crops under each setting, and reasons where there are none."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from jobs.crop.cut import Cutter
from jobs.parts import Parts
from jobs.settings import Crop, Settings
from jobs.store import Store
from schemas.crops import CROPS
from schemas.fingerprints import FINGERPRINTS
from schemas.reasons import Reason

WIDTH, HEIGHT, TILE = 600, 400, 128
ARROW = {"string": pa.string(), "int": pa.int32(), "bigint": pa.int64(), "double": pa.float64(), "binary": pa.binary()}
SCHEMAS = {
    table.full_name: pa.schema([pa.field(column.name, ARROW[column.type]) for column in table.columns])
    for table in (CROPS, FINGERPRINTS)
}
MADE_BY = {"stage_version": "2", "settings_sha256": "0" * 64}


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def curated(settings: Settings, pixels: np.ndarray) -> Path:
    """The folder of de-identified scans: a field, a tiled slide, one with a broken tile, one that is no image."""
    folder = Path(settings.zone_root("curated").removeprefix("file://"))
    folder.mkdir(parents=True)
    Image.fromarray(pixels).save(folder / "field.png")
    for name in ("slide.tif", "broken.tif"):
        tifffile.imwrite(folder / name, pixels, tile=(TILE, TILE), photometric="rgb", compression="zlib")
    with tifffile.TiffFile(folder / "broken.tif") as tiff:
        place, length = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
    with (folder / "broken.tif").open("r+b") as file:
        file.seek(place)
        file.write(bytes(length))
    (folder / "text.png").write_bytes(b"no image")
    return folder


def cut(settings: Settings, crop: Crop, *scans: dict[str, Any]) -> tuple[dict[tuple[str, str], Any], dict[Any, str]]:
    """Rows of the part that one range makes, and reasons of what failed, both by unit and preset."""
    uri = f"{settings.zone_root('curated')}/parts"
    cutter = Cutter(Store(), replace(settings, crop=crop), Parts(Store(), uri, SCHEMAS, MADE_BY))
    (told,) = cutter({"range": 0, "scans": list(scans)})
    failed = {(row["unit_id"], row["preset"]): row["reason"] for row in told["failed"]}
    if not told["part"]:
        return {}, failed
    rows = pq.read_table(f"{uri.removeprefix('file://')}/curated.crops/{told['part']}").to_pylist()
    return {(row["unit_id"], row["preset"]): row for row in rows}, failed


def scan(uri: str, *centers: tuple[float, float], mpp: float | None = 0.25) -> dict[str, Any]:
    """A scan with its region and a cell at each centre, named by its position."""
    units = [{"unit_id": f"{uri} {n}", "unit_kind": "cell", "x": x, "y": y} for n, (x, y) in enumerate(centers)]
    region = {"unit_id": f"{uri} whole", "unit_kind": "region", "x": None, "y": None}
    return {"scan_id": uri, "uri": uri, "mpp_x": mpp, "mpp_y": mpp, "units": [region, *units]}


def shown(row: dict[str, Any]) -> np.ndarray:
    decode = {"image/png": imagecodecs.png_decode, "image/jxl": imagecodecs.jpegxl_decode}[row["encoding"]]
    return np.asarray(decode(row["image"]))


@pytest.mark.parametrize("uri", ["field.png", "slide.tif"])
@pytest.mark.parametrize("encoding", ["png", "jxl"])
def test_crops_are_the_scans_own_pixels(settings, curated, pixels, uri, encoding):
    rows, failed = cut(settings, Crop(size=100, encoding=encoding), scan(uri, (300, 200), (10.5, 390)))
    assert failed == {}
    row = rows[f"{uri} 0", "cell_100"]
    assert np.array_equal(shown(row), pixels[150:250, 250:350])
    facts = {name: row[name] for name in ("x", "y", "width", "height", "scale", "out_mpp_x", "border_policy")}
    assert facts == {
        "x": 250, "y": 150, "width": 100, "height": 100, "scale": 1.0, "out_mpp_x": 0.25, "border_policy": "pad"
    }  # fmt: skip
    assert row["stage_version"] == "2"
    edge = shown(rows[f"{uri} 1", "cell_100"])
    assert np.array_equal(edge[:60, 40:], pixels[340:, :60])
    assert (edge[60:] == 255).all()
    assert (edge[:, :40] == 255).all()
    assert rows[f"{uri} 1", "cell_100"]["valid_fraction"] == pytest.approx(0.36)
    assert rows[f"{uri} whole", "overview"]["encoding"] == "image/png"


def test_shift_moves_the_crop_inside(settings, curated, pixels):
    rows, failed = cut(settings, Crop(size=100, border="shift"), scan("slide.tif", (10, 390)))
    row = rows["slide.tif 0", "cell_100"]
    assert (row["x"], row["y"], row["valid_fraction"], row["border_policy"]) == (0, 300, 1.0, "shift")
    assert np.array_equal(shown(row), pixels[300:, :100])
    assert failed == {}


def test_skip_leaves_it_out_with_the_reason(settings, curated):
    rows, failed = cut(settings, Crop(size=100, context=200, border="skip"), scan("slide.tif", (60, 200), (300, 200)))
    assert failed == {("slide.tif 0", "context_200"): Reason.BEYOND_EDGE}
    assert ("slide.tif 0", "cell_100") in rows
    assert rows["slide.tif 1", "context_200"]["unit_kind"] == "context"
    _, failed = cut(settings, Crop(size=150, context=200, border="skip"), scan("slide.tif", (60, 200)))
    assert set(failed.values()) == {Reason.BEYOND_EDGE}
    assert len(failed) == 2


def test_context_is_cut_around_the_same_centre(settings, curated, pixels):
    rows, _ = cut(settings, Crop(size=100, context=200), scan("field.png", (300, 200)))
    wide = shown(rows["field.png 0", "context_200"])
    assert np.array_equal(wide, pixels[100:300, 200:400])
    assert np.array_equal(wide[50:150, 50:150], shown(rows["field.png 0", "cell_100"]))


def test_crops_of_a_stated_size_of_pixel(settings, curated, pixels):
    rows, failed = cut(settings, Crop(size=100, mpp=0.5), scan("slide.tif", (300, 200)))
    row = rows["slide.tif 0", "cell_100_0.5um"]
    assert (row["width"], row["scale"], row["out_mpp_x"]) == (200, 0.5, 0.5)
    expected = Image.fromarray(pixels[100:300, 200:400]).resize((100, 100), Image.Resampling.BICUBIC)
    assert np.array_equal(shown(row), np.asarray(expected))
    rows, failed = cut(settings, Crop(size=100, mpp=0.5), scan("slide.tif", (300, 200), mpp=None))
    assert failed == {("slide.tif 0", "cell_100_0.5um"): Reason.PIXEL_SIZE_MISSING}
    assert list(rows) == [("slide.tif whole", "overview")]


def test_a_broken_tile_costs_the_crops_that_show_it(settings, curated, pixels):
    rows, failed = cut(settings, Crop(size=100, context=300), scan("broken.tif", (60, 60), (400, 250), (200, 200)))
    assert failed == {
        ("broken.tif 0", "cell_100"): Reason.UNREADABLE,
        ("broken.tif 0", "context_300"): Reason.UNREADABLE,
        ("broken.tif 2", "context_300"): Reason.UNREADABLE,
        ("broken.tif whole", "overview"): Reason.UNREADABLE,
    }
    assert np.array_equal(shown(rows["broken.tif 1", "cell_100"]), pixels[200:300, 350:450])


def test_a_broken_scan_costs_its_own_crops(settings, curated):
    rows, failed = cut(settings, Crop(size=100), scan("text.png", (60, 60)), scan("field.png", (60, 60)))
    assert failed == {
        ("text.png 0", "cell_100"): Reason.UNKNOWN_FORMAT,
        ("text.png whole", "overview"): Reason.UNKNOWN_FORMAT,
    }
    assert set(rows) == {("field.png 0", "cell_100"), ("field.png whole", "overview")}


def test_a_cell_beside_the_scan_is_not_cut(settings, curated):
    _, failed = cut(settings, Crop(size=100), scan("slide.tif", (900, 200), (float("nan"), 3)))
    assert set(failed.values()) == {Reason.OUTSIDE_SCAN}
    assert len(failed) == 2


def test_the_same_range_is_the_same_file(settings, curated):
    folder = curated / "parts" / "curated.crops"
    cut(settings, Crop(size=100), scan("slide.tif", (300, 200)))
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    cut(settings, Crop(size=100), scan("slide.tif", (300, 200)))
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} == before
    assert len(before) == 1
