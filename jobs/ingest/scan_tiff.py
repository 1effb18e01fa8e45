"""Headers of TIFF and SVS files: who is named in them, and whether all tiles are there (TIFF 6.0, BigTIFF)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from jobs.errors import BadInput
from jobs.ingest.content import Content, Place
from jobs.ingest.jpeg_length import scan_data_start
from schemas.reasons import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
_NAMES = (315, 40093, 37510)
_COMMENTS = (269, 270, 285, 316, 33432, 40091, 40092, 40094, 40095)
_NUMBERED = {65427: "container", 65442: "device_serial"}
"""Tags of names and of free text (TIFF 6.0; Windows' in UTF-16), and Hamamatsu's slide reference and serial number."""
_WINDOWS = range(40091, 40096)
_PROPERTIES, _XMP = 65449, 700
_OFFSETS, _COUNTS = (324, 273), (325, 279)
_COMPRESSION, _JPEG_TABLES, _SUB_DIRECTORIES = 259, 347, 330
_CODECS = frozenset(
    (1, 2, 5, 6, 7, 8, 32773, 32946, 33003, 33004, 33005, 34712, 34892, 34925, 34926, 34927, 50000, 50001)
)
_KEYS = {
    "User": "name", "Operator": "name", "Patient": "name", "ScanScope ID": "device_serial", "NDP.S/N": "device_serial",
    "Barcode": "container", "Filename": "comment", "Title": "comment", "CaseID": "accession", "BlockID": "container",
    "SlideID": "container", "Accession": "accession",
}  # fmt: skip
"""Keys of Aperio's description and of Hamamatsu's properties that name somebody or something."""
_XML = {
    "FirstName": "name", "LastName": "name", "MiddleName": "name", "UserName": "name", "Email": "comment",
    "OperatorID": "name", "DICOM_OPERATORS_NAME": "name", "creator": "name",
    "Institution": "institution", "SerialNumber": "device_serial", "DICOM_DEVICE_SERIAL_NUMBER": "device_serial",
    "PIM_DP_UFS_BARCODE": "container", "barcode": "container", "Barcode1D": "container", "Barcode2D": "container",
    "FileName": "comment", "Name": "comment", "Description": "comment", "UnitNumber": "device_serial",
}  # fmt: skip
"""Attributes and elements of OME-XML, Philips', Leica's and Ventana's documents."""
_NAMED = frozenset({"Image", "Project", "Dataset", "Folder"})
"""Elements of OME-XML whose name somebody chose; channels and annotations are named alike everywhere."""
_LONGEST_NAME = 1000
_LONGEST_TEXT = 1 << 24
_LONGEST_HEAD = 1 << 20
_MOST_DIRECTORIES = 4096


def read_tiff(content: Content, place: Place, stream: BinaryIO, size: int) -> None:
    """Read the directories of a TIFF or SVS file.

    Raises:
        BadInput: not readable or cut off.
    """
    content.is_file(place)
    for directory in _directories(stream, size):
        _identify_tiff(content, directory)
        if directory.text(270).startswith("Aperio"):
            content.media_type = "image/x-aperio-svs"
        _check_tiles(directory, size)


def _identify_tiff(content: Content, directory: _Directory) -> None:
    """Who and what the texts of a directory name."""
    for tag in _NAMES:
        content.identify_name(directory.text(tag))
    for tag, kind in _NUMBERED.items():
        content.identify(kind, directory.text(tag))
    _identify_pairs(content, directory.text(_PROPERTIES).splitlines())
    for tag in (_XMP, *_COMMENTS):
        text = directory.text(tag)
        if text.startswith("Aperio"):
            _identify_pairs(content, text.split("|"))
        elif text.lstrip("\ufeff").startswith("<"):
            _identify_xml(content, text)
        else:
            content.identify_comment(text)


def _identify(content: Content, kind: str, value: str) -> None:
    if kind == "name":
        content.identify_name(value)
    elif kind == "comment":
        content.identify_comment(value)
    else:
        content.identify(kind, value)


def _identify_pairs(content: Content, pairs: list[str]) -> None:
    for pair in pairs:
        name, _, value = (part.strip() for part in pair.partition("="))
        if name in _KEYS:
            _identify(content, _KEYS[name], value)


def _identify_xml(content: Content, text: str) -> None:
    """Names and numbers in a document: of attributes, of elements, and of Philips' `Attribute Name=`."""
    from defusedxml import ElementTree

    try:
        root = ElementTree.fromstring(text)
    except Exception:  # a parser's errors quote what they parsed
        return
    for element in root.iter():
        tag = str(element.tag).rpartition("}")[2]
        for name, value in element.attrib.items():
            if name in _XML and tag != "Attribute" and (name != "Name" or tag in _NAMED):
                _identify(content, _XML[name], value)
        named = element.get("Name", "") if tag == "Attribute" else tag
        text = " ".join("".join(element.itertext()).split()) if named in _XML else ""
        if len(text) < _LONGEST_NAME:
            _identify(content, _XML.get(named, "comment"), text)


class _Directory:
    """One image file directory: its tags, whose values are read when asked for."""

    def __init__(self, stream: BinaryIO, size: int, order: str, big: bool, position: int) -> None:
        self.stream, self.size, self.order, self.big = stream, size, order, big
        self.wide = not big and order == "<" and size >= 1 << 32
        """Hamamatsu's files of 4 GiB and more: pointers have 64 bits, high words of values follow the directory."""
        head, entry, self.word = ("Q", 20, 8) if big else ("H", 12, 4)
        count = struct.unpack(order + head, self.read(position, struct.calcsize(head)))[0]
        if count * entry > size:
            raise BadInput(Reason.TRUNCATED)
        start = position + struct.calcsize(head)
        entries = self.read(start, count * entry)
        end = start + count * entry
        self.next = int.from_bytes(self.read(end, 8), "little") if self.wide else self.word_at(end)
        high = struct.unpack(f"<{count}I", self.read(end + 8, 4 * count)) if self.wide else (0,) * count
        layout = f"{order}HH{'Q' if big else 'I'}"
        self.entries = {}
        self.high = {}
        for number_of, at in enumerate(range(0, len(entries), entry)):
            tag, kind, number = struct.unpack_from(layout, entries, at)
            self.entries[tag] = (kind, number, start + at + entry - self.word)
            self.high[tag] = high[number_of] << 32

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
        if kind in (1, 2, 7) and length > _LONGEST_TEXT:
            return b""
        return self.read(at if length <= self.word else self.word_at(at) + self.high[tag], length)

    def text(self, tag: int) -> str:
        """A text tag."""
        if tag in _WINDOWS:
            return self.raw(tag).decode("utf-16-le", "replace").strip("\0 \r\n")
        return self.raw(tag).decode("utf-8", "replace").strip("\0 \r\n")

    def numbers(self, *tags: int) -> NDArray[Any]:
        """The numbers of the first of the tags that is there."""
        tag = next((tag for tag in tags if tag in self.entries), 0)
        kind = _NUMBERS.get(self.entries[tag][0]) if tag else None
        found = np.frombuffer(self.raw(tag) if kind else b"", dtype=f"{self.order}{kind or 'u4'}").astype(np.int64)
        return found + self.high[tag] if self.wide and found.size == 1 else found


def _directories(stream: BinaryIO, size: int) -> Iterator[_Directory]:
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = 43 in (head[2], head[3])
    if len(head) < (16 if big else 8):
        raise BadInput(Reason.TRUNCATED)
    wide = big or (order == "<" and size >= 1 << 32)
    waiting = [struct.unpack_from(f"{order}{'Q' if wide else 'I'}", head.ljust(16, b"\0"), 8 if big else 4)[0]]
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
        scan_data_start(directory.read(int(offsets[0]), min(int(counts[0]), _LONGEST_HEAD)))
