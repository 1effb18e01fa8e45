"""Read the directories of a TIFF file (TIFF 6.0; BigTIFF with magic 43; sub-directories, tag 330).

Values are read when they are asked for, so what is not asked for costs nothing and is never held. Hamamatsu's
files of 4 GiB and more are classic TIFF whose pointers have 64 bits; the high words of its offsets follow each
directory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from jobs.dicom.codestream import DamagedStream

SUBFILE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
DESCRIPTION, MAKE, MODEL, STRIP_OFFSETS, SAMPLES, ROWS, STRIP_COUNTS = 270, 271, 272, 273, 277, 278, 279
PLANAR, PAGE_NAME, SOFTWARE, DATE_TIME = 284, 285, 305, 306
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
SUB_IFDS, JPEG_TABLES, ICC, XMP = 330, 347, 34675, 700
NDPI_FLAG, NDPI_LENS, NDPI_PLANE, NDPI_STARTS, NDPI_STARTS_HIGH = 65420, 65421, 65424, 65426, 65432

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value by TIFF type."""
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
_PLACES = frozenset({TILE_OFFSETS, TILE_COUNTS, STRIP_OFFSETS, STRIP_COUNTS})
_MOST_PAGES = 4096
_MOST_ENTRIES = 4096
_LONGEST_TEXT = 1 << 26
_FOUR_GIB = 1 << 32


class CannotRewrite(ValueError):
    """The file uses a structure or codec that is not rewritten."""


@dataclass(frozen=True)
class Entry:
    """One tag of a directory: TIFF type, count, and where its value lies."""

    kind: int
    count: int
    offset: int
    high: int = 0
    """High word of a single LONG, in Hamamatsu's large files."""

    @property
    def length(self) -> int:
        """Bytes of the value; 0 for types that TIFF does not know."""
        return SIZES.get(self.kind, 0) * self.count


@dataclass
class Page:
    """One image file directory of a file."""

    source: BinaryIO
    order: str
    place: int
    """Where the directory lies in the file."""
    entries: dict[int, Entry]
    subs: list[Page] = field(default_factory=list)
    _known: dict[int, NDArray[Any]] = field(default_factory=dict, repr=False)

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag's value, in the file's order; none where the tag is absent."""
        entry = self.entries.get(tag)
        return read_exactly(self.source, entry.offset, entry.length) if entry else b""

    def numbers(self, tag: int) -> NDArray[Any]:
        """The integers of a tag, none where it is absent or of another type."""
        if tag not in self._known:
            entry = self.entries.get(tag)
            kind = _INTEGERS.get(entry.kind) if entry else None
            self._known[tag] = np.frombuffer(self.raw(tag) if kind else b"", f"{self.order}{kind or 'u1'}")
            if entry is not None and entry.high:
                self._known[tag] = self._known[tag].astype(np.int64) + (entry.high << 32)
        return self._known[tag]

    def number(self, tag: int, otherwise: int = 0) -> int:
        """The first integer of a tag."""
        found = self.numbers(tag)
        return int(found[0]) if found.size else otherwise

    def real(self, tag: int) -> float | None:
        """The first number of a FLOAT or DOUBLE tag."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in (11, 12) or not entry.count:
            return None
        return float(np.frombuffer(self.raw(tag), f"{self.order}f{SIZES[entry.kind]}")[0])

    def text(self, tag: int) -> str:
        """A text tag; empty where it is absent or longer than any text is."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in (1, 2, 7) or entry.length > _LONGEST_TEXT:
            return ""
        return self.raw(tag).decode("utf-8", "replace").strip("\0 \r\n")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.number(WIDTH), self.number(LENGTH)

    @property
    def tiled(self) -> bool:
        """Whether the image is stored in tiles."""
        return TILE_OFFSETS in self.entries

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height of a tile; a strip is a tile as wide as the image."""
        if self.tiled:
            return self.number(TILE_WIDTH), self.number(TILE_LENGTH)
        width, height = self.size
        return width, min(self.number(ROWS, height), height)

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles across and down."""
        (width, height), (across, down) = self.size, self.tile
        if min(width, height, across, down) <= 0:
            raise CannotRewrite
        return -(-width // across), -(-height // down)


@dataclass(frozen=True)
class Tiff:
    """A TIFF file's byte order, kind, size in bytes, and directories in file order."""

    order: str
    big: bool
    size: int
    pages: list[Page]

    @property
    def ndpi(self) -> bool:
        """Whether it is of Hamamatsu's format."""
        return bool(self.pages) and NDPI_FLAG in self.pages[0].entries and self.order == "<" and not self.big

    def all_pages(self) -> Iterator[Page]:
        """Every page, each before its sub-pages."""
        for page in self.pages:
            yield page
            yield from page.subs


