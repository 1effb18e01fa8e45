"""Write chosen pages of a TIFF anew: values first, then their directory, so that no gap holds anything.

Of a page pass the tags that are given, and its tiles or strips as `Segments` cleans them. Directories of
Hamamatsu's files are followed by the high words of their offsets, so that they may be larger than 4 GiB.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from jobs.deidentify.tiff import (
    BITS,
    NDPI_STARTS,
    NDPI_STARTS_HIGH,
    PLANAR,
    SAMPLES,
    STRIP_COUNTS,
    STRIP_OFFSETS,
    SUB_IFDS,
    TILE_COUNTS,
    TILE_OFFSETS,
    CannotRewrite,
    Page,
    Tiff,
)
from jobs.deidentify.tiff_pixels import mcu_starts
from jobs.deidentify.tiff_segments import Segments
from jobs.deidentify.tiff_tags import Value
from jobs.dicom.codestream import DamagedStream

_FOUR_GIB = 1 << 32


@dataclass
class Kept:
    """A page that is written, with its clean tags and the sub-pages below it."""

    page: Page
    path: str
    tags: dict[int, Value] = field(default_factory=dict)
    subs: list[Kept] = field(default_factory=list)


def write_tiff(source: BinaryIO, target: BinaryIO, tiff: Tiff, pages: Sequence[Kept]) -> None:
    """Write pages to the seekable `target`.

    Raises `CannotRewrite` for codecs whose stream cannot be cleaned, `DamagedStream` for tiles that end
    early or lie over one another.
    """
    writer = _Writer(source, target, tiff)
    link = writer.header()
    for page in pages:
        place, following = writer.page(page)
        writer.point(link, place)
        link = following


class _Writer:
    """Appends pages to a file of the byte order and kind of the original."""

    def __init__(self, source: BinaryIO, target: BinaryIO, tiff: Tiff) -> None:
        self.source, self.target, self.tiff, self.order = source, target, tiff, tiff.order
        self.wide = tiff.ndpi
        self.word, self.kind, self.room = ("Q", 16, 8) if tiff.big else ("I", 4, 4)
        self.pointer = "Q" if tiff.big or self.wide else "I"
        self.left = tiff.size
        """Bytes that segments may still take of the original: each is read once."""

    def header(self) -> int:
        """Write the header; returns where the pointer to the first directory is."""
        magic = b"II" if self.order == "<" else b"MM"
        rest = struct.pack(self.order + "HHHQ", 43, 8, 0, 0) if self.tiff.big else struct.pack(self.order + "HI", 42, 0)
        self.target.write(magic + rest + bytes(8 if self.wide else 0))
        return 8 if self.tiff.big else 4

    def point(self, link: int, place: int) -> None:
        """Write where a directory is."""
        self.target.seek(link)
        self.target.write(struct.pack(self.order + self.pointer, place))
        self.target.seek(0, 2)

    def page(self, kept: Kept) -> tuple[int, int]:
        """Write a page below its sub-pages; returns where its directory and its pointer to the next one are."""
        tags = dict(kept.tags)
        offset_tag, count_tag = (TILE_OFFSETS, TILE_COUNTS) if kept.page.tiled else (STRIP_OFFSETS, STRIP_COUNTS)
        offsets, counts, grown = self._segments(kept.page, offset_tag, count_tag)
        tags[offset_tag], tags[count_tag] = self._words(offsets), self._words(counts)
        if self.wide:
            tags |= self._starts(kept.page, grown, int(counts[0]))
        if kept.subs:
            places = [self.page(sub)[0] for sub in kept.subs]
            tags[SUB_IFDS] = self._words(np.array(places, np.uint64))
        return self._directory(tags)

    def _words(self, numbers: NDArray[Any]) -> Value:
        if not (self.tiff.big or self.wide) and numbers.size and int(numbers.max()) >= _FOUR_GIB:
            raise CannotRewrite
        width = 8 if self.tiff.big or (self.wide and numbers.size == 1) else 4
        return self.kind, numbers.size, numbers.astype(f"{self.order}u{width}").tobytes()

    def _segments(self, page: Page, offset_tag: int, count_tag: int) -> tuple[NDArray[Any], NDArray[Any], int]:
        """Copy tiles or strips, those that share bytes once; one of no bytes (a sparse tile) stays one.

        Returns where they are, how long they are, and by how much the first became longer.
        """
        offsets, counts = page.numbers(offset_tag), page.numbers(count_tag)
        due = _segments_due(page)
        if offsets.size < due or counts.size < due:
            raise DamagedStream(truncated=True)
        offsets, counts = offsets[:due].astype(np.uint64), counts[:due].astype(np.uint64)
        segments = Segments(self.source, self.target, page)
        filled = np.flatnonzero(counts)
        _, first, again = np.unique(
            np.stack([offsets[filled], counts[filled]]), axis=1, return_index=True, return_inverse=True
        )
        again = again.reshape(-1)
        self.left -= int(counts[filled[first]].sum())
        if self.left < 0:
            raise DamagedStream
        new_offsets, new_counts = np.zeros(due, np.uint64), np.zeros(due, np.uint64)
        for index in filled[np.sort(first)].tolist():
            new_offsets[index] = self.target.tell()
            new_counts[index] = length = segments.copy(int(offsets[index]), int(counts[index]))
            if length % 2:
                self.target.write(b"\0")
        origin = filled[first[again]]
        new_offsets[filled], new_counts[filled] = new_offsets[origin], new_counts[origin]
        return new_offsets, new_counts, int(new_counts[0]) - int(counts[0])

    def _starts(self, page: Page, grown: int, length: int) -> dict[int, Value]:
        """MCU starts of Hamamatsu's strips: only headers change their length, so all move by as much."""
        starts = mcu_starts(page)
        if starts is None or starts[0] + grown <= 0:
            return {}
        starts = starts + grown
        if int(starts[-1]) >= length:
            return {}
        low = starts & 0xFFFFFFFF
        tags = {NDPI_STARTS: (4, starts.size, low.astype("<u4").tobytes())}
        if int(starts[-1]) >= _FOUR_GIB:
            tags[NDPI_STARTS_HIGH] = (4, starts.size, (starts >> 32).astype("<u4").tobytes())
        return tags

    def _directory(self, tags: Mapping[int, Value]) -> tuple[int, int]:
        target, table, high = self.target, b"", b""
        for tag, (kind, count, value) in sorted(tags.items()):
            extra = 0
            if self.wide and kind == 4 and count == 1 and len(value) == 8:
                value, extra = value[:4], int.from_bytes(value[4:], "little")
            elif len(value) > self.room:
                target.write(b"\0" * (target.tell() % 2))
                extra, place = divmod(target.tell(), _FOUR_GIB) if self.wide else (0, target.tell())
                target.write(value)
                value = struct.pack(self.order + self.word, place)
            table += struct.pack(self.order + "HH" + self.word, tag, kind, count) + value.ljust(self.room, b"\0")
            high += struct.pack("<I", extra)
        target.write(b"\0" * (-target.tell() % 8))
        start = target.tell()
        target.write(struct.pack(self.order + ("Q" if self.tiff.big else "H"), len(tags)) + table)
        link = target.tell()
        target.write(bytes(struct.calcsize(self.order + self.pointer)) + (high if self.wide else b""))
        return start, link


def _segments_due(page: Page) -> int:
    """How many tiles or strips the page has; more would belong to no pixel."""
    across, down = page.grid
    planes = page.number(SAMPLES, 1) if page.number(PLANAR, 1) == 2 else 1
    if not page.numbers(BITS).size and page.number(SAMPLES, 1) > 1:
        raise CannotRewrite
    return across * down * planes
