"""Stain and device of a de-identified DICOM slide, from codes that de-identification keeps.

The stain stands in Specimen Preparation Sequence (0040,0610) as steps that say 'Using substance' (PS3.16 TID 8003);
the device is the pseudonym that took the place of Device Serial Number (0018,1000).
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import Any, BinaryIO

import pydicom


def device_and_stain(stream: BinaryIO) -> tuple[str | None, str | None]:
    """The device's pseudonym and the stain's name; None where the header has none."""
    stream.seek(0)
    header = pydicom.dcmread(stream, stop_before_pixels=True)
    found = [by_code()[code] for code in _codes(header) if code in by_code()]
    names = list(dict.fromkeys(found))
    if {"Hematoxylin", "Eosin"} <= set(names):
        names = ["H&E"]
    serial = header.get("DeviceSerialNumber")
    return (str(serial) if serial else None), (names[0] if names else None)


def _codes(header: Any) -> list[tuple[str, str]]:
    """Scheme and value of every code in the preparation of the slide's specimens."""
    return [
        (str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeValue", "")))
        for specimen in header.get("SpecimenDescriptionSequence", [])
        for step in specimen.get("SpecimenPreparationSequence", [])
        for content in step.get("SpecimenPreparationStepContentItemSequence", [])
        for item in content.get("ConceptCodeSequence", [])
    ]


@cache
def by_code() -> dict[tuple[str, str], str]:
    """Coding scheme and value to the stain's name."""
    return {(row["scheme"], row["code"]): row["name"] for row in _table() if row["code"]}


@cache
def by_name() -> dict[str, str]:
    """Name in small letters, as a scan sheet may write it, to the stain's name."""
    return {row[column].lower(): row["name"] for row in _table() for column in ("name", "meaning")}


def _table() -> list[dict[str, str]]:
    text = resources.files("schemas.vocabularies").joinpath("stains.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
