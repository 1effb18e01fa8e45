"""Every annotation of a scan gets its crop or its reason."""

from __future__ import annotations

import csv
import faulthandler
import os
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from jobs import cli
from jobs.pixels.encode import ENCODERS

SIDE = 20


def image(width: int = 101, height: int = 70) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)


def points(folder: Path, *places: tuple[float, float]) -> Path:
    path = folder / "cells.csv"
    path.write_text("x,y,label\n" + "".join(f"{x},{y},blast\n" for x, y in places))
    return path


def crop(scan: Path, annotations: Path, out: Path, *options: str) -> tuple[int, list[dict[str, str]]]:
    """Exit code and index."""
    code = cli.main(["crop-files", str(scan), "--annotations", str(annotations), str(out), *options])
    with (out / "index.csv").open(newline="") as file:
        return code, list(csv.DictReader(file))


@pytest.fixture
def field(tmp_path: Path) -> Path:
    path = tmp_path / "field.png"
    Image.fromarray(image()).save(path)
    return path


def test_images_of_one_name_in_two_folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(image()).save(tmp_path / name / "field.png")
    (tmp_path / "cells.csv").write_text("image,x,y,label\na/field.png,50,35,blast\nb/field.png,30,20,lymph\n")
    code, rows = crop(tmp_path / "b" / "field.png", tmp_path / "cells.csv", tmp_path / "out", "--size", str(SIDE))
    assert code == 0
    assert [(row["x"], row["y"]) for row in rows] == [("20", "10")]


@pytest.mark.parametrize(("name", "told"), [("other.png", True), ("field.svs", False), ("S-1", False)])
def test_annotations_that_name_another_image(field, tmp_path, capsys, name, told):
    (tmp_path / "cells.csv").write_text(f"image,x,y,label\n{name},50,35,blast\n")
    code, _ = crop(field, tmp_path / "cells.csv", tmp_path / "out", "--size", str(SIDE))
    assert (code, "name another image" in capsys.readouterr().out) == (0, told)


def test_millimetres_that_miss_a_whole_pixel_by_the_last_digit(field, tmp_path):
    code, rows = crop(field, points(tmp_path, (29.9999999999, 40.0)), tmp_path / "out", "--size", str(SIDE))
    assert (code, rows[0]["x"]) == (0, "20")


def test_an_output_folder_that_cannot_be_made_is_wrong_use(field, tmp_path):
    arguments = ["crop-files", str(field), "--annotations", str(points(tmp_path, (1, 1))), str(field / "out")]
    assert cli.main(arguments) == 2


CELLS = ((50.0, 35.0), (33.7, 20.2), (2.0, 69.0), (100.5, 35.0))


def test_crops_are_the_pixels_around_the_centres(field, tmp_path):
    code, rows = crop(field, points(tmp_path, *CELLS), tmp_path / "out", "--size", str(SIDE))
    assert code == 0
    assert list(rows[0]) == ["file", "annotation", "x", "y", "width", "height", "status", "reason"]
    assert [row["status"] for row in rows] == ["written", "written", "padded", "padded"]
    around = np.pad(image(), [(SIDE, SIDE), (SIDE, SIDE), (0, 0)], constant_values=255)
    for (x, y), row in zip(CELLS, rows, strict=True):
        left, top = int(np.floor(x - SIDE / 2)), int(np.floor(y - SIDE / 2))
        assert (int(row["x"]), int(row["y"]), row["width"], row["height"]) == (left, top, "20", "20")
        found = np.asarray(Image.open(tmp_path / "out" / row["file"]))
        assert np.array_equal(found, around[top + SIDE : top + 2 * SIDE, left + SIDE : left + 2 * SIDE])


def test_crops_are_shifted_into_the_scan(field, tmp_path):
    code, rows = crop(field, points(tmp_path, *CELLS), tmp_path / "out", "--size", str(SIDE), "--border", "shift")
    assert code == 0
    assert [row["status"] for row in rows] == ["written", "written", "shifted", "shifted"]
    assert [(row["x"], row["y"]) for row in rows[2:]] == [("0", "50"), ("81", "25")]
    for row in rows:
        x, y = int(row["x"]), int(row["y"])
        found = np.asarray(Image.open(tmp_path / "out" / row["file"]))
        assert np.array_equal(found, image()[y : y + SIDE, x : x + SIDE])


