"""Smear fields: JPEG, PNG and BMP lose everything that is not the image; the pixels stay the same compressed
bytes.

The orientation of EXIF and the colour transform of an ICC profile are kept, as the picture would look
different without.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from jobs.dicom import log
from jobs.dicom.codestream import APP0, APP1, APP2, APP14, COM, EOI, DamagedStream, clean_jpeg, jpeg_segments
from jobs.dicom.icc import clean_profile
from jobs.dicom.log import LogEntry
from jobs.dicom.walker import Pseudonymiser
from jobs.errors import BadInput
from schemas.reasons import Reason

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_SIZES = {b"IHDR": 13, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"cICP": 4}
"""Chunks of numbers, with the one length that each can have."""
_PNG_WORDS, _PNG_HIGHEST = frozenset({b"gAMA", b"cHRM", b"pHYs"}), 1 << 24
"""Chunks of four-byte numbers, and the highest that one can be; four letters would be a higher one."""
_PNG_BYTES = {b"sRGB": 3, b"sBIT": 16, b"cICP": 31}
"""Chunks of single bytes, and the highest that one can be."""
_INDEXED = 3
"""Colour type of images with a palette."""
_PNG_CHUNKS = frozenset({*_PNG_SIZES, b"PLTE", b"tRNS", b"sBIT", b"IDAT", b"IEND"})
_PNG_NAMED = frozenset({*_PNG_CHUNKS, b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"tIME", b"bKGD", b"hIST", b"sPLT"})
_ICC_NAME = b"ICC_PROFILE\0"
_ICC_PART = 65519


def deidentify_field(
    source: BinaryIO, target: BinaryIO, pseudonyms: Pseudonymiser, patient_id: str, shift_days: int
) -> list[LogEntry]:
    """De-identify a field; of what identifies, none is kept, so that pseudonyms and shift are not used.

    Raises `BadInput`: NOT_REWRITABLE, TRUNCATED, UNREADABLE.
    """
    source.seek(0)
    data = source.read()
    try:
        if data[:2] == b"\xff\xd8":
            cleaned, entries = clean_jpeg_field(data)
        elif data[:8] == _PNG:
            cleaned, entries = clean_png(data)
        elif data[:2] == b"BM":
            cleaned, entries = clean_bmp(data)
        else:
            raise BadInput(Reason.NOT_REWRITABLE)
    except DamagedStream as damage:
        raise BadInput(Reason.TRUNCATED if damage.truncated else Reason.UNREADABLE) from None
    except (struct.error, zlib.error, IndexError):
        raise BadInput(Reason.UNREADABLE) from None
    target.write(cleaned)
    return entries


def clean_jpeg_field(data: bytes) -> tuple[bytes, list[LogEntry]]:
    """Return a JPEG file with image, orientation and colour transform only; raises `DamagedStream`."""
    entries: list[LogEntry] = []
    orientation = 1
    icc: dict[int, bytes] = {}
    end = len(data)
    for segment in jpeg_segments(data):
        payload = data[segment.payload : segment.end]
        if segment.marker == EOI:
            end = segment.end
        elif segment.marker == APP1 and payload.startswith(b"Exif\0\0"):
            orientation = max(orientation, exif_orientation(payload[6:]))
            entries.append(LogEntry("EXIF", log.REMOVED, "EXIF other than the orientation"))
        elif segment.marker == APP2 and payload.startswith(_ICC_NAME):
            icc[payload[12]] = payload[14:]
        elif segment.marker == COM:
            entries.append(LogEntry("COM", log.REMOVED, "comment"))
        elif 0xE0 <= segment.marker <= 0xEF and segment.marker not in (APP0, APP14):
            entries.append(LogEntry(f"APP{segment.marker - 0xE0}", log.REMOVED, "application segment"))
    profile = clean_profile(b"".join(icc[n] for n in sorted(icc))) if icc else None
    if icc:
        done = log.GENERALISED if profile else log.REMOVED
        entries.append(LogEntry("ICC", done, "text, date and device taken out of the ICC profile"))
    if data[end:].strip(b"\0"):
        entries.append(LogEntry("after the end marker", log.REMOVED, "bytes behind the image"))
    return clean_jpeg(data, first=_exif_segment(orientation) + _icc_segments(profile), whole=True), entries


def exif_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that the first directory of EXIF states; 1 where it states none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for index in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * index)
            if tag == 0x0112 and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _minimal_exif(orientation: int) -> bytes:
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _exif_segment(orientation: int) -> bytes:
    if orientation == 1:
        return b""
    payload = b"Exif\0\0" + _minimal_exif(orientation)
    return struct.pack(">HH", 0xFFE1, len(payload) + 2) + payload


def _icc_segments(profile: bytes | None) -> bytes:
    parts = [profile[i : i + _ICC_PART] for i in range(0, len(profile), _ICC_PART)] if profile else []
    return b"".join(
        struct.pack(">HH", 0xFFE2, len(part) + 16) + _ICC_NAME + bytes((number, len(parts))) + part
        for number, part in enumerate(parts, start=1)
    )


def clean_png(data: bytes) -> tuple[bytes, list[LogEntry]]:
    """Return a PNG file with the chunks that decoding and colour need; raises `DamagedStream`.

    The image data is cut where its zlib stream ends, as bytes behind that belong to no pixel.
    """
    kept = [_PNG]
    entries: list[LogEntry] = []
    inflater = zlib.decompressobj()
    depth, colour = data[24:26].ljust(2, b"\0")
    seen: set[bytes] = set()
    for kind, content in _png_chunks(data):
        replaced = None if kind in seen and kind != b"IDAT" else _png_chunk(kind, content, colour, depth)
        seen.add(kind)
        if kind == b"IDAT":
            replaced = _inflated_part(inflater, content) or None
        if replaced is None:
            name = kind.decode("latin-1") if kind in _PNG_NAMED else "unknown chunk"
            entries.append(LogEntry(name, log.REMOVED, "chunk that the image does without"))
        else:
            kept.append(_png_pack(kind, replaced))
            if replaced != content:
                entries.append(LogEntry(kind.decode(), log.GENERALISED, "text taken out"))
    if not inflater.eof:
        raise DamagedStream(truncated=True)
    return b"".join(kept), entries


def _inflated_part(inflater: Any, content: bytes) -> bytes:
    """The part of a chunk that belongs to the zlib stream; what it inflates to is not held."""
    rest = b"" if inflater.eof else content
    behind = len(content) if inflater.eof else 0
    while rest and not inflater.eof:
        inflater.decompress(rest, 1 << 20)
        rest = inflater.unconsumed_tail
        behind = len(inflater.unused_data)
    return content[: len(content) - behind]


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    kind = b""
    while kind != b"IEND":
        length, kind = _unpack_chunk_head(data, position)
        end = position + 12 + length
        if end > len(data):
            raise DamagedStream(truncated=True)
        content = data[position + 8 : end - 4]
        if zlib.crc32(kind + content) != int.from_bytes(data[end - 4 : end], "big"):
            raise DamagedStream
        yield kind, content
        position = end


def _unpack_chunk_head(data: bytes, position: int) -> tuple[int, bytes]:
    if position + 12 > len(data):
        raise DamagedStream(truncated=True)
    length, kind = struct.unpack_from(">I4s", data, position)
    return int(length), bytes(kind)


def _png_chunk(kind: bytes, content: bytes, colour: int, depth: int) -> bytes | None:
    """Return what is kept of a chunk in an image of a colour type and bit depth, None for nothing (PNG 11.3)."""
    if kind == b"IEND":
        return b""
    if kind == b"eXIf":
        orientation = exif_orientation(content)
        return _minimal_exif(orientation) if orientation != 1 else None
    if kind == b"iCCP":
        profile = clean_profile(zlib.decompressobj().decompress(content[content.index(b"\0") + 2 :], 1 << 24))
        return b"ICC\0\0" + zlib.compress(profile) if profile else None
    if kind not in _PNG_CHUNKS or len(content) != _PNG_SIZES.get(kind, len(content)):
        return None
    words = struct.iter_unpack(">I", content[: len(content) // 4 * 4]) if kind in _PNG_WORDS else ()
    if any(word > _PNG_HIGHEST for (word,) in words):
        return None
    if kind in _PNG_BYTES and max(content, default=0) > _PNG_BYTES[kind]:
        return None
    if kind == b"PLTE":
        return content[: 3 << min(depth, 8)] if colour == _INDEXED else None
    if kind == b"tRNS" and not _is_transparency(content, colour, depth):
        return None
    return content if kind != b"sBIT" or len(content) <= 4 else None


def _is_transparency(content: bytes, colour: int, depth: int) -> bool:
    """Whether tRNS is one alpha a colour of the palette, or one grey or RGB colour of the image's depth."""
    if colour == _INDEXED:
        return len(content) <= 1 << min(depth, 8)
    fits = len(content) == {0: 2, 2: 6}.get(colour)
    return fits and max(struct.unpack(f">{len(content) // 2}H", content)) < 1 << depth


