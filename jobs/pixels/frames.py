"""Where the frames of a DICOM file's pixel data lie, and their bytes (PS3.5 section 8 and annex A.4)."""

from __future__ import annotations

import struct
from typing import BinaryIO, Protocol

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import parse_basic_offsets, parse_fragments
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from jobs.errors import BadInput
from jobs.pixels.source import length, read_at
from schemas.reasons import Reason

_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_ITEM = b"\xfe\xff\x00\xe0"
_STREAM_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
"""First bytes of JPEG and JPEG-LS, of a JPEG 2000 codestream, and of JPEG XL, bare and in a container."""


class Frames(Protocol):
    """The frames of one file."""

    def read(self, number: int) -> bytes:
        """The bytes of a frame, counted from 0; raises BadInput TRUNCATED or UNREADABLE."""


def locate(file: BinaryIO, dataset: Dataset, count: int, frame_bytes: int) -> Frames:
    """Index the frames of a file that stands at its pixel data.

    Args:
        file: stands at the tag (7FE0,0010), as `dcmread(stop_before_pixels=True)` leaves it.
        dataset: everything before it.
        count: how many frames there shall be.
        frame_bytes: length of a frame that is not compressed.

    Raises:
        BadInput: TRUNCATED, where the last frame is not there whole; UNREADABLE.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    native = syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    start = file.tell()
    head = file.read(12)
    if len(head) < 12:
        raise BadInput(Reason.TRUNCATED)
    if head[:4] != _PIXEL_DATA:
        raise BadInput(Reason.UNREADABLE)
    if native:
        return NativeFrames(file, start + (8 if syntax == ImplicitVRLittleEndian else 12), count, frame_bytes)
    file.seek(start + 12)
    try:
        return EncapsulatedFrames(file, _starts(file, dataset, count))
    except (struct.error, ValueError):
        cut = file.tell() >= length(file)
        raise BadInput(Reason.TRUNCATED if cut else Reason.UNREADABLE) from None


class NativeFrames:
    """Frames of equal length, one behind the other."""

    def __init__(self, file: BinaryIO, start: int, count: int, frame_bytes: int) -> None:
        if start + count * frame_bytes > length(file):
            raise BadInput(Reason.TRUNCATED)
        self._file, self._start, self._bytes = file, start, frame_bytes

    def read(self, number: int) -> bytes:
        """The bytes of a frame."""
        return read_at(self._file, self._start + number * self._bytes, self._bytes)


class EncapsulatedFrames:
    """Compressed frames, each in one fragment or more."""

    def __init__(self, file: BinaryIO, starts: list[int]) -> None:
        self._file, self._starts, self._length = file, starts, length(file)
        if starts[-1] > self._length:
            raise BadInput(Reason.TRUNCATED)
        self.read(len(starts) - 1)

    def read(self, number: int) -> bytes:
        """The bytes of a frame; its fragments end where the next frame starts, or the sequence does."""
        place = self._starts[number]
        if number + 1 == len(self._starts):
            return self._last(place)
        data = read_at(self._file, place, self._starts[number + 1] - place)
        # Nearly always one fragment: the whole range is read at once.
        if data[:4] == _ITEM and int.from_bytes(data[4:8], "little") == len(data) - 8:
            return data[8:]
        return _joined(data)

    def _last(self, place: int) -> bytes:
        fragments = []
        while (head := read_at(self._file, place, 8))[:4] == _ITEM:
            (size,) = struct.unpack("<I", head[4:])
            if place + 8 + size > self._length:
                raise BadInput(Reason.TRUNCATED)
            fragments.append(read_at(self._file, place + 8, size))
            place += 8 + size
        if not fragments:
            raise BadInput(Reason.UNREADABLE)
        return b"".join(fragments)


def _joined(data: bytes) -> bytes:
    """The contents of items that lie one behind the other."""
    place, fragments = 0, []
    while place + 8 <= len(data) and data[place : place + 4] == _ITEM:
        (size,) = struct.unpack_from("<I", data, place + 4)
        fragments.append(data[place + 8 : place + 8 + size])
        place += 8 + size
    if place != len(data) or not fragments:
        raise BadInput(Reason.UNREADABLE)
    return b"".join(fragments)


def _starts(file: BinaryIO, dataset: Dataset, count: int) -> list[int]:
    """Place of each frame's first item: by the extended or the basic table, or a walk over all items."""
    basic = parse_basic_offsets(file)
    first = file.tell()
    extended = dataset.get("ExtendedOffsetTable")
    offsets = np.frombuffer(extended, dtype="<u8").tolist() if extended else basic
    # A basic table has 32 bits, which files of more than 4 GiB overflow.
    if len(offsets) >= count and offsets == sorted(set(offsets)):
        return [first + offset for offset in offsets]
    return _walk(file, count)


def _walk(file: BinaryIO, count: int) -> list[int]:
    """Find the frames without a table: one fragment each, or a new frame wherever a stream begins."""
    items: list[int] = parse_fragments(file)[1]
    if len(items) > count:
        items = items[:1] if count == 1 else [item for item in items if _begins_stream(file, item)]
    if len(items) < count:
        raise BadInput(Reason.TRUNCATED)
    return items


def _begins_stream(file: BinaryIO, item: int) -> bool:
    return read_at(file, item + 8, 4).startswith(_STREAM_STARTS)
