"""ICC profiles keep what transforms colour and lose what is text (ICC.1:2022, sections 7 to 10).

A profile can name the scanner, its serial number and the day of its calibration.
"""

from __future__ import annotations

import struct

_TRANSFORMS = [f"{way}{n}" for way in ("A2B", "B2A", "B2D", "D2B") for n in range(4)]
_KEEP = frozenset(
    {
        *_TRANSFORMS, "rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC", "kTRC", "wtpt", "bkpt", "chad", "gamt",
        "pre0", "pre1", "pre2", "cicp", "lumi",
    }
)  # fmt: skip
_TYPES = frozenset({"curv", "para", "XYZ", "mft1", "mft2", "mAB", "mBA", "sf32", "mpet", "cicp"})
_HEADER = 128
_ZEROED = ((4, 8), (24, 36), (48, 56), (80, 128))
"""Preferred CMM; date; manufacturer and model; creator, profile ID and reserved bytes."""


def clean_profile(data: bytes) -> bytes | None:
    """Return the profile without text, dates and device, or None when it is no profile.

    The colour transforms are the same bytes; the description and the copyright say nothing.
    """
    try:
        return _rebuild(data)
    except (struct.error, ValueError, IndexError):
        return None


def _rebuild(data: bytes) -> bytes | None:
    if len(data) < _HEADER + 4 or data[36:40] != b"acsp":
        return None
    header = bytearray(data[:_HEADER])
    for start, stop in _ZEROED:
        header[start:stop] = bytes(stop - start)
    parts: dict[bytes, bytes] = {
        b"desc": _text(b"desc", data[8], "ICC profile"),
        b"cprt": _text(b"text", data[8], "none"),
    }
    for signature, offset, size in _tags(data):
        element = _exact(data[offset : offset + size])
        if element is not None and signature.decode("latin-1") in _KEEP:
            parts[signature] = element
    return _assemble(header, parts)


def _tags(data: bytes) -> list[tuple[bytes, int, int]]:
    (count,) = struct.unpack_from(">I", data, _HEADER)
    if count > 200:
        raise ValueError("more tags than any profile has")
    entries = [struct.unpack_from(">4sII", data, _HEADER + 4 + 12 * i) for i in range(count)]
    if any(offset + size > len(data) for _, offset, size in entries):
        raise ValueError("a tag runs past the end")
    return entries


def _exact(element: bytes) -> bytes | None:
    """Cut an element to the size that its type gives, None for a type that can hold text."""
    kind = element[:4].decode("latin-1").strip()
    if kind not in _TYPES or len(element) < 12:
        return None
    if kind == "curv":
        (count,) = struct.unpack_from(">I", element, 8)
        return element[:4] + bytes(4) + element[8 : 12 + 2 * count]
    if kind == "para":
        (function,) = struct.unpack_from(">H", element, 8)
        return element[:4] + bytes(4) + element[8 : 12 + 4 * (1, 3, 4, 5, 7)[function]]
    return element[:4] + bytes(4) + element[8:]


def _text(kind: bytes, version: int, text: str) -> bytes:
    if version >= 4:
        encoded = text.encode("utf-16-be")
        return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(encoded), 28) + encoded
    ascii_text = text.encode() + b"\0"
    if kind == b"text":
        return b"text" + bytes(4) + ascii_text
    return b"desc" + bytes(4) + struct.pack(">I", len(ascii_text)) + ascii_text + bytes(78)


def _assemble(header: bytearray, parts: dict[bytes, bytes]) -> bytes:
    offset = _HEADER + 4 + 12 * len(parts)
    table, body, seen = b"", b"", {}
    for signature, element in parts.items():
        if element not in seen:
            seen[element] = offset + len(body)
            body += element + bytes(-len(element) % 4)
        table += struct.pack(">4sII", signature, seen[element], len(element))
    header[:4] = struct.pack(">I", offset + len(body))
    return bytes(header) + struct.pack(">I", len(parts)) + table + body