def _png_pack(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def clean_bmp(data: bytes) -> tuple[bytes, list[LogEntry]]:
    """Return an uncompressed BMP of 1 to 32 bits with header, palette and rows only; raises `BadInput` for
    others."""
    (offset, size, width, height, planes, bits, compression) = struct.unpack_from("<10xIIiiHHI", data)
    if size not in (40, 52, 56, 108, 124) or compression != 0 or bits not in (1, 4, 8, 24, 32) or width <= 0:
        raise BadInput(Reason.NOT_REWRITABLE)
    x_scale, y_scale, used, important = struct.unpack_from("<iiII", data, 38)
    if used > 256:
        raise BadInput(Reason.NOT_REWRITABLE)
    colours = (used or 1 << bits) if bits <= 8 else 0
    palette = re.sub(rb"(?s)(...).", rb"\1\0", data[14 + size : 14 + size + 4 * colours])
    stride = (width * bits + 31) // 32 * 4
    rows = data[offset : offset + stride * abs(height)]
    if len(rows) < stride * abs(height) or len(palette) < 4 * colours:
        raise DamagedStream(truncated=True)
    used_bytes = (width * bits + 7) // 8
    pixels = b"".join(
        rows[i : i + used_bytes] + bytes(stride - used_bytes) for i in range(0, stride * abs(height), stride)
    )
    start = 54 + len(palette)
    header = struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start)
    info = struct.pack(
        "<IiiHHIIiiII",
        40,
        width,
        height,
        planes,
        bits,
        0,
        len(pixels),
        x_scale,
        y_scale,
        used,
        min(important, used),
    )
    cleaned = header + info + palette + pixels
    differs = cleaned != data
    return cleaned, [LogEntry("BMP", log.REMOVED, "header extensions, gaps and trailing bytes")] if differs else []
