"""The hospital as a whole: the same bytes every time, all that was promised, and the truth about it."""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pydicom
import pytest
from PIL import Image

from jobs.errors import UsageError
from jobs.hospital import deliver
from jobs.hospital.build import add_patient, build
from schemas.reasons import Reason

Truth = dict[str, Any]


def tree(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("small") / "hospital"
    build(directory, patients=4, cells=60, seed=1, processes=1)
    return directory


@pytest.fixture(scope="module")
def truth(hospital: Path) -> Truth:
    return json.loads((hospital / "truth.json").read_text())


def test_same_bytes_with_other_processes(hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "_FEW_PIXELS", 0)
    build(tmp_path / "again", patients=4, cells=60, seed=1, processes=3)
    assert tree(tmp_path / "again") == tree(hospital)
    assert not multiprocessing.active_children()


def test_another_seed_is_another_hospital(hospital: Path, tmp_path: Path) -> None:
    build(tmp_path / "other", patients=4, cells=60, seed=2, processes=1)
    assert not set(tree(tmp_path / "other").values()) & set(tree(hospital).values()) - {hashlib.sha256(b"").hexdigest()}


def test_refuses_a_directory_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not empty"):
        build(tmp_path, patients=4, cells=60)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("patients", "cells"), [(3, 60), (4, 47)])
def test_refuses_too_small_a_hospital(tmp_path: Path, patients: int, cells: int) -> None:
    with pytest.raises(UsageError, match="at least"):
        build(tmp_path / "hospital", patients=patients, cells=cells)
    assert not (tmp_path / "hospital").exists()


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    build(tmp_path / "h", patients=4, cells=60, seed=3, progress=lambda *what: seen.append(what))
    assert [done for _, done, _ in seen] == list(range(1, seen[-1][2] + 1))


def test_manifests_are_right(hospital: Path) -> None:
    manifests = sorted((hospital / "landing").glob("*/*/manifest.json"))
    assert len(manifests) == 3
    for manifest in manifests:
        folder = manifest.parent
        files = {f.relative_to(folder).as_posix(): f for f in folder.rglob("*") if f.is_file() and f != manifest}
        listed = json.loads(manifest.read_text())["files"]
        assert [entry["path"] for entry in listed] == sorted(files)
        for entry in listed:
            data = files[entry["path"]].read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])


def text_of(path: Path) -> str:
    """All text of a file: of a DICOM file its elements at every depth."""
    data = path.read_bytes()
    if data[128:132] == b"DICM":
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        return "\n".join([str(header.file_meta), *(str(element.value) for element in header.iterall())])
    text = data.decode("utf-8", "replace")
    return text + unquote(text)


def test_every_identifier_is_where_the_truth_says(hospital: Path, truth: Truth) -> None:
    places = defaultdict(list)
    for identifier in truth["identifiers"]:
        places[identifier["place"]].append(identifier)
    assert len(places) > 60
    for place, identifiers in places.items():
        path = hospital / "landing" / place
        assert path.is_file()
        text = text_of(path)
        for identifier in identifiers:
            if identifier["where"] == "pixels":
                continue
            searched = place if identifier["where"] == "file_name" else text
            assert identifier["value"] in searched, (place, identifier)


def test_identifiers_are_of_patients_or_of_nobody(truth: Truth) -> None:
    known = {patient["patient"] for patient in truth["patients"]}
    assert {identifier["patient"] for identifier in truth["identifiers"]} == known | {None}


def test_identifiers_are_planted_everywhere(truth: Truth) -> None:
    found = {(i["where"], i["place"].rsplit(".", 1)[-1]) for i in truth["identifiers"]}
    assert found >= {
        ("content", "dcm"), ("content", "svs"), ("content", "jpg"), ("content", "ndjson"), ("content", "csv"),
        ("content", "xml"), ("content", "geojson"), ("pixels", "dcm"), ("pixels", "svs"), ("file_name", "dcm"),
        ("file_name", "svs"), ("file_name", "jpg"), ("file_name", "geojson"), ("file_name", "xml"),
    }  # fmt: skip
    named = {i["place"] for i in truth["identifiers"] if (i["kind"], i["where"]) == ("name", "file_name")}
    assert any(place.endswith(".svs") for place in named)
    assert any(place.endswith(".jpg") for place in named)


def test_no_text_file_names_someone_unlisted(hospital: Path, truth: Truth) -> None:
    """National numbers and phones are found by their form, and every one must be listed for its file."""
    listed = {(i["place"], i["value"]) for i in truth["identifiers"]}
    form = re.compile(r"\b\d{6}[-+A]9\d\d[0-9A-Y]\b|\b[A-Z]\d{9}\b|\+358 50 555 \d{4}|\+49 89 99998 \d{3}")
    for path in (hospital / "landing").rglob("*"):
        if path.is_file():
            place = path.relative_to(hospital / "landing").as_posix()
            missing = {value for value in form.findall(text_of(path)) if (place, value) not in listed}
            assert not missing, place