def test_crops_at_the_border_are_skipped(field, tmp_path):
    code, rows = crop(field, points(tmp_path, *CELLS), tmp_path / "out", "--size", str(SIDE), "--border", "skip")
    assert code == 0
    assert [row["status"] for row in rows] == ["written", "written", "skipped", "skipped"]
    assert all(row["reason"] and not row["file"] for row in rows[2:])
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_scan_smaller_than_the_crop_is_shifted_and_padded(field, tmp_path):
    code, rows = crop(field, points(tmp_path, (9, 9)), tmp_path / "out", "--border", "shift")
    assert (code, rows[0]["status"]) == (0, "padded")
    found = np.asarray(Image.open(tmp_path / "out" / rows[0]["file"]))
    x, y = -int(rows[0]["x"]), -int(rows[0]["y"])
    assert np.array_equal(found[y : y + 70, x : x + 101], image())


@pytest.mark.parametrize(
    ("name", "decode"), [("png", imagecodecs.png_decode), ("jxl", imagecodecs.jpegxl_decode), ("jpeg", None)]
)
def test_formats(field, tmp_path, name, decode):
    _, rows = crop(field, points(tmp_path, (50, 35)), tmp_path / "out", "--size", str(SIDE), "--format", name)
    data = (tmp_path / "out" / rows[0]["file"]).read_bytes()
    expected = image()[25:45, 40:60]
    if decode:
        assert np.array_equal(decode(data), expected)
    else:
        assert np.abs(imagecodecs.jpeg8_decode(data).astype(int) - expected).mean() < 4
        assert imagecodecs.jpeg8_decode(data).shape == (SIDE, SIDE, 3)


def test_shapes_that_cannot_be_cut_fail_with_their_reason_and_the_rest_goes_on(field, tmp_path):
    code, rows = crop(field, points(tmp_path, (50, 35), (5000, 35), (20, 20)), tmp_path / "out", "--size", str(SIDE))
    assert code == 1
    assert [row["status"] for row in rows] == ["written", "failed", "written"]
    assert "outside" in rows[1]["reason"]
    assert not rows[1]["file"]


def test_a_broken_tile_costs_its_own_crops(tmp_path):
    path = tmp_path / "a.tif"
    pixels = image(128, 64)
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", compression="deflate", metadata=None)
    with tifffile.TiffFile(path) as file:
        place, length = file.pages[0].dataoffsets[1], file.pages[0].databytecounts[1]
    data = bytearray(path.read_bytes())
    data[place : place + length] = bytes(length)
    path.write_bytes(data)
    code, rows = crop(path, points(tmp_path, (30, 30), (100, 30), (64, 30)), tmp_path / "out", "--size", str(SIDE))
    assert code == 1
    assert [row["status"] for row in rows] == ["written", "failed", "failed"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / rows[0]["file"])), pixels[20:40, 20:40])


def test_a_scan_that_cannot_be_opened_fails_each_annotation(tmp_path, capsys):
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    code, rows = crop(path, points(tmp_path, (1, 1), (2, 2)), tmp_path / "out")
    assert code == 1
    assert [row["status"] for row in rows] == ["failed", "failed"]
    assert len({row["reason"] for row in rows} - {""}) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_absent_tiles_are_said_so(tmp_path):
    path = tmp_path / "a.tif"
    tiles = iter([image(64, 64), None])
    tifffile.imwrite(path, tiles, shape=(64, 128, 3), dtype=np.uint8, tile=(64, 64), photometric="rgb", metadata=None)
    code, rows = crop(path, points(tmp_path, (30, 30), (64, 30)), tmp_path / "out", "--size", str(SIDE))
    assert code == 0
    assert not rows[0]["reason"]
    assert "no tile" in rows[1]["reason"]


def test_crops_of_one_size_in_micrometres(field, tmp_path):
    out = tmp_path / "out"
    options = ("--size", "10", "--mpp", "0.5", "--scan-mpp", "0.25")
    code, rows = crop(field, points(tmp_path, (50, 35)), out, *options)
    assert code == 0
    assert (rows[0]["x"], rows[0]["y"], rows[0]["width"], rows[0]["height"]) == ("40", "25", "20", "20")
    assert Image.open(out / rows[0]["file"]).size == (10, 10)


def test_micrometres_need_a_pixel_size(field, tmp_path, capsys):
    code = cli.main(
        ["crop-files", str(field), "--annotations", str(points(tmp_path, (5, 5))), str(tmp_path / "out"), "--mpp", "1"]
    )
    assert code == 2
    assert "--scan-mpp" in capsys.readouterr().err


