"""Copy the pixel data of a DICOM file frame by frame, from where its header ends (PS3.5 section 8 and annex
A.4).

Pixels stay the same bytes. What hides between and behind them does not come along: comments in compressed
frames, item padding, bytes behind the last pixel, elements behind the pixel data. Memory holds one frame.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from io import BufferedRandom, BufferedReader
from typing import BinaryIO, NamedTuple

from jobs.dicom.codestream import DamagedStream, clean_codestream, is_codestream
from jobs.dicom.dictionary import RLE
from jobs.dicom.rle import clean_rle

PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS = 0x7FE00010, 0x7FE00008, 0x7FE00009
_ITEM, _DELIMITER = 0xFFFEE000, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_CHUNK = 1 << 20
IMAGE_CODECS = frozenset(
    [f"1.2.840.10008.1.2.4.{n}" for n in (*range(50, 71), 80, 81, 90, 91, 92, 93, 110, 111, 112, 201, 202, 203)]
)


class Copied(Enum):
    """How much pixel data there was to copy."""

    NOTHING = "nothing"
    PART = "part"
    ALL = "all"


class CannotCopy(ValueError):
    """The encapsulation or codec is none that can be cleaned."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the header says of the pixel data."""

    transfer_syntax: str
    implicit: bool
    little_endian: bool
    frames: int
    native_bytes: int | None
    """Length of uncompressed pixel data as rows, columns and bits give it; None where they are not stated."""
    plane: int | None
    """Bytes of a frame for each byte of each sample, one bit a pixel packed; None where size or bits are not stated."""
    offset_table: bool
    """Whether the header has an extended offset table, (7FE0,0001) and (7FE0,0002)."""

    @property
    def order(self) -> str:
        """Byte order as `struct` names it."""
        return "<" if self.little_endian else ">"


class _Fragment(NamedTuple):
    offset: int
    length: int


def copy_pixel_data(source: BinaryIO, target: BinaryIO, layout: Layout, *, whole: bool = True) -> Copied:
    """Copy from `source`, which stands at the pixel data element, to `target`, which stands behind the
    header.

    `target` must be seekable. Native pixel data that ends early may pass unless `whole`; its length stays what it
    was said to be. Raises `DamagedStream` where the data ends early or contradicts its codec, and `CannotCopy` for
    codecs that cannot be cleaned, such as video.
    """
    start = source.tell()
    head = source.read(12)
    if len(head) < 8:
        return Copied.NOTHING
    group, number = struct.unpack_from(layout.order + "HH", head)
    tag = group << 16 | number
    if tag not in (PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS):
        return Copied.NOTHING
    short = layout.implicit or head[4:6] not in (b"OB", b"OW", b"OF", b"OD", b"UN")
    vr = b"OW" if short else head[4:6]
    (length,) = struct.unpack_from(layout.order + "I", head, 4 if short else 8)
    source.seek(start + (8 if short else 12))
    if length != _UNDEFINED and layout.transfer_syntax in IMAGE_CODECS:
        raise DamagedStream
    if length == _UNDEFINED:
        _copy_frames(source, target, layout)
        return Copied.ALL
    return _copy_native(source, target, layout, tag, vr, length, whole)


def _copy_native(
    source: BinaryIO, target: BinaryIO, layout: Layout, tag: int, vr: bytes, length: int, whole: bool
) -> Copied:
    due = length if layout.native_bytes is None else min(length, layout.native_bytes)
    if not layout.little_endian:
        due += due % 2  # bytes of a word are swapped, so that the last pixel lies behind the padding
    _write_head(target, layout, tag, vr, due + due % 2)
    left = due - _sent(source, target, due)
    while left:
        chunk = source.read(min(left, _CHUNK))
        if not chunk and not whole:
            return Copied.PART
        if not chunk:
            raise DamagedStream(truncated=True)
        target.write(chunk)
        left -= len(chunk)
    target.write(b"\0" * (due % 2))
    source.seek(length - due - 1, 1) if length > due else None
    if length > due and not source.read(1) and whole:
        raise DamagedStream(truncated=True)
    return Copied.ALL


def _sent(source: BinaryIO, target: BinaryIO, size: int) -> int:
    """Let the system copy bytes between two of its files, at the speed of memory; how many it did."""
    if not (isinstance(source, BufferedReader) and isinstance(target, BufferedRandom)):
        return 0
    start, place, sent = source.tell(), target.tell(), 0
    target.flush()
    try:
        while sent < size and (more := os.sendfile(target.fileno(), source.fileno(), start + sent, size - sent)):
            sent += more
    except (OSError, AttributeError):  # it cannot between these two, or at all; what else is wrong will show again
        pass
    source.seek(start + sent)
    target.seek(place + sent)
    return sent


