from __future__ import annotations

import json
from io import BytesIO

import pydicom
import pytest
from pydicom.data import get_testdata_file

from jobs import cli, deidentify_inputs
from jobs.deidentify.batch import Batch
from jobs.deidentify.identifiers import Identifiers, read_identifiers
from jobs.deidentify.tokens import Range
from jobs.pseudonyms import Pseudonyms

KEY = bytes(range(32))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "in" / "Lehtonen Aino").mkdir(parents=True)
    for number, name in enumerate(("CT_small.dcm", "MR_small.dcm", "CT_small.dcm")):
        dataset = pydicom.dcmread(get_testdata_file(name))
        dataset.PatientName, dataset.PatientID = "Lehtonen^Aino", "H-4711"
        dataset.SOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(tmp_path / "in" / "Lehtonen Aino" / f"lehtonen{number}.dcm")
    return tmp_path


def clean(folder, *more):
    return cli.main(["deidentify-files", str(folder / "in"), str(folder / "out"), "--key", f"@{folder / 'key'}", *more])


def outputs(folder):
    return [path for path in (folder / "out").rglob("*") if path.is_file()]


def test_a_folder_comes_out_under_pseudonyms_only(folder):
    assert clean(folder) == 0
    paths = outputs(folder)
    assert len(paths) == 3
    key = Pseudonyms(KEY).key_for("patient", "number\\H-4711")
    for path in paths:
        assert path.parent.name == key == pydicom.dcmread(path).PatientID
        assert b"lehtonen" not in path.read_bytes().lower()
        assert "ehto" not in str(path.relative_to(folder / "out"))
        assert path.stat().st_mtime == 0
    lines = [json.loads(line) for line in (folder / "out.map.jsonl").read_text().splitlines()]
    assert {line["output"] for line in lines} == {str(p.relative_to(folder / "out")) for p in paths}


def test_pixels_are_the_same_bytes(folder):
    clean(folder)
    before = {pydicom.dcmread(path).PixelData for path in (folder / "in").rglob("*.dcm")}
    assert {pydicom.dcmread(path).PixelData for path in outputs(folder)} == before


@pytest.mark.parametrize("small", [0, 1 << 22])
def test_names_and_contents_are_the_same_with_two_processes(folder, monkeypatch, small):
    clean(folder)
    monkeypatch.setattr(deidentify_inputs, "_SMALL", small)
    one = {path.name: path.read_bytes() for path in outputs(folder)}
    for path in outputs(folder):
        path.unlink()
        path.parent.rmdir() if not any(path.parent.iterdir()) else None
    assert clean(folder, "--jobs", "2") == 0
    assert {path.name: path.read_bytes() for path in outputs(folder)} == one


def test_what_is_refused_is_not_copied_and_says_why(folder, capsys):
    (folder / "in" / "note.txt").write_text("Lehtonen")
    (folder / "in" / "empty.dcm").touch()
    assert clean(folder, "--json", "--report", str(folder / "report.json")) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["refused"] == {"empty_file": 1, "unknown_format": 1}
    assert (report["files"], report["passed"], len(outputs(folder))) == (5, 3, 3)
    assert "ehtonen" not in (folder / "report.json").read_text()


def test_equal_content_is_one_output(folder):
    first = next((folder / "in").rglob("*.dcm"))
    (folder / "in" / "again.dcm").write_bytes(first.read_bytes())
    assert clean(folder) == 0
    assert len(outputs(folder)) == 3
    assert "same content" in (folder / "out.map.jsonl").read_text()


def test_other_content_under_the_same_uid_is_told_and_both_are_there(folder):
    first = pydicom.dcmread(next((folder / "in").rglob("*.dcm")))
    first.Rows, first.PixelData = first.Rows // 2, first.PixelData[: len(first.PixelData) // 2]
    first.save_as(folder / "in" / "zz.dcm")
    assert clean(folder) == 0
    assert len(outputs(folder)) == 4
    assert "the same SOP Instance UID" in (folder / "out.map.jsonl").read_text().splitlines()[-1]


@pytest.mark.parametrize("wrong", ["no @", "short", "absent", "full", "nested", "map inside"])
def test_wrong_use_writes_nothing(folder, wrong):
    key, out, more = f"@{folder / 'key'}", folder / "out", []
    if wrong == "no @":
        key = str(folder / "key")
    elif wrong == "short":
        (folder / "key").write_bytes(b"x" * 31)
    elif wrong == "absent":
        key = f"@{folder / 'nothing'}"
    elif wrong == "full":
        out.mkdir()
        (out / "old").touch()
    elif wrong == "nested":
        out = folder / "in" / "out"
    else:
        more = ["--map", str(out / "map")]
    before = sorted(folder.rglob("*"))
    assert cli.main(["deidentify-files", str(folder / "in"), str(out), "--key", key, *more]) == 2
    assert sorted(folder.rglob("*")) == before


