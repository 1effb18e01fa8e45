"""Headers of scans: what a DICOM, TIFF, JPEG, PNG or BMP file says of itself, and whether it is all there.

Pixels are not read. Whether a file was cut off is seen from its own structure: DICOM elements and fragments
(PS3.5 chapter 7 and annex A.4), TIFF directories and tile offsets (TIFF 6.0, BigTIFF), JPEG's end of image
(ITU-T T.81 annex B), PNG chunks, BMP's stated size.
"""

from __future__ import annotations

import logging
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pydicom
from PIL import ExifTags, Image
from pydicom.dataset import Dataset

from jobs.errors import BadInput
from jobs.ingest.content import NOBODY, Content, Identity, Place
from schemas.reasons import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

logging.getLogger("pydicom").propagate = False  # its messages quote the data

# --- DICOM -----------------------------------------------------------------------------------------------

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

    Raises:
        BadInput: not readable, cut off, or no visible-light image.
    """
    stream.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydicom on odd values, which it quotes
            header = pydicom.dcmread(stream, stop_before_pixels=True)
            _dicom_facts(content, place, header)
    except Exception:  # pydicom fails in many ways; that the file was cut off says more, so look for that first
        _walk_dicom(stream, size)
        raise BadInput(Reason.UNREADABLE) from None
    length, fragments = _walk_dicom(stream, size)
    if content.role != "image":
        raise BadInput(Reason.UNKNOWN_FORMAT)
    if not _holds_all_frames(header, length, fragments):
        raise BadInput(Reason.TRUNCATED)


def _dicom_facts(content: Content, place: Place, header: Dataset) -> None:
    kind = _text(header, "SOPClassUID") or _text(header.file_meta, "MediaStorageSOPClassUID")
    content.role = "image" if kind.startswith(MICROSCOPY) else "other"
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


def _holds_all_frames(header: Dataset, length: int | None, fragments: int) -> bool:
    """Whether native pixel data are long enough, or encapsulated ones have a fragment for every frame."""
    frames = int(header.get("NumberOfFrames") or 1)
    if length is None:
        return fragments >= frames
    bits = int(header.get("BitsAllocated", 8)) * int(header.get("SamplesPerPixel", 1))
    needed = int(header.get("Rows", 0)) * int(header.get("Columns", 0)) * frames * bits // 8
    if header.get("PhotometricInterpretation") == "YBR_FULL_422":
        needed = needed * 2 // 3
    return length >= max(needed, 1)


_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_PIXEL_TAGS = ((0x7FE0, 0x0008), (0x7FE0, 0x0009), (0x7FE0, 0x0010))


def _walk_dicom(stream: BinaryIO, size: int) -> tuple[int | None, int]:
    """Walk the elements by their headers; values are skipped (PS3.5 7.1, 7.5, A.4).

    Returns:
        Length of native pixel data in bytes (None where they are encapsulated), and the number of fragments.

    Raises:
        BadInput: an element, item or sequence ends behind the file's end.
    """
    syntax, position = _read_meta(stream, size)
    if syntax == "1.2.840.10008.1.2.1.99":  # deflated: pydicom has inflated it to the end
        return 1 << 62, 0
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    explicit = syntax != "1.2.840.10008.1.2"
    length: int | None = 0
    fragments, open_parts = 0, list[tuple[str, bool]]()
    while position < size:
        tag, vr, extent, start = _element(stream, position, size, order, explicit)
        if tag == (0, 0) and not open_parts:
            break  # zeros behind the data set
        position = start
        if tag in (_ITEM_END, _SEQUENCE_END):
            if open_parts:
                explicit = open_parts.pop()[1]
        elif extent == _UNDEFINED:
            kind = "fragments" if tag in _PIXEL_TAGS else "part"
            length = None if kind == "fragments" and not open_parts else length
            open_parts.append((kind, explicit))
            explicit = explicit and vr != b"UN"  # a sequence in UN is in implicit VR (PS3.5 6.2.2, note 2)
        else:
            position += extent
            if tag in _PIXEL_TAGS and not open_parts:
                length = extent
            fragments += tag == _ITEM and bool(open_parts) and open_parts[-1][0] == "fragments"
    if position > size or open_parts:
        raise BadInput(Reason.TRUNCATED)
    return length, max(fragments - 1, 0)  # the first item is the offset table


def _read_meta(stream: BinaryIO, size: int) -> tuple[str, int]:
    """Transfer syntax, and where the data set starts."""
    position, end, syntax = 132, 0, "1.2.840.10008.1.2"
    while position + 8 <= size:
        tag, _, extent, start = _element(stream, position, size, "<", True)
        if tag[0] != 2:
            break
        if tag in ((2, 0), (2, 0x10)):
            stream.seek(start)
            value = stream.read(min(extent, 64))
        if tag == (2, 0):
            end = start + extent + int.from_bytes(value, "little")
        elif tag == (2, 0x10):
            syntax = value.decode("ascii", "replace").strip("\0 ")
        position = start + extent
    if max(position, end) > size:
        raise BadInput(Reason.TRUNCATED)
    return syntax, position


def _element(
    stream: BinaryIO, position: int, size: int, order: str, explicit: bool
) -> tuple[tuple[int, int], bytes, int, int]:
    """Tag, VR, length and start of the value of the element whose header is at `position`."""
    stream.seek(position)
    head = stream.read(12)
    if len(head) < 8:
        raise BadInput(Reason.TRUNCATED)
    tag: tuple[int, int] = struct.unpack_from(f"{order}HH", head)
    vr = head[4:6]
    if not explicit or tag[0] == 0xFFFE or not vr.isalpha():
        return tag, b"", struct.unpack_from(f"{order}I", head, 4)[0], position + 8
    if vr not in _LONG_VRS:
        return tag, vr, struct.unpack_from(f"{order}H", head, 6)[0], position + 8
    if len(head) < 12:
        raise BadInput(Reason.TRUNCATED)
    return tag, vr, struct.unpack_from(f"{order}I", head, 8)[0], position + 12


# --- TIFF ------------------------------------------------------------------------------------------------

_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
_TEXT_TAGS = {269: "comment", 270: "description", 315: "artist", 316: "comment"}
_OFFSETS, _COUNTS = (324, 273), (325, 279)
_COMPRESSION, _JPEG_TABLES, _SUB_DIRECTORIES = 259, 347, 330
_CODECS = frozenset(
    (1, 2, 5, 6, 7, 8, 32773, 32946, 33003, 33004, 33005, 34712, 34892, 34925, 34926, 34927, 50000, 50001)
)
_APERIO = {"User": "name", "Operator": "name", "ScanScope ID": "device_serial", "Barcode": "container"}
_MOST_DIRECTORIES = 4096


def read_tiff(content: Content, place: Place, stream: BinaryIO, size: int) -> None:
    """Read the directories of a TIFF or SVS file.

    Raises:
        BadInput: not readable or cut off.
    """
    _file_facts(content, place)
    for directory in _directories(stream, size):
        for tag, kind in _TEXT_TAGS.items():
            _identify_tiff(content, kind, directory.text(tag))
        if directory.text(270).startswith("Aperio"):
            content.media_type = "image/x-aperio-svs"
        _check_tiles(directory, size)


def _identify_tiff(content: Content, kind: str, text: str) -> None:
    if kind == "artist":
        content.identify_name(text)
    elif text.startswith("Aperio"):
        for pair in text.split("|"):
            name, _, value = (part.strip() for part in pair.partition("="))
            if name in _APERIO and _APERIO[name] == "name":
                content.identify_name(value)
            elif name in _APERIO:
                content.identify(_APERIO[name], value)
    else:
        _identify_comment(content, text)


class _Directory:
    """One image file directory: its tags, whose values are read when asked for."""

    def __init__(self, stream: BinaryIO, size: int, order: str, big: bool, position: int) -> None:
        self.stream, self.size, self.order, self.big = stream, size, order, big
        head, entry, self.word = ("Q", 20, 8) if big else ("H", 12, 4)
        count = struct.unpack(order + head, self.read(position, struct.calcsize(head)))[0]
        if count * entry > size:
            raise BadInput(Reason.TRUNCATED)
        start = position + struct.calcsize(head)
        entries = self.read(start, count * entry)
        self.next = self.word_at(start + count * entry)
        layout = f"{order}HH{'Q' if big else 'I'}"
        self.entries = {}
        for at in range(0, len(entries), entry):
            tag, kind, number = struct.unpack_from(layout, entries, at)
            self.entries[tag] = (kind, number, start + at + entry - self.word)

    def read(self, position: int, length: int) -> bytes:
        """Bytes of the file; BadInput(TRUNCATED) where it ends earlier."""
        if position + length > self.size:
            raise BadInput(Reason.TRUNCATED)
        self.stream.seek(position)
        return self.stream.read(length)

    def word_at(self, position: int) -> int:
        """The offset that is written at `position`."""
        return int(struct.unpack(f"{self.order}{'Q' if self.big else 'I'}", self.read(position, self.word))[0])

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag's value; none where the tag is absent."""
        if tag not in self.entries:
            return b""
        kind, count, at = self.entries[tag]
        length = count * _TYPE_BYTES.get(kind, 1)
        return self.read(at if length <= self.word else self.word_at(at), length)

    def text(self, tag: int) -> str:
        """A text tag."""
        return self.raw(tag).decode("utf-8", "replace").strip("\0 \r\n")

    def numbers(self, *tags: int) -> NDArray[Any]:
        """The numbers of the first of the tags that is there."""
        tag = next((tag for tag in tags if tag in self.entries), 0)
        kind = _NUMBERS.get(self.entries[tag][0]) if tag else None
        return np.frombuffer(self.raw(tag) if kind else b"", dtype=f"{self.order}{kind or 'u4'}").astype(np.int64)


