"""A corpus of DICOM files in which unique tokens are planted wherever an identifier can stand.

Sources are pydicom's bundled files and, where they are at hand, those below `$HEMALAKE_REAL_DATA`
(`highdicom_sm`, `dcm4che_testdata`). Each comes as it is and once for each category of `CATEGORIES`. Every
planted token is its own, so a token that is met in an output says which value leaked.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pydicom
from pydicom.data import get_testdata_file
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from jobs.dicom.profile import default_profile

CATEGORIES = ("realistic", "table", "nested", "private", "free_text")
TOKEN, UID, CLOCK = "ZQX{:06d}Q", "1.999.777.1{:06d}.1", "134731.{:06d}"
FIRST_DAY, APART = date(1900, 3, 1), 400
"""Planted dates lie further apart than dates are shifted, so that a shifted one is not taken for another."""
_TEXT = ("AE", "LO", "SH", "ST", "LT", "UT", "UC", "UR")
_BYTES = ("OB", "OW", "UN")
_KEEP = frozenset({0x00080005, 0x00080016, 0x00080018, 0x00100021})
"""Character set, class and instance; and the issuer of patient ids, since another issuer is another patient."""
_REALISTIC = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientBirthName",
    "OtherPatientNames",
    "OtherPatientIDs",
    "PatientMotherBirthName",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientComments",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
    "OperatorsName",
    "PerformingPhysicianName",
    "PhysiciansOfRecord",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "DeviceSerialNumber",
    "StudyDescription",
    "SeriesDescription",
    "ImageComments",
    "RequestingPhysician",
    "AdmissionID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "ProtocolName",
]
_INNER = [
    "PatientName",
    "PatientID",
    "PatientComments",
    "OperatorsName",
    "StudyDate",
    "SeriesInstanceUID",
    "InstitutionName",
]
_SEQUENCES = [
    "RequestAttributesSequence",
    "ReferencedImageSequence",
    "AnatomicRegionSequence",
    "SourceImageSequence",
    "ReferencedStudySequence",
    "OtherPatientIDsSequence",
    "ProcedureCodeSequence",
    "PlanePositionSequence",
    "SpecimenDescriptionSequence",
    "ContentSequence",
    "DerivationCodeSequence",
    "OpticalPathSequence",
]


class Planted(NamedTuple):
    """What was planted into one file."""

    category: str
    tokens: frozenset[int]
    """Numbers of the tokens, UIDs and clock times."""
    dates: frozenset[str]
    places: frozenset[tuple[object, ...]]
    """Paths of the elements that hold a token: tags and item numbers from the outside in."""


class Planter:
    """Gives out values that nobody else has; `number` goes on from file to file."""

    def __init__(self, number: int) -> None:
        self.number, self.tokens, self.dates, self.places = number, set[int](), set[str](), set[tuple[object, ...]]()

    def next(self) -> int:
        """A number of its own."""
        self.number += 1
        self.tokens.add(self.number)
        return self.number

    def token(self) -> str:
        """A word of its own, as long as a code string may be."""
        return TOKEN.format(self.next())

    def value(self, vr: str) -> object:
        """A value of a representation that can hold an identifier; None for others."""
        if vr in _TEXT or vr == "CS":
            return self.token()
        if vr == "PN":
            return f"{self.token()}^Aino"
        if vr in _BYTES:
            return self.token().encode() + b" "
        if vr == "UI":
            return UID.format(self.next())
        if vr == "TM":
            return CLOCK.format(self.next())
        if vr in ("DA", "DT"):
            day = (FIRST_DAY + timedelta(days=APART * len(self.dates))).strftime("%Y%m%d")
            self.dates.add(day)
            return day if vr == "DA" else f"{day}{CLOCK.format(self.next())}"
        return None

    def put(self, dataset: Dataset, tag: int, vr: str, path: tuple[object, ...] = ()) -> None:
        """Plant one element."""
        value = self.value(vr)
        if value is not None:
            dataset[tag] = DataElement(tag, vr, value)
            self.places.add((*path, int(tag)))


def realistic(planter: Planter, dataset: Dataset) -> None:
    """Names, ids, dates, addresses and comments, where a modality writes them."""
    for keyword in _REALISTIC:
        tag = Tag(keyword)
        planter.put(dataset, tag, DicomDictionary[tag][0])


def table(planter: Planter, dataset: Dataset) -> None:
    """Every attribute of PS3.15 Table E.1-1 that can hold text, bytes, a date or a UID, sequences with an item."""
    profile = default_profile()
    for tag, (vr, *_) in DicomDictionary.items():
        vr = vr.split(" or ")[0]
        if not 8 <= tag >> 16 < 0x7FE0 or tag in _KEEP or profile.action(tag) is None:
            continue
        if vr == "SQ":
            nest(planter, dataset, tag, 1)
        else:
            planter.put(dataset, tag, vr)


def nested(planter: Planter, dataset: Dataset) -> None:
    """Sequences, listed or not, three deep, private ones, and one that is written as UN."""
    for keyword in _SEQUENCES:
        nest(planter, dataset, Tag(keyword), 3)
    item = Dataset()
    for keyword in _INNER:
        planter.put(item, Tag(keyword), DicomDictionary[Tag(keyword)][0])
    dataset[0x00189998] = DataElement(0x00189998, "UN", _sequence_bytes(item))
    block = dataset.private_block(0x0097, "ACME NESTED", create=True)
    block.add_new(1, "SQ", Sequence([_item(planter)]))
    block.add_new(2, "UN", _sequence_bytes(_item(planter)))


def nest(planter: Planter, dataset: Dataset, tag: int, depth: int, path: tuple[object, ...] = ()) -> None:
    """Plant in a new first item of a sequence, and in its own sequences down to `depth`."""
    here = (*path, int(tag), 0)
    item = Dataset()
    for keyword in _INNER:
        planter.put(item, Tag(keyword), DicomDictionary[Tag(keyword)][0], here)
    if depth > 1:
        nest(planter, item, Tag("ReferencedSeriesSequence"), depth - 1, here)
    dataset[tag] = DataElement(tag, "SQ", Sequence([item]))
    planter.places.add(here[:-1])


def private(planter: Planter, dataset: Dataset) -> None:
    """Private elements, file meta, preamble, overlays, curves, and padding behind the data set."""
    block = dataset.private_block(0x0099, "ACME 1.0", create=True)
    for number, vr in enumerate(("LO", "UN", "PN", "OB", "LT", "DA", "UI", "CS"), 1):
        block.add_new(number, vr, planter.value(vr))
    siemens = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    siemens.add_new(0x08, "CS", planter.token())
    for tag, vr in ((0x60000022, "LO"), (0x60001500, "LO"), (0x60003000, "OB"), (0x60004000, "LT"),
                    (0x50000022, "LO"), (0x50002500, "LO"), (0x50003000, "OB")):  # fmt: skip
        planter.put(dataset, tag, vr)
    dataset[0xFFFCFFFC] = DataElement(0xFFFCFFFC, "OB", planter.token().encode() + b" ")
    meta = dataset.file_meta
    meta.SourceApplicationEntityTitle, meta.SendingApplicationEntityTitle = planter.token(), planter.token()
    meta.PrivateInformationCreatorUID = UID.format(planter.next())
    meta.PrivateInformation = planter.token().encode() + b" "
    dataset.preamble = planter.token().encode().ljust(128, b"\0")


def free_text(planter: Planter, dataset: Dataset) -> None:
    """Attributes that Table E.1-1 does not list; other ones in each file, so that all are met."""
    profile = default_profile()
    unlisted = [
        (tag, vr) for tag, (vr, *_) in sorted(DicomDictionary.items())
        if vr in (*_TEXT, "CS") and 8 <= tag >> 16 < 0x5000 and tag not in _KEEP and profile.action(tag) is None
        and keyword_for_tag(tag) not in ("SpecimenLabelInImage", "PhotometricInterpretation", "PixelPresentation")
    ]  # fmt: skip
    for keyword in ("Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "BodyPartExamined"):
        planter.put(dataset, Tag(keyword), DicomDictionary[Tag(keyword)][0])
    for tag, vr in unlisted[planter.number % 29 :: 29]:
        if keyword_for_tag(tag) not in ("ImageType", "CodeValue", "CodingSchemeDesignator"):
            planter.put(dataset, tag, vr)
    for keyword, scheme in (("AnatomicRegionSequence", "SCT"), ("ProcedureCodeSequence", "99ACME")):
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "39607008", scheme, planter.token()
        dataset[Tag(keyword)] = DataElement(Tag(keyword), "SQ", Sequence([item]))
        planter.places.add((int(Tag(keyword)),))


_VARIANTS: dict[str, Callable[[Planter, Dataset], None]] = {
    "realistic": realistic, "table": table, "nested": nested, "private": private, "free_text": free_text,
}  # fmt: skip


def sources(folder: Path | None = None) -> Iterator[Path]:
    """Files to plant in, the usual ones or those of a folder: what pydicom reads, but no directories."""
    if folder is not None:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and _usable(path))
        return
    bundled = Path(get_testdata_file("CT_small.dcm")).parent
    data = Path(os.environ.get("HEMALAKE_REAL_DATA", "../shared/data"))
    for folder in (bundled, data / "highdicom_sm", data / "dcm4che_testdata"):
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and _usable(path))


def build(folder: Path, paths: list[Path]) -> dict[str, Planted]:
    """Write the corpus into a folder, all files side by side; returns what was planted, by file name."""
    planted: dict[str, Planted] = {}
    number, patients = 0, dict[str, int]()
    for index, path in enumerate(paths):
        for category in ("original", *CATEGORIES):
            planter = Planter(number)
            try:
                data = _variant(path, category, planter, patients)
            except Exception:  # a few of the odd files cannot be written again; then this variant is missing
                continue
            number, name = planter.number, f"f{index:04d}_{category}.dcm"
            (folder / name).write_bytes(data)
            planted[name] = Planted(
                category, frozenset(planter.tokens), frozenset(planter.dates), frozenset(planter.places)
            )
    return planted


def _variant(path: Path, category: str, planter: Planter, patients: dict[str, int]) -> bytes:
    if category == "original":
        return path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        patient = str(dataset.get("PatientID") or "")
        _VARIANTS[category](planter, dataset)
        if category in ("realistic", "table") and patient:  # a patient stays one, under one planted number
            planter.tokens.discard(int(dataset.PatientID[3:9]))
            planter.tokens.add(patients.setdefault(patient, int(dataset.PatientID[3:9])))
            dataset.PatientID = TOKEN.format(patients[patient])
        out = BytesIO()
        pydicom.dcmwrite(out, dataset, enforce_file_format=False)
    return out.getvalue()


def _usable(path: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path)
            for _ in dataset.iterall():
                pass
        except Exception:
            return False
    return "SOPClassUID" in dataset and dataset.SOPClassUID != "1.2.840.10008.1.3.10"


def _item(planter: Planter) -> Dataset:
    item = Dataset()
    item.PatientName, item.PatientComments = planter.token(), planter.token()
    return item


def _sequence_bytes(item: Dataset) -> bytes:
    """A sequence in implicit VR, as UN holds it (PS3.5 6.2.2, note 2)."""
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, True
    write_dataset(out, item)
    value = out.getvalue()
    return b"\xfe\xff\x00\xe0" + len(value).to_bytes(4, "little") + value
