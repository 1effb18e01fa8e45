"""Write what comes as tables: the laboratory extract and the scan sheet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from jobs.hospital.blood import ANALYTES, counts_at
from jobs.hospital.dicom_header import STAIN
from jobs.hospital.diseases import DISEASES
from jobs.hospital.fields import CAMERA_SERIAL
from jobs.hospital.formats import table
from jobs.hospital.people import Person, make_person
from jobs.hospital.plan import Case, Scan
from jobs.hospital.records import moment
from jobs.hospital.seeds import Generator, pick, rng
from jobs.hospital.svs import SCANNER_SERIAL

LAB_COLUMNS = (
    "lab_number", "national_id", "name", "birth_date", "collected_at", "analyte", "value", "unit", "comment"
)  # fmt: skip
SCAN_COLUMNS = (
    "file", "patient_number", "specimen", "kind", "stain", "stain_batch", "scanner_vendor", "scanner_model",
    "scanner_serial", "objective", "mpp", "scanned_at",
)  # fmt: skip
_DEVICES = {
    ("helsinki", "jpeg"): ("Olympus", "VS200", CAMERA_SERIAL["helsinki"], "100"),
    ("munich", "jpeg"): ("Zeiss", "Axioscan 7", CAMERA_SERIAL["munich"], "100"),
    ("munich", "svs"): ("Aperio", "Aperio AT2", SCANNER_SERIAL, "40"),
}


def laboratory_rows(seed: int, case: Case) -> list[list[str]]:
    """Two further blood counts of a case."""
    gen = rng(seed, "laboratory", case.person.number)
    return [
        row
        for day in (-int(gen.integers(3, 15)), int(gen.integers(3, 30)))
        for row in _one_count(gen, case, case.taken + timedelta(days=day))
    ]


def _one_count(gen: Generator, case: Case, at: datetime) -> Iterator[list[str]]:
    for analyte, value in counts_at(gen, case.disease.blood).items():
        comment = f"called {case.person.family}, {case.person.phone}" if gen.random() < 0.08 else ""
        yield laboratory_row(case.person, moment(case, at), analyte, value, comment)


def laboratory_row(person: Person, at: str, analyte: str, value: float, comment: str) -> list[str]:
    """A row of the laboratory extract; Munich writes a decimal comma."""
    loinc, unit, _ = ANALYTES[analyte]
    number = str(value).replace(".", ",") if person.source == "munich" else str(value)
    who = [person.laboratory, person.national_id, f"{person.family} {person.given}", person.born.isoformat()]
    return [*who, at, loinc, number, unit, comment]


def laboratory(source: str, rows: list[list[str]]) -> bytes:
    """The laboratory extract of a site; Munich's columns are separated by semicolons."""
    return table(LAB_COLUMNS, rows, ";" if source == "munich" else ",")


def scan_row(scan: Scan) -> list[str]:
    """A row of the scan sheet."""
    vendor, model, serial, objective = _DEVICES[scan.source, scan.format]
    kind = "field" if scan.is_field else "slide"
    micrometres = "" if scan.is_field and scan.person.number % 5 == 0 else str(scan.um)
    inside = scan.path.split("/", 2)[2]
    who = [inside, scan.person.pathology, scan.specimen, kind, STAIN[scan.kind], scan.batch]
    return [*who, vendor, model, serial, objective, micrometres, f"{scan.scanned:%Y-%m-%dT%H:%M:%SZ}"]


def stranger(seed: int, source: str) -> tuple[Person, float]:
    """Someone whom no other file knows, and a haemoglobin value."""
    gen = rng(seed, "stranger", source)
    blood = pick(gen, DISEASES).blood
    person = make_person(seed, 998 + (source == "munich"), source)
    return replace(person, number=0), counts_at(gen, blood)["hb"]