def test_a_changed_key_is_noticed_by_the_report_of_an_earlier_run(folder, capsys):
    report = ["--report", str(folder / "report.json")]
    assert clean(folder, *report) == 0
    first = {path.parent.name for path in outputs(folder)}
    (folder / "key").write_bytes(KEY[::-1])
    (folder / "out").rename(folder / "before")
    told = sorted(folder.rglob("*"))
    assert clean(folder, *report) == 2
    assert "another key" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == told
    (folder / "key").write_bytes(KEY)
    assert clean(folder, *report) == 0
    assert {path.parent.name for path in outputs(folder)} == first
    assert KEY.hex() not in (folder / "report.json").read_text()
    (folder / "report.json").write_text("no report")
    (folder / "out").rename(folder / "again")
    assert clean(folder, *report) == 2


def test_identifiers_are_read_at_every_depth_and_in_every_encoding():
    for name in ("CT_small.dcm", "MR_small_implicit.dcm", "ExplVR_BigEnd.dcm", "image_dfl.dcm", "nested_priv_SQ.dcm"):
        path = get_testdata_file(name)
        dataset = pydicom.dcmread(path)
        with open(path, "rb") as file:
            found = read_identifiers(file.read())
        names = {str(e.value) for e in dataset.iterall() if e.VR == "PN" and not e.is_empty}
        assert names <= {value.decode("latin-1").strip() for value in found.names}
        assert found.patient.decode() == str(dataset.get("PatientID", "")).strip()


def batch_of(**values):
    batch = Batch()
    batch.add(Identifiers(**{kind: set(some) for kind, some in values.items()}))
    return batch


@pytest.mark.parametrize("form", [b"LEHTONEN", "Lehtonen".encode("utf-16-le"), b"xxLehtonenyy", b"12Lehtonen34"])
def test_a_name_of_anybody_in_the_batch_is_found(form):
    batch = batch_of(names=[b"Lehtonen^Aino"])
    assert batch.found_in(BytesIO(b"LO\x08\0" + form + b"\0\0"), [], Identifiers())
    assert not batch.found_in(BytesIO(b"LO\x08\0nobody\0\0"), [], Identifiers())


@pytest.mark.parametrize("form", ["Mäkelä", "MÄKELÄ", "Maekelae", "Makela"])
def test_umlauts_are_folded_both_ways(form):
    for known in ("Mäkelä", "Maekelae"):
        batch = batch_of(names=[known.encode()])
        assert batch.found_in(BytesIO(b"\0" + form.encode() + b"\0"), [], Identifiers())
        assert batch.found_in(BytesIO(b"\0" + form.encode("latin-1") + b"\0"), [], Identifiers())


def test_pixels_are_searched_for_what_is_long_in_that_encoding():
    batch = batch_of(names=["Ääkköö".encode(), "Schönenberger".encode()])
    for name, encoding, found in (
        ("Schönenberger", "latin-1", True),
        ("Ääkköö", "utf-8", True),
        ("Ääkköö", "latin-1", False),
    ):
        data = bytes(1000) + name.encode(encoding) + bytes(1000)
        assert batch.found_in(BytesIO(data), [Range(0, len(data))], Identifiers()) is found


@pytest.mark.parametrize("form", [b"010174-123A", b"010174 123a", b"010174123A"])
def test_ids_are_found_with_other_separators(form):
    assert batch_of(ids=[b"010174-123A"]).found_in(BytesIO(b"id " + form + b" "), [], Identifiers())


def test_words_of_the_vocabulary_are_nobodys():
    assert not batch_of(names=[b"Kidney^X"]).found_in(BytesIO(b"CS\x06\0KIDNEY"), [], Identifiers())


@pytest.mark.parametrize("offset", range(9))
@pytest.mark.parametrize("form", [b"lehtonen", b"LEHTONEN", "Lehtonen".encode("utf-16-be")])
def test_pixel_bytes_are_searched_at_every_offset(offset, form):
    batch = batch_of(ids=[b"Lehtonen"], names=[b"Laine"])
    data = bytes(offset + (1 << 20) - 4) + form + bytes(40)
    assert batch.found_in(BytesIO(data), [Range(0, len(data))], Identifiers())
    short = bytes(100) + b" Laine " + bytes(100)
    assert not batch.found_in(BytesIO(short), [Range(0, len(short))], Identifiers())