def test_trouble_of_every_kind(hospital: Path, truth: Truth) -> None:
    outcomes = Counter((unit["unit"], Reason(unit["outcome"])) for unit in truth["broken"])
    assert outcomes.keys() == {
        ("file", Reason.TRUNCATED), ("file", Reason.EMPTY_FILE), ("file", Reason.WRONG_FORMAT),
        ("annotation", Reason.BOX_WITHOUT_AREA), ("annotation", Reason.OUTSIDE_SCAN),
        ("annotation", Reason.SCAN_MISSING), ("record", Reason.PATIENT_MISSING),
    }  # fmt: skip
    units = [unit["place"] for unit in truth["broken"] + truth["policy"]]
    units += truth["withdrawn"]["files"] + truth["withdrawn"]["annotations"] + truth["withdrawn"]["records"]
    assert len(units) == len(set(units))
    for place in units:
        assert (hospital / "landing" / place.partition("#")[0]).is_file()


def test_duplicates_show_the_same(hospital: Path, truth: Truth) -> None:
    landing = hospital / "landing"
    kinds = Counter(pair["kind"] for pair in truth["duplicates"])
    assert kinds == {"exact": 2, "re-encoded": 2, "overlapping": 2}
    scans = {scan["place"]: scan for scan in truth["scans"]}
    for pair in truth["duplicates"]:
        same = (landing / pair["a"]).read_bytes() == (landing / pair["b"]).read_bytes()
        assert same == (pair["kind"] == "exact")
        assert scans[pair["a"]]["patient"] == scans[pair["b"]]["patient"] == pair["patient"]
        assert scans[pair["a"]]["votes"]
        assert scans[pair["b"]]["votes"]
        a, b = (np.asarray(Image.open(landing / pair[side]), dtype=int) for side in "ab")
        if pair["kind"] == "re-encoded":
            assert np.abs(a - b).mean() < 4
        if pair["kind"] == "overlapping":
            assert 0.3 <= pair["share"] <= 0.6


def test_withdrawn_patient_has_everything(truth: Truth, hospital: Path) -> None:
    withdrawn = truth["withdrawn"]
    assert {place.rsplit(".", 1)[-1] for place in withdrawn["files"]} == {"dcm", "jpg"}
    assert withdrawn["annotations"]
    consents = [place for place in withdrawn["records"] if "Consent" in place]
    path, _, index = consents[-1].partition("#")
    lines = (hospital / "landing" / path).read_text().splitlines()
    assert json.loads(lines[int(index)])["provision"]["type"] == "deny"
    others = [json.loads(line) for n, line in enumerate(lines) if f"{path}#{n}" not in withdrawn["records"]]
    assert {consent["provision"]["type"] for consent in others} == {"permit"}


def test_cells_lie_apart_and_inside(truth: Truth) -> None:
    for scan in truth["scans"]:
        places = np.array([[x, y] for x, y, _ in scan["cells"]])
        assert (places >= 10).all()
        assert (places <= np.array([scan["width"], scan["height"]]) - 10).all()
        away = np.hypot(*(places[:, None] - places[None]).T) + 1e9 * np.eye(len(places))
        assert away.min() >= 40


def test_late_votes_are_of_someone_else(hospital: Path, truth: Truth) -> None:
    landing, late = hospital / "landing", truth["late"]
    name = late["scans"][0]
    files = [
        landing / folder / f"annotations/geojson/{name}.geojson"
        for folder in (late["delivery"], "helsinki/2024-03-04_001")
    ]
    readers = [
        {f["properties"]["metadata"]["examiner"] for f in json.loads(file.read_text())["features"]}
        for file in files
        if file.exists()
    ]
    assert len(readers[0]) == 1
    assert not readers[0] & set().union(*readers[1:])
    folder = landing / late["delivery"]
    assert {f.relative_to(folder).parts[0] for f in folder.rglob("*") if f.is_file()} == {
        "annotations",
        "manifest.json",
    }


def test_scan_sheets_name_their_files(hospital: Path) -> None:
    for sheet in (hospital / "landing").glob("*/*/scans.csv"):
        rows = list(csv.DictReader(sheet.open(encoding="utf-8")))
        assert all((sheet.parent / row["file"]).is_file() for row in rows)
        carried = {f.relative_to(sheet.parent).as_posix() for s in ("*.svs", "*.jpg") for f in sheet.parent.rglob(s)}
        assert {file for file in carried if "_empty" not in file} == {row["file"] for row in rows}


def test_adding_a_patient(hospital: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        build(folder, patients=4, cells=60, seed=1)
    before = tree(folders[0])
    deliveries = [add_patient(folder, seed=5) for folder in folders]
    after = tree(folders[0])
    assert deliveries[0] == deliveries[1]
    assert after == tree(folders[1])
    added = {path for path in after if path not in before}
    assert all(path.startswith(f"landing/{deliveries[0]}/") for path in added)
    assert f"landing/{deliveries[0]}/manifest.json" in added
    assert {path for path in before if before[path] != after[path]} == {"truth.json"}
    known = json.loads((folders[0] / "truth.json").read_text())
    assert len(known["patients"]) == 5
    assert add_patient(folders[0], seed=5) != deliveries[0]
    names = [patient["ids"] for patient in json.loads((folders[0] / "truth.json").read_text())["patients"]]
    for system in ("fhir", "pathology", "laboratory", "national"):
        assert len({ids[system] for ids in names}) == 6


def test_adding_needs_a_hospital(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"truth\.json"):
        add_patient(tmp_path, seed=1)
