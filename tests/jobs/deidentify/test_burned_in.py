"""Text in the pixels is found in every kind of file, and what is said of a search is what was done."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image, ImageDraw, ImageFont
from pydicom.data import get_testdata_file

from benchmarks.burned_in_text import FEW, measure, pictures, table
from jobs import cli
from jobs.deidentify import ocr
from jobs.deidentify.batch import Everyone
from jobs.deidentify.burned_in import holds_text, is_writing, look
from jobs.deidentify.scans import ScanCleaner
from jobs.errors import BadInput
from jobs.hospital.build import build
from jobs.pixels import windows
from jobs.settings import Deidentify
from jobs.store import Store
from schemas.looks import PIXELS, Look, in_words
from schemas.reasons import Reason

needs_tesseract = pytest.mark.skipif(ocr.program() is None, reason="tesseract is not installed (tools/programs.sh)")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital") / "h"
    build(folder, patients=4, cells=60, seed=1)
    return folder / "landing"


def written_on(pixels, text="Lehtonen 1974", at=(60, 90), size=24):
    picture = Image.fromarray(pixels)
    ImageDraw.Draw(picture).text(at, text, fill=(250, 250, 250), font=ImageFont.load_default(size))
    return np.asarray(picture)


@pytest.fixture(scope="module")
def smear():
    """A plane with soft round spots, as cells out of focus are."""
    y, x = np.mgrid[:600, :800]
    spots = 40 * np.sin(x / 23) * np.sin(y / 19)
    return np.clip(150 + spots[..., None] + np.array([20, -20, 10]), 0, 255).astype(np.uint8)


def stored(pixels, kind):
    stream = BytesIO()
    if kind in ("jpeg", "png", "bmp"):
        Image.fromarray(pixels).save(stream, kind)
    elif kind == "svs":
        tifffile.imwrite(stream, pixels, tile=(240, 240), photometric="rgb", compression="jpeg", metadata=None)
    else:
        dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
        grey = pixels.mean(axis=2)
        dataset.Rows, dataset.Columns = grey.shape
        if kind == "dicom of 16 bits":
            dataset.PixelData = (grey.astype(np.int16) * 12 - 1000).tobytes()
        else:
            dataset.BitsAllocated = dataset.BitsStored = 8
            dataset.HighBit, dataset.PixelRepresentation, dataset.NumberOfFrames = 7, 0, 3
            blank = np.full_like(grey, 90)
            dataset.PixelData = np.stack([blank, blank, grey]).astype(np.uint8).tobytes()
        dataset.save_as(stream)
    return stream.getvalue()


KINDS = ("jpeg", "png", "bmp", "svs", "dicom of 16 bits", "dicom of 3 frames")


@needs_tesseract
@pytest.mark.parametrize("kind", KINDS)
def test_text_is_found_in_every_format(smear, kind):
    assert look(lambda: BytesIO(stored(smear, kind))) is Look.WHOLE
    with pytest.raises(BadInput) as found:
        look(lambda: BytesIO(stored(written_on(smear), kind)))
    assert found.value.reason is Reason.BURNED_IN_TEXT


@needs_tesseract
@pytest.mark.parametrize("spacing", [20, 24, 30])
def test_text_in_close_lines_is_found(smear, spacing):
    for number, text in enumerate(("Lehtonen Aino", "12.03.1974", "H-471123", "KM24-05148")):
        smear = written_on(smear, text, at=(40, 50 + number * spacing), size=18)
    assert holds_text([smear])


@needs_tesseract
def test_the_labels_of_the_hospital_are_read_and_its_levels_hold_no_text(hospital):
    looks = {}
    for path in sorted(hospital.glob("helsinki/*/slides/*/*.dcm"))[:8]:
        kind = pydicom.dcmread(path, stop_before_pixels=True).ImageType[2]
        try:
            looks.setdefault(kind, set()).add(look(lambda path=path: path.open("rb")))
        except BadInput as problem:
            looks.setdefault(kind, set()).add(problem.reason)
    assert looks["LABEL"] == {Reason.BURNED_IN_TEXT}
    assert looks["VOLUME"] == {Look.WHOLE}


@needs_tesseract
def test_recall_and_false_alarms(hospital, record_property, request):
    fields = pictures(hospital, "*/*/fields/*.jpg", 12)
    try:
        real = request.getfixturevalue("real_data")
        fields += pictures(real, "BCCD/BCCD/JPEGImages/*.jpg", 6) + pictures(real, "Chula*/Dataset/*.jpg", 6)
    except pytest.skip.Exception:
        pass  # the fields of the hospital are enough
    false = sum(holds_text([field]) for field in fields)
    measured = measure(fields[::2], FEW)
    title = f"burned-in text, planted in {len(fields[::2])} fields; false alarms in {false} of {len(fields)}"
    record_property("figures", "\n".join([title, *table(measured)]))
    assert false <= len(fields) / 10
    for trait, value, floor in (("size", 16, 0.8), ("size", 24, 0.7), ("contrast", 60, 0.6), ("rotation", 90, 0.75)):
        found, planted = measured[trait][value]
        assert found >= floor * planted, (trait, value)


@pytest.mark.parametrize(
    ("text", "confidence", "expected"),
    [("Aino", 81, True), ("Aino", 71, False), ("H-471123", 55, True), ("OOOOO", 99, False), ("ab", 99, False),
     ("AML", 80, False), ("(-a-b-c-", 99, False)],
)  # fmt: skip
def test_debris_is_no_word(text, confidence, expected):
    assert is_writing(ocr.Word(text, confidence)) is expected


@needs_tesseract
def test_a_large_level_is_looked_at_in_part_and_that_is_said(smear, monkeypatch):
    monkeypatch.setattr(windows, "PIXELS_WHOLE", smear.size // 6)
    assert look(lambda: BytesIO(stored(smear, "svs"))) is Look.PART


@pytest.mark.parametrize(("width", "height"), [(5000, 3000), (2048, 2048), (2049, 10), (700, 9000)])
def test_windows_cover_a_level(width, height):
    from jobs.pixels.reader import Level

    class Numbered:
        levels = (Level(width, height, 1.0, 512, 300),)

        def decode(self, tile):
            y, x = np.mgrid[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
            return np.stack([x >> 8, y >> 8, (x + y) & 255], axis=2).astype(np.uint8)

    y, x = np.mgrid[:height, :width]
    whole = np.stack([x >> 8, y >> 8, (x + y) & 255], axis=2).astype(np.uint8)
    seen = list(windows.windows(Numbered(), 0))
    corners = [(top, left) for top in windows._starts(height, True) for left in windows._starts(width, True)]
    covered = np.zeros((height, width), dtype=bool)
    for (top, left), window in zip(corners, seen, strict=True):
        down, right = top + window.shape[0], left + window.shape[1]
        assert np.array_equal(window, whole[top:down, left:right])
        covered[top:down, left:right] = True
    assert covered.all()


def run(folder, *more):
    (folder / "key").write_bytes(bytes(range(32)))
    report = folder / "report.json"
    command = ["deidentify-files", str(folder / "in"), str(folder / "out"), "--key", f"@{folder / 'key'}"]
    assert cli.main([*command, "--jobs", "1", "--report", str(report), *more]) == 0
    return json.loads(report.read_text())


@pytest.fixture
def folder(tmp_path, smear):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "clean.dcm").write_bytes(stored(smear, "dicom of 16 bits"))
    (tmp_path / "in" / "clean.jpg").write_bytes(stored(smear, "jpeg"))
    (tmp_path / "in" / "named.dcm").write_bytes(stored(written_on(smear), "dicom of 16 bits"))
    (tmp_path / "in" / "named.png").write_bytes(stored(written_on(smear), "png"))
    return tmp_path


def codes(folder):
    (path,) = (folder / "out").rglob("*.dcm")
    dataset = pydicom.dcmread(path)
    return {item.CodeValue for item in dataset.DeidentificationMethodCodeSequence}, dataset.get("BurnedInAnnotation")


@needs_tesseract
def test_the_command_holds_text_back_and_says_what_it_looked_at(folder):
    report = run(folder, "--look-for-text")
    assert report["refused"] == {"burned_in_text": 2}
    assert report["burned_in_text"] == "looked for in 4 files, 2 findings"
    said, annotated = codes(folder)
    assert "113101" in said
    assert annotated == "NO"


def test_without_the_option_or_the_program_nothing_is_claimed(folder, monkeypatch):
    (folder / "in" / "named.dcm").unlink()
    assert run(folder)["burned_in_text"] == "not looked for"
    said, annotated = codes(folder)
    assert "113101" not in said
    assert annotated is None
    for path in sorted((folder / "out").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    monkeypatch.setattr(ocr, "program", lambda: None)
    assert run(folder, "--look-for-text")["burned_in_text"] == "not looked for"
    assert "113101" not in codes(folder)[0]


def test_a_file_that_says_it_holds_text_is_not_said_to_hold_none(folder):
    (folder / "in" / "named.dcm").unlink()
    dataset = pydicom.dcmread(folder / "in" / "clean.dcm")
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(folder / "in" / "clean.dcm")
    run(folder, "--look-for-text")
    said, annotated = codes(folder)
    assert "113101" not in said
    assert annotated != "NO"


@needs_tesseract
@pytest.mark.parametrize(("where", "look_said"), [("fields", Look.WHOLE), ("all", Look.WHOLE), ("none", Look.NOT)])
def test_the_stage_looks_where_the_settings_say(settings, smear, where, look_said):
    settings = replace(settings, deidentify=Deidentify(look_for_text=where))
    clean, named = (cleaned_scan(settings, stored(pixels, "jpeg")) for pixels in (smear, written_on(smear)))
    (line,) = (row for row in clean["deid_log"] if row["attribute_path"] == PIXELS)
    assert line["rule"] == look_said
    assert [row["reason"] for row in named["held"]] == ([] if where == "none" else [Reason.BURNED_IN_TEXT])
    assert len(named["scans"]) == (where == "none")


def cleaned_scan(settings, content):
    store, digest = Store(), hashlib.sha256(content).hexdigest()
    store.write(f"{settings.zone_root('restricted')}/objects/{digest}", content)
    file = {"path": f"helsinki/1/{digest}.jpg", "content_sha256": digest, "media_type": "image/jpeg"}
    row = {
        "scan_ref": file["path"], "patient_id": "p", "specimen_number": None, "source": "helsinki", "delivery": "1",
        "withdrawn": False, "sheet": None, "identifiers": [], "files": [file],
    }  # fmt: skip
    (cleaned,) = ScanCleaner(store, settings, Everyone(frozenset(), frozenset()))(row)
    return cleaned


@pytest.mark.parametrize(
    ("looks", "findings", "expected"),
    [
        ({}, 0, "not looked for"),
        ({Look.NOT: 3}, 0, "not looked for"),
        ({Look.WHOLE: 2, Look.PART: 1, Look.NOT: 1}, 1,
         "looked for in 4 files, 1 finding; of 1 only a part of the pixels was looked at; not looked for in 1 file"),
    ],
)  # fmt: skip
def test_the_words_of_a_report(looks, findings, expected):
    assert in_words(looks, findings) == expected