def read_tiff(source: BinaryIO) -> Tiff:
    """Read all directories; raises `DamagedStream`."""
    size = source.seek(0, 2)
    source.seek(0)
    head = source.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise DamagedStream(truncated=order is not None)
    magic = struct.unpack_from(order + "H", head, 2)[0]
    if magic not in (42, 43) or (magic == 43 and struct.unpack_from(order + "HH", head, 4) != (8, 0)):
        raise DamagedStream
    reader = _Reader(source, order, magic == 43, size)
    start = struct.unpack_from(order + reader.pointer, head, 8 if reader.big else 4)[0]
    pages = reader.chain(start)
    for page in pages:
        for place in page.numbers(SUB_IFDS)[:_MOST_PAGES].tolist():
            if place and place not in reader.seen:
                page.subs.append(reader.directory(place)[0])
    if not pages:
        raise DamagedStream
    return Tiff(order, reader.big, size, pages)


class _Reader:
    """Reads directories of one file, each once."""

    def __init__(self, source: BinaryIO, order: str, big: bool, size: int) -> None:
        self.source, self.order, self.big, self.size = source, order, big, size
        self.wide = not big and order == "<" and size >= _FOUR_GIB
        """Whether pointers of a classic file have 64 bits, as Hamamatsu writes them."""
        self.pointer = "Q" if big or self.wide else "I"
        self.seen: set[int] = set()

    def chain(self, place: int) -> list[Page]:
        """The directories of a chain; one that was seen before ends it."""
        pages = []
        while place and place not in self.seen:
            page, place = self.directory(place)
            pages.append(page)
        return pages

    def directory(self, place: int) -> tuple[Page, int]:
        """Read one directory, and where the next one lies."""
        self.seen.add(place)
        if len(self.seen) > _MOST_PAGES:
            raise DamagedStream
        word, count_format, width = ("Q", "Q", 20) if self.big else ("I", "H", 12)
        start = place + struct.calcsize(self.order + count_format)
        (count,) = struct.unpack(self.order + count_format, self.read(place, start - place))
        if count > _MOST_ENTRIES:
            raise DamagedStream
        tail = struct.calcsize(self.order + self.pointer)
        table = self.read(start, count * width + tail)
        high = self.high_words(start + len(table), count)
        entries: dict[int, Entry] = {}
        for index in range(count):
            tag, kind, number = struct.unpack_from(self.order + "HH" + word, table, index * width)
            inline = index * width + width - struct.calcsize(word)
            offset, extra = start + inline, high[index]
            if SIZES.get(kind, 0) * number > struct.calcsize(word):
                (offset,) = struct.unpack_from(self.order + word, table, inline)
                offset, extra = offset + (extra << 32), 0
                if offset + SIZES[kind] * number > self.size:
                    if tag in _PLACES:
                        raise DamagedStream(truncated=True)
                    kind = number = offset = 0  # a value outside of the file is none, and fails only where it is needed
            entries.setdefault(tag, Entry(kind, number, offset, extra if kind == 4 else 0))
        (following,) = struct.unpack_from(self.order + self.pointer, table, count * width)
        return Page(self.source, self.order, place, entries), following

    def high_words(self, place: int, count: int) -> tuple[int, ...]:
        """High words of the offsets of a directory, zeros but in Hamamatsu's large files."""
        if not self.wide:
            return (0,) * count
        return struct.unpack(f"<{count}I", self.read(place, 4 * count))

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the file; raises `DamagedStream` where it ends earlier."""
        if offset + length > self.size:
            raise DamagedStream(truncated=True)
        return read_exactly(self.source, offset, length)


def read_exactly(source: BinaryIO, offset: int, length: int) -> bytes:
    """Bytes of a file; raises `DamagedStream` where it ends earlier."""
    source.seek(offset)
    data = source.read(length)
    if len(data) < length:
        raise DamagedStream(truncated=True)
    return data
