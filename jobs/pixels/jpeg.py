"""Baseline and progressive JPEG (ITU-T T.81) of 8 or 12 bits, exactly as libjpeg-turbo decodes without shortcuts.

Its fast DCT and fast upsampling change pixels by up to 62 grey levels, so neither is used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

import imagecodecs
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from jobs.errors import BadInput
from jobs.pixels.reader import PIXELS_MOST
from jobs.pixels.rgb import to_rgb
from schemas.reasons import Reason

Colour = Literal["RGB", "YCBCR", "GRAY"]
_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
"""Frame headers; the last is that of JPEG-LS (ITU-T T.87 C.1.1)."""
_LOSSLESS = 0xC3
_EOI = b"\xff\xd9"
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})


@dataclass(frozen=True, slots=True)
class Header:
    """What the markers of a JPEG say."""

    width: int
    height: int
    components: int
    bits: int
    lossless: bool
    """Process 14 (ITU-T T.81 annex H), which simplejpeg brings to no other colours."""
    evidence: Colour | None
    """Colours that APP14, JFIF or component ids state; None where all are silent."""


def header(data: bytes, *, any_bits: bool = False) -> Header:
    """Read the markers up to the frame header.

    Raises:
        BadInput: UNREADABLE, also for other depths than 8 and 12 unless `any_bits`; TOO_LARGE for a frame of more
            than `PIXELS_MOST`.
    """
    jfif, adobe, place = False, None, 2
    try:
        if data[:2] != b"\xff\xd8":
            raise BadInput(Reason.UNREADABLE)
        while True:
            if data[place] != 0xFF:
                raise BadInput(Reason.UNREADABLE)
            marker = data[place + 1]
            if marker in _STANDALONE or marker == 0xFF:
                place += 1 if marker == 0xFF else 2
                continue
            (length,) = struct.unpack_from(">H", data, place + 2)
            if marker in _SOF:
                return _frame(data, place + 4, jfif, adobe, any_bits)
            if marker == 0xE0 and data[place + 4 : place + 9] == b"JFIF\0":
                jfif = True
            elif marker == 0xEE and data[place + 4 : place + 9] == b"Adobe" and length >= 14:
                adobe = data[place + 15]
            place += 2 + length
    except (IndexError, struct.error):
        raise BadInput(Reason.UNREADABLE) from None


def _frame(data: bytes, place: int, jfif: bool, adobe: int | None, any_bits: bool) -> Header:
    """The frame header: precision, height, width, components with their ids."""
    bits, height, width, components = struct.unpack_from(">BHHB", data, place)
    if height * width > PIXELS_MOST:
        raise BadInput(Reason.TOO_LARGE)
    if not (any_bits or bits in (8, 12)) or not height * width or components not in (1, 3):
        raise BadInput(Reason.UNREADABLE)
    lossless = data[place - 3] == _LOSSLESS
    if components == 1:
        return Header(width, height, 1, bits, lossless, "GRAY")
    ids = bytes(data[place + 6 + 3 * n] for n in range(3))
    evidence: Colour | None = None
    if jfif or (adobe is not None and adobe > 0):
        evidence = "YCBCR"
    elif adobe == 0 or ids == b"RGB":
        evidence = "RGB"
    return Header(width, height, 3, bits, lossless, evidence)


def decode(
    data: bytes, colour: Colour, *, evidence_first: bool, most: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """RGB (height, width, 3) of one JPEG.

    Args:
        data: the whole stream, tables included.
        colour: what the file around it says that the components are.
        evidence_first: whether APP14, JFIF and component ids overrule `colour`. In TIFF the tag decides
            (Technical Note 2). DICOM demands that both agree (PS3.5 8.2.1); where they do not, the markers
            are right, for the encoder itself wrote them.
        most: width and height that it may have; None: any of at most `PIXELS_MOST`.

    Raises:
        BadInput: UNREADABLE for a broken stream or another kind of JPEG; TOO_LARGE.
    """
    found = header(data)
    if most is not None and (found.width > most[0] or found.height > most[1]):
        raise BadInput(Reason.TOO_LARGE)
    if colour == "GRAY" and found.components != 1:
        raise BadInput(Reason.UNREADABLE)
    space = (evidence_first and found.evidence) or colour
    # libjpeg takes three components without any evidence for YCbCr.
    by_itself = found.evidence or "YCBCR"
    try:
        if found.bits != 8 or (found.lossless and found.components == 1):
            return to_rgb(np.asarray(imagecodecs.jpeg8_decode(data)), bits=found.bits)
        if found.components == 1 or space == by_itself:
            return _rgb(data)
        return np.asarray(imagecodecs.jpeg8_decode(data, colorspace=space, outcolorspace="RGB"))
    except (ValueError, RuntimeError, imagecodecs.Jpeg8Error):
        raise BadInput(Reason.UNREADABLE) from None


def _rgb(data: bytes) -> NDArray[np.uint8]:
    """By libjpeg-turbo, strictly: what it would guess is an error, but for zeros that fill a stream up to its end."""
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False))
    except ValueError:
        filled = data.removesuffix(_EOI)
        bare = filled.rstrip(b"\0")
        if data == filled or bare == filled:
            raise
        return np.asarray(simplejpeg.decode_jpeg(bare + _EOI, "RGB", fastdct=False, fastupsample=False))


def with_tables(data: bytes, tables: bytes | None) -> bytes:
    """A stream in which the tables of an abbreviated one (TIFF tag 347) stand before its own markers."""
    if not tables or len(tables) < 4:
        return data
    return tables[:-2] + data[2:]