def _write_head(target: BinaryIO, layout: Layout, tag: int, vr: bytes, length: int) -> None:
    target.write(struct.pack(layout.order + "HH", tag >> 16, tag & 0xFFFF))
    target.write(struct.pack(layout.order + "I", length) if layout.implicit else
                 vr + b"\0\0" + struct.pack(layout.order + "I", length))  # fmt: skip


def _copy_frames(source: BinaryIO, target: BinaryIO, layout: Layout) -> None:
    if layout.transfer_syntax not in IMAGE_CODECS and layout.transfer_syntax != RLE:
        raise CannotCopy
    fragments = list(_fragments(source, layout.order))
    if not fragments:
        raise DamagedStream
    table, frames = fragments[0], _frames(source, fragments[1:], layout)
    total = sum(fragment.length + 8 for fragment in fragments)
    with_table = table.length > 0 and total < _UNDEFINED
    if layout.offset_table:
        extended = _write_extended_placeholder(target, layout, len(frames))
    _write_head(target, layout, PIXEL_DATA, b"OB", _UNDEFINED)
    place = target.tell() + 8
    target.write(_item(layout, 4 * len(frames) if with_table else 0) + bytes(4 * len(frames) if with_table else 0))
    offsets, lengths = _write_frames(source, target, layout, frames)
    target.write(struct.pack(layout.order + "HHI", _DELIMITER >> 16, _DELIMITER & 0xFFFF, 0))
    end = target.tell()
    if with_table:
        target.seek(place)
        target.write(struct.pack(f"{layout.order}{len(offsets)}I", *offsets))
    if layout.offset_table:
        for position, numbers in zip(extended, (offsets, lengths), strict=True):
            target.seek(position)
            target.write(struct.pack(f"{layout.order}{len(numbers)}Q", *numbers))
    target.seek(end)


def _write_frames(
    source: BinaryIO, target: BinaryIO, layout: Layout, frames: Sequence[Sequence[_Fragment]]
) -> tuple[list[int], list[int]]:
    """Write each frame as one item; return the offset of its item behind the offset table, and its length."""
    offsets, lengths = [], []
    first = target.tell()
    for frame in frames:
        data = b"".join(_read(source, fragment) for fragment in frame)
        data = clean_rle(data, layout.plane) if layout.transfer_syntax == RLE else clean_codestream(data)
        offsets.append(target.tell() - first)
        lengths.append(len(data))
        target.write(_item(layout, len(data) + len(data) % 2) + data + b"\0" * (len(data) % 2))
    return offsets, lengths


def _write_extended_placeholder(target: BinaryIO, layout: Layout, frames: int) -> tuple[int, int]:
    places = []
    for tag in (0x7FE00001, 0x7FE00002):
        _write_head(target, layout, tag, b"OV", 8 * frames)
        places.append(target.tell())
        target.write(bytes(8 * frames))
    return places[0], places[1]


def _item(layout: Layout, length: int) -> bytes:
    return struct.pack(layout.order + "HHI", _ITEM >> 16, _ITEM & 0xFFFF, length)


def _fragments(source: BinaryIO, order: str) -> Iterator[_Fragment]:
    """Yield the items of encapsulated pixel data, the offset table first; raises where no delimiter ends
    them."""
    while True:
        head = source.read(8)
        if len(head) < 8:
            raise DamagedStream(truncated=True)
        group, number, length = struct.unpack(order + "HHI", head)
        tag = group << 16 | number
        if tag == _DELIMITER:
            return
        if tag != _ITEM or length == _UNDEFINED:
            raise DamagedStream
        yield _Fragment(source.tell(), length)
        source.seek(length, 1)


def _frames(source: BinaryIO, fragments: list[_Fragment], layout: Layout) -> list[list[_Fragment]]:
    """Group fragments into frames: a frame begins where a compressed image begins."""
    if layout.frames == 1:
        return [fragments]
    if len(fragments) == layout.frames or layout.transfer_syntax == RLE:
        return [[fragment] for fragment in fragments]
    frames: list[list[_Fragment]] = []
    for fragment in fragments:
        if is_codestream(_read(source, fragment._replace(length=min(12, fragment.length)))) or not frames:
            frames.append([])
        frames[-1].append(fragment)
    return frames


def _read(source: BinaryIO, fragment: _Fragment) -> bytes:
    source.seek(fragment.offset)
    data = source.read(fragment.length)
    if len(data) < fragment.length:
        raise DamagedStream(truncated=True)
    return data
