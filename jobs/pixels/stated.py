"""The size that a compressed picture states in its own header: it is looked at before a decoder makes room for it."""

from __future__ import annotations

import struct

from jobs.errors import BadInput
from jobs.pixels import jpeg
from jobs.pixels.reader import PIXELS_MOST
from schemas.reasons import Reason

_J2K = b"\xff\x4f\xff\x51"
_JXL, _JXL_BOXES = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_SAMPLES_MOST = 4
"""Of a pixel; JPEG 2000 could state 16,384."""
_SIDE_BITS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height by the number that a JPEG XL states (ISO/IEC 18181-1, size header)."""


def check_size(data: bytes, width: int, height: int, spare: int = 0) -> None:
    """Refuse a picture that is larger than its place.

    Args:
        data: a whole stream of JPEG, JPEG-LS, JPEG 2000, JPEG XL, WebP or PNG.
        width: of the place, in pixels.
        height: of the place, in pixels.
        spare: by how much each side may be larger.

    Raises:
        BadInput: TOO_LARGE; UNREADABLE where no size can be read.
    """
    try:
        stated = stated_size(data)
    except (struct.error, IndexError):
        raise BadInput(Reason.UNREADABLE) from None
    if stated[0] > width + spare or stated[1] > height + spare or stated[0] * stated[1] > PIXELS_MOST:
        raise BadInput(Reason.TOO_LARGE)


def stated_size(data: bytes) -> tuple[int, int]:
    """Width and height that a stream states.

    Raises:
        BadInput: UNREADABLE for what is none of these formats or states too many samples, and as `jpeg.header`.
        IndexError, struct.error: the header is cut off.
    """
    if data.startswith(_JXL):
        return _jpeg_xl(data[2:16])
    if data.startswith(_JXL_BOXES):
        return _jpeg_xl(_codestream(data))
    if data.startswith(_JPEG):
        found = jpeg.header(data, any_bits=True)
        return found.width, found.height
    if data.startswith(_PNG):
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return _jpeg_2000(data)


def _jpeg_2000(data: bytes) -> tuple[int, int]:
    """SIZ marker segment (ISO/IEC 15444-1 A.5.1); it is the first of a codestream, alone or in its boxes."""
    place = data.find(_J2K)
    if place < 0:
        raise BadInput(Reason.UNREADABLE)
    right, bottom, left, top = struct.unpack_from(">4I", data, place + 8)
    (samples,) = struct.unpack_from(">H", data, place + 40)
    if samples > _SAMPLES_MOST or right <= left or bottom <= top:
        raise BadInput(Reason.UNREADABLE)
    return right - left, bottom - top


def _webp(data: bytes) -> tuple[int, int]:
    """Canvas, lossless or lossy header of a WebP (RFC 9649)."""
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise BadInput(Reason.UNREADABLE)


def _codestream(data: bytes) -> bytes:
    """The start of the codestream in JPEG XL's boxes (ISO/IEC 18181-2): whole, or the first of its parts."""
    place = len(_JXL_BOXES)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind in (b"jxlc", b"jxlp"):
            start = place + (16 if length == 1 else 8) + (4 if kind == b"jxlp" else 0)
            if data[start : start + 2] == _JXL:
                return data[start + 2 : start + 16]
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, place + 8)
        if length < 8:
            break
        place += length
    raise BadInput(Reason.UNREADABLE)


def _jpeg_xl(header: bytes) -> tuple[int, int]:
    """Size header: bits from the lowest on; both sides in eights, or each of its own length."""
    bits = _Bits(header)
    eights = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if eights else 1 + bits.take(_SIDE_BITS[bits.take(2)])

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


class _Bits:
    """Takes numbers out of bytes, the lowest bits first."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        found = self._bits & (1 << count) - 1
        self._bits >>= count
        self._left -= count
        if self._left < 0:
            raise IndexError("the header is cut off")
        return found