def _directories(stream: BinaryIO, size: int) -> Iterator[_Directory]:
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = 43 in (head[2], head[3])
    if len(head) < (16 if big else 8):
        raise BadInput(Reason.TRUNCATED)
    waiting = [struct.unpack_from(f"{order}{'Q' if big else 'I'}", head, 8 if big else 4)[0]]
    seen = set[int]()
    while waiting:
        position = waiting.pop()
        if not position or position in seen:
            continue
        seen.add(position)
        if len(seen) > _MOST_DIRECTORIES:
            raise BadInput(Reason.UNREADABLE)
        directory = _Directory(stream, size, order, big, position)
        waiting += [directory.next, *directory.numbers(_SUB_DIRECTORIES).tolist()]
        yield directory
    if not seen:
        raise BadInput(Reason.UNREADABLE)


def _check_tiles(directory: _Directory, size: int) -> None:
    """That all tiles lie in the file, their codec is known, and the first has the headers of its codec."""
    offsets, counts = directory.numbers(*_OFFSETS), directory.numbers(*_COUNTS)
    if not len(offsets) or len(offsets) != len(counts):
        raise BadInput(Reason.UNREADABLE)
    if int((offsets + counts).max()) > size:
        raise BadInput(Reason.TRUNCATED)
    codec = directory.numbers(_COMPRESSION)
    if len(codec) and int(codec[0]) not in _CODECS:
        raise BadInput(Reason.UNREADABLE)
    if len(codec) and int(codec[0]) == 7 and counts[0]:
        scan_data_start(directory.read(int(offsets[0]), int(counts[0])))