def test_context_crops_share_the_centre(field, tmp_path):
    crop(field, points(tmp_path, (50, 35)), tmp_path / "out", "--size", str(SIDE), "--context", "40")
    with (tmp_path / "out/context/index.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["x"], row["y"], row["width"]) == ("30", "15", "40")
    found = np.asarray(Image.open(tmp_path / "out/context" / row["file"]))
    assert np.array_equal(found, image()[15:55, 30:70])


def test_presets(field, tmp_path):
    _, rows = crop(field, points(tmp_path, (50, 35)), tmp_path / "out", "--preset", "mll23")
    assert rows[0]["width"] == "288"


def test_several_processes_give_the_same(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, image(600, 600), tile=(64, 64), photometric="rgb", compression="jpeg", metadata=None)
    places = np.random.default_rng(3).uniform(0, 600, (1200, 2)).round(2).tolist()
    cells = points(tmp_path, *[(x, y) for x, y in places])
    found = [crop(path, cells, tmp_path / str(jobs), "--size", "40", "--jobs", str(jobs)) for jobs in (1, 4)]
    assert found[0] == found[1]
    for row in found[0][1]:
        assert (tmp_path / "1" / row["file"]).read_bytes() == (tmp_path / "4" / row["file"]).read_bytes()


def test_a_crop_at_which_a_library_crashes_fails_and_the_rest_goes_on(field, tmp_path, monkeypatch):
    def crash(pixels):
        if (pixels == 255).all():
            faulthandler.disable()  # its dump would hide the outcome of other tests
            os.abort()
        return ENCODERS["jpeg"](pixels)

    monkeypatch.setitem(ENCODERS, "png", crash)
    pixels = image(300, 70)
    pixels[:, 200:240] = 255
    Image.fromarray(pixels).save(field)
    places = [(float(x), 35.0) for x in range(20, 280, 10)]
    code, rows = crop(field, points(tmp_path, *places), tmp_path / "out", "--size", str(SIDE))
    assert code == 1
    failed = [place[0] for place, row in zip(places, rows, strict=True) if row["status"] == "failed"]
    assert failed == [210.0, 220.0, 230.0]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"index.csv", *(r["file"] for r in rows)} - {""}


def test_a_scan_that_is_replaced_while_it_is_read_fails(field, tmp_path, monkeypatch):
    from jobs import crop_files

    write = crop_files._written

    def replaced(*arguments):
        Image.fromarray(image()[::-1]).save(field)
        return write(*arguments)

    monkeypatch.setattr(crop_files, "_written", replaced)
    code, rows = crop(field, points(tmp_path, (50, 35)), tmp_path / "out", "--size", str(SIDE), "--jobs", "1")
    assert code == 1
    assert "changed" in rows[0]["reason"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["index.csv"]


@pytest.mark.parametrize(
    "change",
    [
        {"scan": "missing.svs"},
        {"annotations": "missing.csv"},
        {"options": ["--size", "0"]},
        {"options": ["--size", "100000"]},
        {"options": ["--pad-colour", "red"]},
        {"options": ["--context", "10"]},
        {"out": "full"},
    ],
)
def test_wrong_use(field, tmp_path, change):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    scan, out = tmp_path / change.get("scan", field.name), tmp_path / change.get("out", "out")
    annotations = tmp_path / change["annotations"] if "annotations" in change else points(tmp_path, (5, 5))
    code = cli.main(["crop-files", str(scan), "--annotations", str(annotations), str(out), *change.get("options", [])])
    assert code == 2
    assert not (tmp_path / "out").exists()


def test_an_annotation_file_that_cannot_be_read(field, tmp_path, capsys):
    path = tmp_path / "cells.json"
    path.write_text("{")
    code, rows = crop(field, path, tmp_path / "out")
    assert (code, rows) == (1, [])
    said = capsys.readouterr().err
    assert "annotation file" in said
    assert "Traceback" not in said


def test_a_shape_without_a_place_has_none_in_the_index(field, tmp_path):
    path = tmp_path / "cells.geojson"
    path.write_text('{"type": "FeatureCollection", "features": [{"type": "Feature", "id": "a", "geometry": null}]}')
    code, rows = crop(field, path, tmp_path / "out")
    assert code == 1
    assert [(row["x"], row["y"], row["status"]) for row in rows] == [("", "", "failed")]


def test_a_carriage_return_in_a_name_starts_no_line(field, tmp_path):
    path = tmp_path / "cells.geojson"
    path.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "id": "a\\rb", "geometry":'
        ' {"type": "Point", "coordinates": [30, 30]}}]}'
    )
    _, rows = crop(field, path, tmp_path / "out", "--size", "20")
    assert [(row["annotation"], row["status"]) for row in rows] == [("a\rb", "written")]


@pytest.mark.parametrize("options", [["--pad-colour", "²,1,1"], ["--focal-plane", "nan"]])
def test_numbers_that_are_none_are_wrong_use(field, tmp_path, options):
    code = cli.main(
        ["crop-files", str(field), "--annotations", str(points(tmp_path, (1, 1))), str(tmp_path / "out"), *options]
    )
    assert code == 2
