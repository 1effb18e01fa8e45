"""What identifies a patient in a DICOM file, read by a walk over its bytes that shares nothing with the engine.

The rescan looks for what this finds, so a value that the engine overlooked is still known. Elements are
stepped over by their headers (PS3.5 sections 7.1 and 7.5); nothing is decoded or kept but the values asked
for. A file that breaks off gives what came before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from jobs.dicom.dictionary import entries

_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONGEST_VALUE = 1 << 14
_MOST_INFLATED = 1 << 27
_PATIENT_ID, _STUDY, _SERIES, _INSTANCE = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
_BIRTH_DATE = 0x00100030
_IDS = frozenset(
    {
        "PatientID",
        "OtherPatientIDs",
        "PatientAddress",
        "PatientTelephoneNumbers",
        "PatientTelecomInformation",
        "MedicalRecordLocator",
        "InsurancePlanIdentification",
        "AdmissionID",
        "IssuerOfAdmissionID",
        "AccessionNumber",
        "StudyID",
        "ContainerIdentifier",
        "SpecimenIdentifier",
        "SpecimenAccessionNumber",
        "DeviceSerialNumber",
        "InstitutionName",
        "InstitutionAddress",
        "StationName",
        "RequestedProcedureID",
        "ScheduledProcedureStepID",
        "PerformedProcedureStepID",
        "FillerOrderNumberImagingServiceRequest",
        "PlacerOrderNumberImagingServiceRequest",
        "BarcodeValue",
        "ServiceEpisodeID",
        "PersonAddress",
        "PersonTelephoneNumbers",
        "PatientComments",
        "OrderCallbackPhoneNumber",
        "SourceApplicationEntityTitle",
        "SendingApplicationEntityTitle",
        "ReceivingApplicationEntityTitle",
        "ScheduledStationName",
        "PerformedStationName",
        "PatientReligiousPreference",
        "Occupation",
        "MilitaryRank",
        "GantryID",
        "CassetteID",
        "PlateID",
        "DetectorID",
        "UDISequence",
        "UniqueDeviceIdentifier",
    }
)
_UIDS = frozenset(
    {
        "SOPInstanceUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "ReferencedSOPInstanceUID",
        "SpecimenUID",
        "MediaStorageSOPInstanceUID",
        "DeviceUID",
        "UID",
        "SynchronizationFrameOfReferenceUID",
    }
)


class _Kinds(NamedTuple):
    """Tags by what their values are."""

    names: frozenset[int]
    ids: frozenset[int]
    uids: frozenset[int]

    @property
    def wanted(self) -> frozenset[int]:
        """All tags whose values are looked at, but for names that only their value representation tells."""
        return self.names | self.ids | self.uids | {_BIRTH_DATE, _PATIENT_ID, _STUDY, _SERIES, _INSTANCE}


@dataclass
class Identifiers:
    """What one file says of who it is about; values as bytes, as they stand in it."""

    patient: bytes = b""
    """PatientID; empty where there is none."""
    instance: bytes = b""
    """SOP Instance UID."""
    unit: bytes = b""
    """Series, study or instance UID: tells apart files without a PatientID."""
    names: set[bytes] = field(default_factory=set)
    ids: set[bytes] = field(default_factory=set)
    uids: set[bytes] = field(default_factory=set)
    birth_dates: set[bytes] = field(default_factory=set)


def read_identifiers(data: bytes) -> Identifiers:
    """Return what identifies somebody in a DICOM file; `data` may be a memory map."""
    found = Identifiers()
    seen: dict[int, bytes] = {}
    kinds = _kinds()
    for tag, vr, value, top in _elements(data):
        if vr == b"PN" or tag in kinds.names:
            found.names.add(value)
        elif tag in kinds.ids:
            found.ids.update(value.split(b"\\"))
        elif tag in kinds.uids and not value.startswith(b"1.2.840.10008."):
            found.uids.update(value.rstrip(b"\0 ").split(b"\\"))
        elif tag == _BIRTH_DATE:
            found.birth_dates.add(value.strip(b"\0 "))
        if top:
            seen[tag] = value.strip(b"\0 ")
    found.patient, found.instance = seen.get(_PATIENT_ID, b""), seen.get(_INSTANCE, b"")
    found.unit = seen.get(_STUDY) or seen.get(_SERIES) or found.instance
    return found


@cache
def _kinds() -> _Kinds:
    names, ids, uids = set(), set(), set()
    for tag, (vr, _, _, keyword) in entries().items():
        if vr == "PN":
            names.add(tag)
        elif keyword in _IDS:
            ids.add(tag)
        elif keyword in _UIDS:
            uids.add(tag)
    return _Kinds(frozenset(names), frozenset(ids), frozenset(uids))


def pixel_data_start(data: bytes) -> int:
    """Where the value of the pixel data begins in a file that is not deflated; its end where it has none.

    `data` may be a memory map.
    """
    position, meta = _meta(data)
    body = _walk(data, position, *_encoding(data, position, meta))
    return next((start for tag, _, start, _, depth in body if tag >> 16 == 0x7FE0 and depth == 0), len(data))


def _elements(data: bytes) -> Iterator[tuple[int, bytes, bytes, bool]]:
    """Yield (tag, VR, value, whether at the root) of what is wanted before the pixel data, at every depth."""
    position, meta = _meta(data)
    for tag, (vr, value) in meta.items():
        yield tag, vr, value, False
    order, explicit = _encoding(data, position, meta)
    if _syntax(meta) == b"1.2.840.10008.1.2.1.99":
        data, position, explicit = _inflated(data[position:]), 0, True
    yield from _values(data, position, order, explicit)


def _meta(data: bytes) -> tuple[int, dict[int, tuple[bytes, bytes]]]:
    """Where the file meta group ends, and its elements."""
    position = 132 if data[128:132] == b"DICM" else 0
    found = {}
    for tag, vr, start, stop, _ in _walk(data, position, "<", True):
        if tag >> 16 != 2:
            break
        position = stop
        found[tag] = (vr, data[start:stop])
    return position, found


def _syntax(meta: dict[int, tuple[bytes, bytes]]) -> bytes:
    return meta.get(0x00020010, (b"", b""))[1].strip(b"\0 ")


def _encoding(data: bytes, position: int, meta: dict[int, tuple[bytes, bytes]]) -> tuple[str, bool]:
    """Byte order of the dataset, and whether its value representations are explicit."""
    return ">" if _syntax(meta) == b"1.2.840.10008.1.2.2" else "<", data[position + 4 : position + 6].isalpha()


def _values(data: bytes, position: int, order: str, explicit: bool) -> Iterator[tuple[int, bytes, bytes, bool]]:
    wanted = _kinds().wanted
    for tag, vr, start, stop, depth in _walk(data, position, order, explicit):
        if tag >> 16 == 0x7FE0 and depth == 0:
            return
        if (tag in wanted or vr == b"PN") and stop - start <= _LONGEST_VALUE:
            yield tag, vr, data[start:stop], depth == 0


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _MOST_INFLATED)
    except zlib.error:
        return b""


def _walk(data: bytes, position: int, order: str, explicit: bool) -> Iterator[tuple[int, bytes, int, int, int]]:
    """Yield (tag, VR, start, stop, depth) of every element that is no sequence.

    Sequences and items are entered by stepping behind their header, so depth costs nothing. Ends where the
    bytes do, or contradict themselves.
    """
    size = len(data)
    short, long = struct.Struct(order + "HH2sH"), struct.Struct(order + "HHI")
    length_of = struct.Struct(order + "I")
    item = struct.pack(order + "HH", 0xFFFE, 0xE000)
    ends: list[tuple[int, bool]] = []  # where each open sequence ends, and whether its parent is explicit
    while position + 8 <= size:
        while ends and position >= ends[-1][0]:
            explicit = ends.pop()[1]
        group, number, vr, length = short.unpack_from(data, position)
        tag, start = group << 16 | number, position + 8
        if group == 0xFFFE or not (explicit and vr.isalpha()):
            length, vr = long.unpack_from(data, position)[2], b""
        elif vr in _LONG:
            if position + 12 > size:
                return
            length, start = length_of.unpack_from(data, position + 8)[0], position + 12
        if group == 0xFFFE:
            if tag == _SEQUENCE_END and ends:
                explicit = ends.pop()[1]
            position = start
            continue
        if group == 0x7FE0 and not ends:
            yield tag, vr, start, size, 0
            return
        stop = size if length == _UNDEFINED else start + length
        if ends and stop > ends[-1][0] < size:
            stop = ends[-1][0]
        if vr == b"SQ" or length == _UNDEFINED or (vr in (b"", b"UN") and data[start : start + 4] == item):
            ends.append((stop, explicit))
            explicit = explicit and vr != b"UN"  # a sequence in UN is in implicit VR (PS3.5 6.2.2, note 2)
            position = start
            continue
        if stop > size:
            return
        yield tag, vr, start, stop, len(ends)
        position = stop
