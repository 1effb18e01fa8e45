"""Whether a JPEG stream is all there, seen from its markers (ITU-T T.81 annex B)."""

from __future__ import annotations

import re

from jobs.errors import BadInput
from schemas.reasons import Reason

_MARKER = re.compile(rb"\xff+([\xc0-\xcf\xd8-\xfe])")


def scan_data_start(data: bytes) -> int:
    """Where the first scan of a JPEG stream begins, behind its headers.

    Raises:
        BadInput: a header runs past the end (truncated), or no marker stands where one must (unreadable).
    """
    if not data.startswith(b"\xff\xd8"):
        raise BadInput(Reason.UNREADABLE)
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise BadInput(Reason.UNREADABLE)
        if data[position + 1] == 0xFF:
            position += 1
            continue
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if length < 2 or marker in (0x00, 0xD9):
            raise BadInput(Reason.UNREADABLE)
        position += 2 + length
        if marker == 0xDA:
            return position
    raise BadInput(Reason.TRUNCATED)


def check_jpeg(data: bytes) -> None:
    """That scan data ends with an end of image; bytes behind it and thumbnails in headers do not matter."""
    position = scan_data_start(data)
    while found := _MARKER.search(data, position):
        marker = found.group(1)[0]
        if marker == 0xD9:
            return
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    raise BadInput(Reason.TRUNCATED)