# --- JPEG, PNG, BMP --------------------------------------------------------------------------------------

_EXIF_NAMES = (ExifTags.Base.Artist, ExifTags.Base.CameraOwnerName, ExifTags.Base.XPAuthor)
_EXIF_COMMENTS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.UserComment,
    ExifTags.Base.XPComment,
    ExifTags.Base.XPTitle,
    ExifTags.Base.XPSubject,
    ExifTags.Base.DocumentName,
)
_XMP_CREATOR = re.compile(rb"<dc:creator>(.*?)</dc:creator>", re.DOTALL)
_XMP_ITEM = re.compile(rb"<rdf:li[^>]*>([^<]+)</rdf:li>")
_LEAST_COMMENT = 8
"""A shorter comment, such as `blood`, is a word that may stand anywhere; it is not searched for."""
_MARKER = re.compile(rb"\xff+([\xc0-\xcf\xd8-\xfe])")


def read_field(content: Content, place: Place, stream: BinaryIO, size: int) -> None:
    """Read the header of a JPEG, PNG or BMP file.

    Raises:
        BadInput: not readable or cut off.
    """
    _file_facts(content, place)
    stream.seek(0)
    data = stream.read()
    _COMPLETE[content.media_type](data)
    stream.seek(0)
    try:
        with warnings.catch_warnings(), Image.open(stream) as image:
            warnings.simplefilter("ignore")
            _identify_field(content, image)
    except (OSError, Image.DecompressionBombError):
        raise BadInput(Reason.UNREADABLE) from None


