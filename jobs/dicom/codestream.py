"""Take out of compressed images what is no image: comments, application segments, boxes, bytes after the end.

JPEG (ITU-T T.81), JPEG-LS (T.87), JPEG 2000 (T.800) with its boxes, JPEG XL boxes (ISO 18181-2). Nothing is
decoded, and what the decoder reads stays as it is: APP14 (Adobe's colour transform), the density fields of
JFIF, the colour transform of JPEG-LS.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from jobs.dicom.icc import clean_profile

SOI, EOI, SOS, COM, DNL = 0xD8, 0xD9, 0xDA, 0xFE, 0xDC
APP0, APP1, APP2, APP8, APP14 = 0xE0, 0xE1, 0xE2, 0xE8, 0xEE
_AFTER_SCAN = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
"""A marker that ends entropy-coded data: not a stuffed byte (JPEG: 00, JPEG-LS: 00 to 7F), not a restart."""
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xDE, 0xDF, 0xF8, DNL, SOS})
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"
_JXL = b"\0\0\0\x0cJXL \r\n\x87\n"
_BOXES = frozenset({b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"JXL ", b"jxll", b"jxlc", b"jxlp"})
_HEADER_BOXES = frozenset({b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef", b"res "})


class DamagedStream(ValueError):
    """The compressed image does not follow its own syntax, or ends early (`truncated`)."""

    def __init__(self, truncated: bool = False) -> None:
        super().__init__("the compressed image is damaged")
        self.truncated = truncated


class Segment(NamedTuple):
    """A marker segment: `data[start:end]` is all of it, entropy-coded data included."""

    marker: int
    start: int
    payload: int
    end: int


def is_codestream(data: bytes) -> bool:
    """Whether bytes begin as one of the compressed images that `clean_codestream` knows."""
    return data[:2] in (b"\xff\xd8", b"\xff\x4f", b"\xff\x0a") or data[:12] in (_JP2, _JXL)


def clean_codestream(data: bytes) -> bytes:
    """Return a compressed image without anything but the image; raises `DamagedStream`."""
    try:
        if data[:2] == b"\xff\xd8":
            return clean_jpeg(data)
        if data[:2] == b"\xff\x4f":
            return _clean_j2k(data)
        if data[:2] == b"\xff\x0a":
            return data
        if data[:12] in (_JP2, _JXL):
            return b"".join(_clean_boxes(data, _BOXES))
    except (struct.error, IndexError):
        raise DamagedStream(truncated=True) from None
    raise DamagedStream


def jpeg_segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of a JPEG or JPEG-LS stream after SOI, up to EOI or the end of the bytes."""
    position = 2
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            return
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker == EOI:
            yield Segment(marker, position, position + 2, position + 2)
            return
        elif marker in (0, 1, SOI) or 0xD0 <= marker <= 0xD7:
            position += 2
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            end = position + 2 + length
            if length < 2 or end > len(data):
                raise DamagedStream(truncated=end > len(data))
            if marker == SOS:
                found = _AFTER_SCAN.search(data, end)
                end = found.start() if found else len(data)
            yield Segment(marker, position, position + 4, end)
            position = end


def clean_jpeg(data: bytes, *, first: bytes = b"", whole: bool = False) -> bytes:
    """Return a JPEG or JPEG-LS stream with its image only.

    `first` is put behind SOI. A missing end marker is added, or is damage when `whole` is asked for, as is a
    stream without a scan.
    """
    if data[:2] != b"\xff\xd8":
        raise DamagedStream
    kept = [b"\xff\xd8", first]
    ended = scanned = False
    for segment in jpeg_segments(data):
        kept.append(_keep(data, segment))
        ended |= segment.marker == EOI
        scanned |= segment.marker == SOS
    if whole and not (ended and scanned):
        raise DamagedStream(truncated=True)
    if not ended:
        kept.append(b"\xff\xd9")
    return b"".join(kept)


def _keep(data: bytes, segment: Segment) -> bytes:
    """The part of a segment that the decoder needs."""
    marker, start, payload, end = segment
    if marker in _TABLES or marker in _FRAMES or marker == EOI:
        return data[start:end]
    if marker == APP0 and data[payload : payload + 5] == b"JFIF\0" and end - payload >= 14:
        return b"\xff\xe0\x00\x10" + data[payload : payload + 12] + b"\0\0"
    if marker == APP14 and data[payload : payload + 5] == b"Adobe" and end - payload >= 12:
        return b"\xff\xee\x00\x0e" + data[payload : payload + 7] + bytes(4) + data[payload + 11 : payload + 12]
    if marker == APP8 and data[payload : payload + 4] == b"mrfx" and end - payload == 5:
        return data[start:end]
    return b""


def _clean_j2k(data: bytes) -> bytes:
    """Drop the comments of a JPEG 2000 codestream; those in tile parts, whose length is stated, are
    blanked."""
    kept = [b"\xff\x4f"]
    position = 2
    while data[position : position + 2] != b"\xff\x90":
        marker, length = struct.unpack_from(">HH", data, position)
        if marker < 0xFF00 or length < 2:
            raise DamagedStream
        end = position + 2 + length
        if marker != 0xFF64:
            kept.append(data[position:end])
        position = end
    while data[position : position + 2] == b"\xff\x90":
        (size,) = struct.unpack_from(">I", data, position + 6)
        end = position + size if size else _end_of_last_tile(data)
        if end > len(data):
            raise DamagedStream(truncated=True)
        kept.append(_blank_comments(data[position:end]))
        position = end
    return b"".join(kept) + b"\xff\xd9"


def _end_of_last_tile(data: bytes) -> int:
    end = data.rfind(b"\xff\xd9")
    return end if end > 0 else len(data)


def _blank_comments(part: bytes) -> bytes:
    changed = bytearray(part)
    position = 12
    while part[position : position + 2] != b"\xff\x93":
        marker, length = struct.unpack_from(">HH", part, position)
        if marker < 0xFF00 or length < 2:
            raise DamagedStream
        if marker == 0xFF64:
            changed[position + 4 : position + 2 + length] = bytes(length - 2)
        position += 2 + length
    return bytes(changed)


def _clean_boxes(data: bytes, allowed: frozenset[bytes]) -> Iterator[bytes]:
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, position + 8)
            header = 16
        end = position + size if size else len(data)
        if (size and size < header) or end > len(data):
            raise DamagedStream(truncated=end > len(data))
        if kind in allowed:
            content = _clean_box(kind, data[position + header : end])
            if content is not None:
                yield struct.pack(">I4s", len(content) + 8, kind) + content
        position = end


def _clean_box(kind: bytes, content: bytes) -> bytes | None:
    if kind == b"jp2c":
        return _clean_j2k(content)
    if kind == b"jp2h":
        return b"".join(_clean_boxes(content, _HEADER_BOXES))
    if kind == b"colr":
        if content[:1] == b"\x01":
            return content[:7]
        profile = clean_profile(content[3:])
        return content[:3] + profile if profile else None
    return content
