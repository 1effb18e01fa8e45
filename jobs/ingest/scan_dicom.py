"""Headers of DICOM files: what they say of patient, specimen and scan. Pixels are not read."""

from __future__ import annotations

import logging
import re
import warnings
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset

from jobs.annotations.dicom_ann import SOP_CLASS
from jobs.dicom.length import check_length, walk
from jobs.errors import BadInput
from jobs.ingest.content import NOBODY, Content, Identity, Place
from schemas.reasons import Reason

logging.getLogger("pydicom").propagate = False  # its messages quote the data

MICROSCOPY = "1.2.840.10008.5.1.4.1.1.77.1."
"""Visible light images: .1 endoscopic to .6 whole slide microscopy (PS3.4 annex B.5)."""

_OID = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_PATIENT_NAMES = [
    "PatientName",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "ResponsiblePerson",
]
_PATIENT_VALUES = {
    "PatientID": "record_number",
    "OtherPatientIDs": "record_number",
    "PatientAddress": "address",
    "PatientTelephoneNumbers": "phone",
    "AccessionNumber": "accession_number",
    "ContainerIdentifier": "container",
    "SpecimenIdentifier": "accession_number",
    "StudyID": "record_number",
}


def read_dicom(content: Content, place: Place, stream: BinaryIO, size: int) -> None:
    """Read the header of a DICOM file; labels and overviews are images too: de-identification holds them.

    Of annotations, the shapes are read elsewhere.

    Raises:
        BadInput: not readable, cut off, or neither a visible-light image nor annotations.
    """
    stream.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydicom on odd values, which it quotes
            header = pydicom.dcmread(stream, stop_before_pixels=True)
            _dicom_facts(content, place, header)
    except Exception:  # pydicom fails in many ways; that the file was cut off says more, so look for that first
        walk(stream, size)
        raise BadInput(Reason.UNREADABLE) from None
    pixels = walk(stream, size)
    if content.role == "annotations":
        return
    if content.role != "image":
        raise BadInput(Reason.UNKNOWN_FORMAT)
    check_length(header, *pixels)


def _dicom_facts(content: Content, place: Place, header: Dataset) -> None:
    kind = _text(header, "SOPClassUID") or _text(header.file_meta, "MediaStorageSOPClassUID")
    content.role = "image" if kind.startswith(MICROSCOPY) else "annotations" if kind == SOP_CLASS else "other"
    if content.role == "image":
        content.scan_name = _text(header, "ContainerIdentifier") or place.stem
        series = _text(header, "SeriesInstanceUID")
        content.scan_ref = f"dicom:{series}" if series else f"file:{place.path}"
    default = f"dicom:{place.source}"
    patient = _patient_of(header, default) or NOBODY
    if all(patient):
        content.patient_system, content.patient_number = patient
    others = [_patient_of(item, "") for item in header.get("OtherPatientIDsSequence") or ()]
    content.link([patient, *(other for other in others if other)])
    specimens = header.get("SpecimenDescriptionSequence") or ()
    content.specimen_number = next((n for i in specimens if (n := _text(i, "SpecimenIdentifier"))), None)
    _identify_dicom(content, header, patient)


def _patient_of(item: Dataset, default: str) -> Identity | None:
    """The patient number of a dataset with the system that issued it, as FHIR would write the system."""
    number = _text(item, "PatientID")
    if not number:
        return None
    qualifiers = item.get("IssuerOfPatientIDQualifiersSequence") or [Dataset()]
    issuer = _text(qualifiers[0], "UniversalEntityID") or _text(item, "IssuerOfPatientID")
    system = f"urn:oid:{issuer}" if _OID.fullmatch(issuer) else issuer
    return (system or default, number)


def _identify_dicom(content: Content, header: Dataset, patient: Identity) -> None:
    for element in header.iterall():
        if element.VR == "SQ" or element.is_empty:
            continue
        for value in element.value if element.VM > 1 else [element.value]:
            if element.VR == "PN":
                content.identify_name(str(value), patient if element.keyword in _PATIENT_NAMES else NOBODY)
            elif element.keyword == "PatientBirthDate":
                content.identify_birth_date(str(value), patient)
            elif element.keyword == "DeviceSerialNumber":
                content.identify("device_serial", value)
            elif element.keyword in _PATIENT_VALUES:
                content.identify(_PATIENT_VALUES[element.keyword], value, patient)


def _text(item: Dataset, keyword: str) -> str:
    value = item.get(keyword)
    return "" if value is None else str(value).strip("\0 ")
