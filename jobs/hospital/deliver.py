"""Write one delivery: images by tasks in several processes, everything else at once, its manifest last."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jobs.hospital.collect import Collection
from jobs.hospital.dicom import write_dicom
from jobs.hospital.fields import write_field
from jobs.hospital.formats import table
from jobs.hospital.plan import Case, Hospital, Scan, Vote
from jobs.hospital.records import RESOURCES, Resource, identify_records, ndjson, resources
from jobs.hospital.section import paint_section
from jobs.hospital.smear import paint_smear
from jobs.hospital.svs import write_svs
from jobs.hospital.tables import SCAN_COLUMNS, laboratory, laboratory_rows, scan_row
from jobs.hospital.trouble import broken_files, broken_shapes, lost_observation, lost_row
from jobs.hospital.truth import Truth
from jobs.hospital.votes import votes_of

Progress = Callable[[str, int, int], None]
_FEW_PIXELS = 25_000_000
"""Below this, starting processes would take longer than drawing."""


def render(task: tuple[Scan, Path]) -> None:
    """Draw a scan and write its files below the landing zone; the same bytes in any process."""
    scan, landing = task
    write_scan(scan, paint_section(scan) if scan.kind == "section" else paint_smear(scan), landing)


def write_scan(scan: Scan, pixels: NDArray[np.uint8], landing: Path) -> None:
    """Write the files of a scan that shows `pixels` (height, width, 3), RGB, below the landing zone."""
    if scan.format == "dicom":
        contents = write_dicom(scan, pixels)
    else:
        contents = [write_svs(scan, pixels) if scan.format == "svs" else write_field(scan, pixels)]
    for path, content in zip(scan.files, contents, strict=True):
        write(landing / path, content)


def render_all(scans: list[Scan], landing: Path, processes: int, progress: Progress | None) -> None:
    """Draw all scans, the largest first."""
    largest = sorted(scans, key=lambda scan: -scan.canvas.width * scan.canvas.height)
    tasks = [(scan, landing) for scan in largest]
    if processes < 2 or sum(scan.width * scan.height for scan in scans) < _FEW_PIXELS:
        _report(map(render, tasks), len(tasks), progress)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        _report(pool.imap_unordered(render, tasks), len(tasks), progress)


def _report(done: Iterable[None], total: int, progress: Progress | None) -> None:
    for number, _ in enumerate(done, 1):
        if progress:
            progress("drawing scans", number, total)


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_manifest(delivery: Path) -> None:
    """Close a delivery: list all its files with size and SHA-256."""
    files = [
        {
            "path": file.relative_to(delivery).as_posix(),
            "bytes": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in delivery.rglob("*")
        if file.is_file()
    ]
    content = {"files": sorted(files, key=lambda entry: str(entry["path"]))}
    (delivery / "manifest.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def compose(hospital: Hospital, cases: list[Case], folder: str, truth: Truth, *, trouble: bool) -> dict[str, bytes]:
    """All files of a delivery but the images of scans, by landing-relative path; the truth learns what they hold."""
    files = _annotation_files(hospital, cases, folder, truth, trouble)
    files |= _fhir_files(hospital.seed, cases, folder, truth, trouble)
    files |= _tables(hospital.seed, cases, folder, truth, trouble)
    for case in cases:
        for scan in case.scans:
            truth.identify_scan(scan)
            _due(truth, case, scan)
    if trouble:
        files |= broken_files(folder, cases, truth)
    return files


def _due(truth: Truth, case: Case, scan: Scan) -> None:
    """Which image files are held back: all of who withdrew, labels and overviews of the rest."""
    if case.withdrawn:
        truth.withdrawn["files"] += scan.files
    elif scan.format == "dicom":
        for file, outcome in zip(scan.files[2:], ("label_image", "overview_image"), strict=True):
            truth.policy.append({"place": file, "outcome": outcome})


def _annotation_files(
    hospital: Hospital, cases: list[Case], folder: str, truth: Truth, trouble: bool
) -> dict[str, bytes]:
    collection = Collection(folder, truth)
    sound: list[Vote] = []
    turns = {True: 0, False: 0}
    for case in cases:
        for scan in case.scans:
            votes = votes_of(hospital.seed, scan)
            places = collection.add(scan, votes, hospital.seed, turns[scan.is_field])
            turns[scan.is_field] += 1
            truth.count(scan, case.withdrawn, votes)
            if case.withdrawn:
                truth.withdrawn["annotations"] += places
            else:
                sound += votes
    if trouble:
        broken_shapes(collection, sound, truth)
    return collection.files()


def _fhir_files(seed: int, cases: list[Case], folder: str, truth: Truth, trouble: bool) -> dict[str, bytes]:
    found: dict[str, list[Resource]] = {name: [] for name in RESOURCES}
    for case in cases:
        own = resources(seed, case)
        for name, items in own.items():
            if case.withdrawn:
                first = len(found[name])
                truth.withdrawn["records"] += [f"{folder}/fhir/{name}.ndjson#{first + n}" for n in range(len(items))]
            found[name] += items
        identify_records(truth, case, f"{folder}/fhir", own)
    if trouble:
        path, observations = f"{folder}/fhir/Observation.ndjson", found["Observation"]
        observations.append(lost_observation(seed, cases[0].person.source, len(observations), path, truth))
    return {f"{folder}/fhir/{name}.ndjson": ndjson(items) for name, items in found.items()}


def _tables(seed: int, cases: list[Case], folder: str, truth: Truth, trouble: bool) -> dict[str, bytes]:
    """Laboratory extract and scan sheet."""
    source = cases[0].person.source
    lab, sheet = f"{folder}/laboratory.csv", f"{folder}/scans.csv"
    values: list[list[str]] = []
    scans: list[list[str]] = []
    for case in cases:
        own, shown = (
            laboratory_rows(seed, case),
            [scan_row(scan) for scan in case.scans if scan.format != "dicom"],
        )
        if case.withdrawn:
            truth.withdrawn["records"] += [f"{lab}#{len(values) + n}" for n in range(len(own))]
            truth.withdrawn["records"] += [f"{sheet}#{len(scans) + n}" for n in range(len(shown))]
        values += own
        scans += shown
        truth.identify_person(case.person, lab, "name", "national_id", "laboratory_number", "birth_date")
        if any(case.person.phone in row[-1] for row in own):
            truth.identify_person(case.person, lab, "phone")
        truth.identify_person(case.person, sheet, "pathology_number")
        truth.identify(case.specimen, case.person.number, "accession_number", sheet)
    if trouble:
        values.append(lost_row(seed, source, len(values), lab, truth))
    return {lab: laboratory(source, values), sheet: table(SCAN_COLUMNS, scans)}