def _file_facts(content: Content, place: Place) -> None:
    content.role, content.scan_name, content.scan_ref = "image", place.stem, f"file:{place.path}"


def _identify_field(content: Content, image: Image.Image) -> None:
    exif = image.getexif()
    tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    for tag in _EXIF_NAMES:
        content.identify_name(_exif_text(tags.get(tag)))
    content.identify("device_serial", _exif_text(tags.get(ExifTags.Base.BodySerialNumber)))
    for tag in _EXIF_COMMENTS:
        _identify_comment(content, _exif_text(tags.get(tag)))
    for name, value in image.info.items():
        if str(name).lower() in ("author", "artist", "creator"):
            content.identify_name(_exif_text(value))
        elif str(name).lower() in ("comment", "description", "title"):
            _identify_comment(content, _exif_text(value))
    xmp = image.info.get("xmp") or b""
    for creator in _XMP_CREATOR.findall(xmp if isinstance(xmp, bytes) else str(xmp).encode()):
        for item in _XMP_ITEM.findall(creator):
            content.identify_name(item.decode("utf-8", "replace"))


def _exif_text(value: object) -> str:
    """Text of an EXIF value: plain, with the 8-byte mark of UserComment, or UTF-16 as Windows writes it."""
    if not isinstance(value, bytes):
        return "" if value is None else str(value).strip("\0 ")
    if value.startswith((b"ASCII\0\0\0", b"UNICODE\0", b"\0" * 8)):
        coding = "utf-16" if value.startswith(b"UNICODE") else "utf-8"
        return value[8:].decode(coding, "replace").strip("\0 ")
    wide = len(value) > 3 and value[1::2].count(0) * 3 > len(value)
    return value.decode("utf-16-le" if wide else "utf-8", "replace").strip("\0 ")


def _identify_comment(content: Content, text: str) -> None:
    if len(text) >= _LEAST_COMMENT:
        content.identify("comment", text)


def scan_data_start(data: bytes) -> int:
    """Where the first scan of a JPEG stream begins, behind its headers.

    Raises:
        BadInput: a header runs past the end (truncated), or no marker stands where one must (unreadable).
    """
    if not data.startswith(b"\xff\xd8"):
        raise BadInput(Reason.UNREADABLE)
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise BadInput(Reason.UNREADABLE)
        if data[position + 1] == 0xFF:
            position += 1
            continue
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if length < 2 or marker in (0x00, 0xD9):
            raise BadInput(Reason.UNREADABLE)
        position += 2 + length
        if marker == 0xDA:
            return position
    raise BadInput(Reason.TRUNCATED)


def _complete_jpeg(data: bytes) -> None:
    """That scan data ends with an end of image; bytes behind it and thumbnails in headers do not matter."""
    position = scan_data_start(data)
    while found := _MARKER.search(data, position):
        marker = found.group(1)[0]
        if marker == 0xD9:
            return
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    raise BadInput(Reason.TRUNCATED)


def _complete_png(data: bytes) -> None:
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if position + 12 + length > len(data):
            break
        if data[position + 4 : position + 8] == b"IEND":
            return
        position += 12 + length
    raise BadInput(Reason.TRUNCATED)


def _complete_bmp(data: bytes) -> None:
    if len(data) < 34:
        raise BadInput(Reason.TRUNCATED)
    start, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, bits = struct.unpack_from("<HH2xH", data, 18)
        codec = 0
    else:
        width, height, bits, codec = struct.unpack_from("<ii2xHI", data, 18)
    needed = (width * bits + 31) // 32 * 4 * abs(height) if codec in (0, 3) else 1
    if start + needed > len(data):
        raise BadInput(Reason.TRUNCATED)


_COMPLETE: dict[str, Callable[[bytes], None]] = {
    "image/jpeg": _complete_jpeg,
    "image/png": _complete_png,
    "image/bmp": _complete_bmp,
}

READERS: dict[str, Callable[[Content, Place, BinaryIO, int], None]] = {
    "dicom": read_dicom,
    "tiff": read_tiff,
    **dict.fromkeys(("jpeg", "png", "bmp"), read_field),
}
