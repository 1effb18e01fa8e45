"""Read the directories of a TIFF file and write chosen ones anew (TIFF 6.0; BigTIFF with magic 43).

Tiles and strips are copied compressed. Numbers of allow-listed tags are copied with their type; everything
else is not written, so neither text nor gaps between structures come along.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from jobs.dicom.codestream import DamagedStream, clean_codestream, clean_jpeg
from jobs.dicom.icc import clean_profile

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
DESCRIPTION, STRIP_OFFSETS, SAMPLES, STRIP_COUNTS = 270, 273, 277, 279
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
SUB_IFDS, JPEG_TABLES, ICC = 330, 347, 34675

NUMBERS = {
    254: 1, WIDTH: 1, LENGTH: 1, BITS: 8, COMPRESSION: 1, PHOTOMETRIC: 1, 266: 1, 274: 1, SAMPLES: 1, 278: 1,
    282: 1, 283: 1, 284: 1, 296: 1, 317: 1, TILE_WIDTH: 1, TILE_LENGTH: 1, 338: 8, 339: 8, 530: 2,
    531: 1, 532: 6, 32997: 1, 32998: 1,
}  # fmt: skip
"""Tags that hold numbers which decoding or scale needs, and how many at most."""
_COLOUR_MAP = 320
_SIZES = {
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
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_NUMERIC = frozenset({1, 3, 4, 5, 8, 9, 10, 11, 12, 13, 16})
_JPEG, _J2K = 7, (33003, 33005, 34712)
_PLAIN = frozenset({1, 5, 8, 32773, 32946})
_MOST_PAGES = 200


class CannotRewrite(ValueError):
    """The file uses a structure or codec that is not rewritten."""


@dataclass(frozen=True)
class Entry:
    """One tag of a directory: TIFF type, count, and the bytes of its value in the file's order."""

    kind: int
    count: int
    value: bytes


@dataclass
class Page:
    """One image file directory."""

    order: str
    entries: Mapping[int, Entry]
    description: bytes = field(default=b"")

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The integers of a tag, none where it is absent or of another type."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _INTEGERS:
            return ()
        return struct.unpack(f"{self.order}{entry.count}{_INTEGERS[entry.kind]}", entry.value)

    def number(self, tag: int, otherwise: int = 0) -> int:
        """The first integer of a tag."""
        return next(iter(self.numbers(tag)), otherwise)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.number(WIDTH), self.number(LENGTH)

    @property
    def tiled(self) -> bool:
        """Whether the image is stored in tiles."""
        return TILE_OFFSETS in self.entries


@dataclass(frozen=True)
class Tiff:
    """A TIFF file's byte order, kind and directories in file order."""

    order: str
    big: bool
    pages: tuple[Page, ...]


def read_tiff(source: BinaryIO) -> Tiff:
    """Read all directories; raises `DamagedStream`."""
    source.seek(0, 2)
    size = source.tell()
    source.seek(0)
    head = source.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise DamagedStream
    magic = struct.unpack_from(order + "H", head, 2)[0]
    if magic not in (42, 43):
        raise DamagedStream
    big = magic == 43
    (position,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    pages: list[Page] = []
    seen: set[int] = set()
    while position and position not in seen and len(pages) < _MOST_PAGES:
        seen.add(position)
        page, position = _read_page(source, order, big, position, size)
        pages.append(page)
    return Tiff(order, big, tuple(pages))


def _read_page(source: BinaryIO, order: str, big: bool, position: int, size: int) -> tuple[Page, int]:
    word, count_format, width = ("Q", "Q", 20) if big else ("I", "H", 12)
    (count,) = struct.unpack(order + count_format, _read(source, position, 8 if big else 2))
    if count > 4096:
        raise DamagedStream
    start = position + (8 if big else 2)
    table = _read(source, start, count * width + (8 if big else 4))
    entries: dict[int, Entry] = {}
    for index in range(count):
        tag, kind, number = struct.unpack_from(order + "HH" + word, table, index * width)
        length = _SIZES.get(kind, 0) * number
        inline = index * width + (12 if big else 8)
        if length <= (8 if big else 4):
            value = table[inline : inline + length]
        else:
            (offset,) = struct.unpack_from(order + word, table, inline)
            if offset + length > size:
                raise DamagedStream(truncated=True)
            value = _read(source, offset, length)
        entries[tag] = Entry(kind, number, value)
    (following,) = struct.unpack_from(order + word, table, count * width)
    return Page(order, entries, entries[DESCRIPTION].value.rstrip(b"\0") if DESCRIPTION in entries else b""), following


def write_tiff(source: BinaryIO, target: BinaryIO, tiff: Tiff, pages: Sequence[tuple[Page, bytes]]) -> None:
    """Write `pages`, each with the description it shall have (empty: none), to the seekable `target`.

    Raises `CannotRewrite` for codecs whose stream cannot be cleaned, `DamagedStream` for tiles that end
    early.
    """
    order, big = tiff.order, tiff.big
    magic = b"II" if order == "<" else b"MM"
    target.write(magic + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)))
    link = 8 if big else 4
    for page, description in pages:
        entries = _clean_entries(page, description)
        tags = (TILE_OFFSETS, TILE_COUNTS) if page.tiled else (STRIP_OFFSETS, STRIP_COUNTS)
        offsets, lengths = _copy_segments(source, target, page, *tags)
        word, kind = ("Q", 16) if big else ("I", 4)
        for tag, numbers in zip(tags, (offsets, lengths), strict=True):
            entries[tag] = Entry(kind, len(numbers), struct.pack(f"{order}{len(numbers)}{word}", *numbers))
        link = _write_directory(target, order, big, entries, link)


