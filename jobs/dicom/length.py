"""Whether a DICOM file is all there: the headers of its elements and fragments say so (PS3.5 chapter 7, annex A.4)."""

from __future__ import annotations

import struct
from typing import BinaryIO

from pydicom.dataset import Dataset

from jobs.errors import BadInput
from schemas.reasons import Reason

_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_PIXEL_TAGS = ((0x7FE0, 0x0008), (0x7FE0, 0x0009), (0x7FE0, 0x0010))


def walk(stream: BinaryIO, size: int) -> tuple[int | None, int]:
    """Walk the elements by their headers; values are skipped (PS3.5 7.1, 7.5, A.4).

    Returns:
        Length of native pixel data in bytes (None where they are encapsulated), and the number of fragments.

    Raises:
        BadInput: an element, item or sequence ends behind the file's end.
    """
    syntax, position = _read_meta(stream, size)
    if syntax == "1.2.840.10008.1.2.1.99":  # deflated: pydicom has inflated it to the end
        return 1 << 62, 0
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    explicit = syntax != "1.2.840.10008.1.2"
    length: int | None = 0
    fragments, open_parts = 0, list[tuple[str, bool]]()
    while position < size:
        tag, vr, extent, start = _element(stream, position, size, order, explicit)
        if tag == (0, 0) and not open_parts:
            break  # zeros behind the data set
        position = start
        if tag in (_ITEM_END, _SEQUENCE_END):
            if open_parts:
                explicit = open_parts.pop()[1]
        elif extent == _UNDEFINED:
            kind = "fragments" if tag in _PIXEL_TAGS else "part"
            length = None if kind == "fragments" and not open_parts else length
            open_parts.append((kind, explicit))
            explicit = explicit and vr != b"UN"  # a sequence in UN is in implicit VR (PS3.5 6.2.2, note 2)
        else:
            position += extent
            if tag in _PIXEL_TAGS and not open_parts:
                length = extent
            fragments += tag == _ITEM and bool(open_parts) and open_parts[-1][0] == "fragments"
    if position > size or open_parts:
        raise BadInput(Reason.TRUNCATED)
    return length, max(fragments - 1, 0)  # the first item is the offset table


def _read_meta(stream: BinaryIO, size: int) -> tuple[str, int]:
    """Transfer syntax, and where the data set starts."""
    position, end, syntax = 132, 0, "1.2.840.10008.1.2"
    while position + 8 <= size:
        tag, _, extent, start = _element(stream, position, size, "<", True)
        if tag[0] != 2:
            break
        if tag in ((2, 0), (2, 0x10)):
            stream.seek(start)
            value = stream.read(min(extent, 64))
        if tag == (2, 0):
            end = start + extent + int.from_bytes(value, "little")
        elif tag == (2, 0x10):
            syntax = value.decode("ascii", "replace").strip("\0 ")
        position = start + extent
    if max(position, end) > size:
        raise BadInput(Reason.TRUNCATED)
    return syntax, position


def _element(
    stream: BinaryIO, position: int, size: int, order: str, explicit: bool
) -> tuple[tuple[int, int], bytes, int, int]:
    """Tag, VR, length and start of the value of the element whose header is at `position`."""
    stream.seek(position)
    head = stream.read(12)
    if len(head) < 8:
        raise BadInput(Reason.TRUNCATED)
    tag: tuple[int, int] = struct.unpack_from(f"{order}HH", head)
    vr = head[4:6]
    if not explicit or tag[0] == 0xFFFE or not vr.isalpha():
        return tag, b"", struct.unpack_from(f"{order}I", head, 4)[0], position + 8
    if vr not in _LONG_VRS:
        return tag, vr, struct.unpack_from(f"{order}H", head, 6)[0], position + 8
    if len(head) < 12:
        raise BadInput(Reason.TRUNCATED)
    return tag, vr, struct.unpack_from(f"{order}I", head, 8)[0], position + 12


def check_length(header: Dataset, length: int | None, fragments: int) -> None:
    """That native pixel data are long enough, or encapsulated ones have a fragment for every frame.

    Args:
        header: the elements before the pixel data.
        length: bytes of native pixel data; None where they are encapsulated.
        fragments: of encapsulated pixel data.

    Raises:
        BadInput: they are not.
    """
    frames = int(header.get("NumberOfFrames") or 1)
    if length is None:
        if fragments < frames:
            raise BadInput(Reason.TRUNCATED)
        return
    bits = int(header.get("BitsAllocated", 8)) * int(header.get("SamplesPerPixel", 1))
    needed = int(header.get("Rows", 0)) * int(header.get("Columns", 0)) * frames * bits // 8
    if header.get("PhotometricInterpretation") == "YBR_FULL_422":
        needed = needed * 2 // 3
    if length < max(needed, 1):
        raise BadInput(Reason.TRUNCATED)
