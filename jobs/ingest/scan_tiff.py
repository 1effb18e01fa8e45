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
    content.is_file(place)
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
        content.identify_comment(text)


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