def _clean_entries(page: Page, description: bytes) -> dict[int, Entry]:
    entries = {
        tag: entry
        for tag, entry in page.entries.items()
        if entry.count <= NUMBERS.get(tag, 0) and entry.kind in _NUMERIC
    }
    colours = page.entries.get(_COLOUR_MAP)
    if colours is not None and colours.kind == 3 and colours.count == 3 << page.number(BITS, 1):
        entries[_COLOUR_MAP] = colours
    tables = page.entries.get(JPEG_TABLES)
    if tables is not None:
        cleaned = clean_jpeg(tables.value)
        entries[JPEG_TABLES] = Entry(7, len(cleaned), cleaned)
    profile = clean_profile(page.entries[ICC].value) if ICC in page.entries else None
    if profile is not None:
        entries[ICC] = Entry(7, len(profile), profile)
    if description:
        entries[DESCRIPTION] = Entry(2, len(description) + 1, description + b"\0")
    return entries


def _copy_segments(
    source: BinaryIO, target: BinaryIO, page: Page, offset_tag: int, count_tag: int
) -> tuple[list[int], list[int]]:
    """Copy tiles or strips, each cleaned; a tile of no bytes (a sparse one) stays one."""
    offsets, lengths = page.numbers(offset_tag), page.numbers(count_tag)
    if len(offsets) != len(lengths) or not offsets:
        raise CannotRewrite
    codec = page.number(COMPRESSION, 1)
    if codec not in (_JPEG, *_J2K, *_PLAIN):
        raise CannotRewrite
    due = _plain_bytes(page) if codec == 1 else None
    new_offsets, new_lengths = [], []
    for offset, length in zip(offsets, lengths, strict=True):
        data = _read(source, offset, length) if length else b""
        if data and codec in (_JPEG, *_J2K):
            data = clean_codestream(data)
        new_offsets.append(target.tell() if data else 0)
        new_lengths.append(len(data[:due]))
        target.write(data[:due] + b"\0" * (len(data[:due]) % 2))
    return new_offsets, new_lengths


def _plain_bytes(page: Page) -> int:
    """Most bytes that an uncompressed tile or strip can have."""
    bits = sum(page.numbers(BITS)) or page.number(SAMPLES, 1)
    if page.tiled:
        return -(-page.number(TILE_WIDTH) * bits // 8) * page.number(TILE_LENGTH)
    return -(-page.size[0] * bits // 8) * min(page.number(278, page.size[1]), page.size[1])


def _write_directory(target: BinaryIO, order: str, big: bool, entries: Mapping[int, Entry], link: int) -> int:
    """Write a directory and its values at the end, point the link before it there, return where its own link
    is."""
    word, room = ("Q", 8) if big else ("I", 4)
    table = b""
    for tag, entry in sorted(entries.items()):
        value = entry.value
        if len(value) > room:
            target.write(b"\0" * (target.tell() % 2))
            place = target.tell()
            target.write(value)
            value = struct.pack(order + word, place)
        table += struct.pack(order + "HH" + word, tag, entry.kind, entry.count) + value.ljust(room, b"\0")
    target.write(b"\0" * (-target.tell() % 8))
    start = target.tell()
    target.write(struct.pack(order + ("Q" if big else "H"), len(entries)) + table)
    own = target.tell()
    target.write(bytes(room))
    target.seek(link)
    target.write(struct.pack(order + word, start))
    target.seek(0, 2)
    return own


def _read(source: BinaryIO, offset: int, length: int) -> bytes:
    source.seek(offset)
    data = source.read(length)
    if len(data) < length:
        raise DamagedStream(truncated=True)
    return data
