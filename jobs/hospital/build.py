"""Build the synthetic hospital: a landing zone with deliveries of two sites, and the truth beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jobs.errors import UsageError
from jobs.hospital.cases import FIRST, LATE, chart_of, one_case, plan
from jobs.hospital.collect import Collection
from jobs.hospital.deliver import compose, render_all, write, write_manifest
from jobs.hospital.diseases import DISEASES
from jobs.hospital.people import EXAMINERS, SOURCES, Person, make_person
from jobs.hospital.plan import Hospital
from jobs.hospital.truth import FILE, Truth
from jobs.hospital.votes import examiners_of, read_scan

FEWEST_PATIENTS, FEWEST_CELLS = 4, 12
"""Fewest patients, and fewest cells a patient, that can hold all the trouble."""
ADDED_CELLS = 24
"""Cells of a patient who is added later."""


def build(
    directory: Path,
    *,
    patients: int = 36,
    seed: int = 7,
    cells: int = 3200,
    processes: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Write `directory/landing` and `directory/truth.json`; the same arguments give the same bytes.

    Args:
        directory: new or empty.
        patients: number of patients of both sites together, at least 4.
        seed: another seed, another hospital.
        cells: number of cells that are drawn and annotated, at least 12 a patient.
        processes: how many draw at once; it does not change the result.
        progress: called with what is done, how many are done, and of how many.

    Raises:
        UsageError: the directory is not empty, or there are too few patients or cells.
    """
    directory = Path(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is not empty. Name a new directory for the hospital, or empty this one.")
    if patients < FEWEST_PATIENTS or cells < FEWEST_CELLS * patients:
        raise UsageError(f"a hospital needs at least {FEWEST_PATIENTS} patients and {FEWEST_CELLS} cells for each.")
    landing = directory / "landing"
    hospital, truth = plan(patients, seed, cells), Truth()
    files = _late_delivery(hospital, truth)
    for source in SOURCES:
        cases = [case for case in hospital.cases if case.person.source == source]
        files |= compose(hospital, cases, FIRST[source], truth, trouble=True)
    for path, content in files.items():
        write(landing / path, content)
    render_all(hospital.scans, landing, processes, progress)
    for delivery in (*FIRST.values(), LATE):
        write_manifest(landing / delivery)
    truth.facts |= _facts(hospital)
    truth.withdrawn["patient"] = next(case.person.number for case in hospital.cases if case.withdrawn)
    truth.write(directory)


def add_patient(directory: Path, *, seed: int) -> str:
    """Deliver one new patient of Helsinki: a DICOM slide, fields, annotations and records; nothing is wrong with them.

    Args:
        directory: a hospital that `build` wrote; its truth learns of the patient.
        seed: decides who it is.

    Returns:
        Landing-relative path of the delivery.

    Raises:
        UsageError: there is no hospital in the directory.
    """
    try:
        known = json.loads((directory / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{directory} holds no {FILE}. Name a directory that `hemalake demo-hospital` made.") from None
    landing = directory / "landing"
    number = max(patient["patient"] for patient in known["patients"]) + 1
    order = len([entry for entry in (landing / "helsinki").iterdir() if entry.is_dir()]) + 1
    first = datetime(2024, 4, 15, tzinfo=UTC) + timedelta(weeks=order)
    delivery = f"helsinki/{first + timedelta(weeks=8):%Y-%m-%d}_{order:03d}"
    person = make_person(seed, number, "helsinki")
    case = one_case(chart_of(seed, person, DISEASES[number % len(DISEASES)], delivery, first), ADDED_CELLS)
    hospital = Hospital(seed, [case], distinct_cells=sum(len(scan.cells) for scan in case.scans))
    truth = Truth()
    for path, content in compose(hospital, [case], delivery, truth, trouble=False).items():
        write(landing / path, content)
    render_all(list(case.scans), landing, 1, None)
    write_manifest(landing / delivery)
    truth.facts |= _facts(hospital)
    truth.append_to(directory, known)
    return delivery


def _late_delivery(hospital: Hospital, truth: Truth) -> dict[str, bytes]:
    """Second readings of a slide and a field of Helsinki's first patient, by someone who has not seen them yet."""
    case = hospital.cases[0]
    slide = next(scan for scan in case.scans if scan.kind == "smear")
    field = next(scan for scan in case.scans if scan.is_field)
    collection, places, votes = Collection(LATE, truth), list[str](), 0
    for scan, kind in ((slide, "geojson"), (field, "csv")):
        seen = examiners_of(hospital.seed, scan)
        reader = next(examiner for examiner in EXAMINERS if examiner not in seen)
        for vote in read_scan(hospital.seed, scan, reader, datetime(2024, 4, 5, 9, 0, tzinfo=UTC), 0.8, 2):
            places.append(collection.add_vote(vote, kind))
            votes += 1
    truth.facts["late"] = {"delivery": LATE, "scans": [slide.name, field.name], "annotations": places}
    return collection.files()


def _facts(hospital: Hospital) -> dict[str, Any]:
    """What is true of the hospital as a whole."""
    classes = Counter(cell.code for scan in hospital.scans for cell in scan.cells)
    return {
        "seed": hospital.seed,
        "patients": [patient_facts(case.person) for case in hospital.cases],
        "cells": hospital.distinct_cells,
        "classes": dict(sorted(classes.items())),
        "duplicates": [
            {"kind": d.kind, "a": d.a.path, "b": d.b.path, "patient": d.a.person.number, "share": d.share}
            for d in hospital.duplicates
        ],
    }


def patient_facts(person: Person) -> dict[str, Any]:
    """A patient's numbers in all systems."""
    ids = {
        "fhir": person.fhir_id,
        "pathology": person.pathology,
        "laboratory": person.laboratory,
        "national": person.national_id,
    }
    return {"patient": person.number, "source": person.source, "ids": ids, "name": person.full_name}
