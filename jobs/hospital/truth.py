"""The truth about a hospital: what was planted, where, and what is due. No stage reads it."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

from jobs.hospital import dicom_header, fields, svs
from jobs.hospital.labels import label_lines
from jobs.hospital.people import INSTITUTIONS, OPERATORS, PHYSICIANS, Person
from jobs.hospital.plan import Scan, Vote
from jobs.hospital.seeds import uid

FILE = "truth.json"


class Truth:
    """Gathers what is planted. Places are paths below the landing zone, with `#index` for one unit in a file."""

    def __init__(self) -> None:
        self.identifiers: dict[tuple[str, str, str, str], int | None] = {}
        self.broken: list[dict[str, str]] = []
        self.policy: list[dict[str, str]] = []
        self.withdrawn: dict[str, Any] = {"patient": None, "files": [], "annotations": [], "records": []}
        self.scans: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}

    def identify(self, value: str, patient: int | None, kind: str, place: str, where: str = "content") -> None:
        """An identifier stands at a place, in its content, its name (`file_name`) or its pixels."""
        self.identifiers[value, kind, place, where] = patient

    def identify_person(self, person: Person, place: str, *kinds: str) -> None:
        """Everything of these kinds that a file says about a patient in FHIR's or a table's own spelling."""
        values = {
            "name": (person.family, person.given),
            "address": (person.street, person.city),
            "phone": (person.phone,),
            "email": (person.email,),
            "birth_date": (person.born.isoformat(),),
            "national_id": (person.national_id,),
            "fhir_id": (person.fhir_id,),
            "pathology_number": (person.pathology,),
            "laboratory_number": (person.laboratory,),
        }
        for kind in kinds:
            for value in values[kind]:
                self.identify(value, person.number or None, kind, place)

    def break_(self, place: str, unit: str, outcome: str) -> None:
        """A unit (file, annotation or record) that a correct pipeline holds back, with the reason that is due."""
        self.broken.append({"place": place, "unit": unit, "outcome": outcome})

    def count(self, scan: Scan, withdrawn: bool, votes: list[Vote]) -> None:
        """A scan with its true cells and the votes for them."""
        facts = {"name": scan.name, "place": scan.path, "patient": scan.person.number, "source": scan.source}
        size = {
            "kind": scan.kind,
            "format": scan.format,
            "width": scan.width,
            "height": scan.height,
            "um": scan.um,
        }
        centres = [[cell.x, cell.y, cell.code] for cell in scan.cells]
        self.scans.append({**facts, **size, "withdrawn": withdrawn, "votes": len(votes), "cells": centres})

    def identify_name_of(self, scan: Scan, place: str) -> None:
        """What the name of a scan's or an annotation's file gives away."""
        person, name = scan.person, unicodedata.normalize("NFC", place.rsplit("/", 1)[-1])
        for value, kind in ((person.family, "name"), (person.pathology, "pathology_number")):
            if value in name:
                self.identify(value, person.number, kind, place, "file_name")
        if scan.specimen in place:
            self.identify(scan.specimen, person.number, "accession_number", place, "file_name")

    def identify_scan(self, scan: Scan) -> None:
        """Everything in a scan's headers, its file names, and burned into its pixels."""
        for place in scan.files:
            self.identify_name_of(scan, place)
            {"dicom": self._dicom, "svs": self._svs, "jpeg": self._jpeg}[scan.format](scan, place)

    def _dicom(self, scan: Scan, place: str) -> None:
        person, number = scan.person, int(place[-5])
        self.identify_person(
            person,
            place,
            "name",
            "address",
            "phone",
            "national_id",
            "pathology_number",
            "laboratory_number",
            "email",
        )
        self.identify(f"{person.born:%Y%m%d}", person.number, "birth_date", place)
        self.identify(f"{person.born:%d.%m.%Y}", person.number, "birth_date", place)
        self.identify(scan.specimen, person.number, "accession_number", place)
        self.identify(scan.container, person.number, "container", place)
        self.identify(dicom_header.SCANNER_SERIAL, None, "device_serial", place)
        for staff in (OPERATORS[scan.source], PHYSICIANS[scan.source]):
            for part in staff.split("^^")[0].split("^"):
                self.identify(part, None, "staff", place)
        self.identify(INSTITUTIONS[scan.source], None, "institution", place)
        for part in ("study", "series", "frame", "dimensions"):
            self.identify(uid(scan.seed, scan.name, part), person.number, "uid", place)
        self.identify(uid(scan.seed, scan.name, "instance", number), person.number, "uid", place)
        if number > 2:
            self._burned_in(scan, place)

    def _svs(self, scan: Scan, place: str) -> None:
        person = scan.person
        self.identify(person.pathology, person.number, "pathology_number", place)
        self.identify(scan.container, person.number, "container", place)
        self.identify(svs.SCANNER_SERIAL, None, "device_serial", place)
        for part in OPERATORS[scan.source].split("^"):
            self.identify(part, None, "staff", place)
        if scan.comment:
            self.identify_person(person, place, "name")
        self._burned_in(scan, place)

    def _jpeg(self, scan: Scan, place: str) -> None:
        for part in fields.artist(scan).split():
            self.identify(part, None, "staff", place)
        self.identify(fields.CAMERA_SERIAL[scan.source], None, "device_serial", place)
        if scan.comment:
            self.identify_person(scan.person, place, "name", "pathology_number", "national_id")

    def _burned_in(self, scan: Scan, place: str) -> None:
        kinds = ("name", "birth_date", "national_id", "pathology_number", "accession_number")
        for kind, text in zip(kinds, label_lines(scan), strict=True):
            self.identify(text, scan.person.number, kind, place, "pixels")

    def content(self) -> dict[str, Any]:
        """All of it, in a stable order."""
        names = ("value", "kind", "place", "where")
        planted = sorted(self.identifiers.items(), key=lambda entry: [entry[0][i] for i in (2, 1, 0, 3)])
        return {
            **self.facts,
            "identifiers": [{**dict(zip(names, key, strict=True)), "patient": n} for key, n in planted],
            "broken": sorted(self.broken, key=lambda unit: (unit["place"], unit["unit"])),
            "policy": sorted(self.policy, key=lambda unit: unit["place"]),
            "withdrawn": self.withdrawn,
            "scans": self.scans,
        }

    def write(self, directory: Path) -> None:
        """Write truth.json beside the landing zone."""
        _write(directory, self.content())

    def append_to(self, directory: Path, known: dict[str, Any]) -> None:
        """Add what one more delivery holds to the truth that is there."""
        new = self.content()
        for name in ("patients", "identifiers", "broken", "policy", "scans"):
            known[name] += new[name]
        known["cells"] += new["cells"]
        for code, number in new["classes"].items():
            known["classes"][code] = known["classes"].get(code, 0) + number
        _write(directory, known)


def _write(directory: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    (directory / FILE).write_text(text, encoding="utf-8")
