"""Take out of a frame in RLE what is no pixel (PS3.5 annex G): bytes in its header and behind its segments."""

from __future__ import annotations

import struct
from itertools import pairwise

from jobs.dicom.codestream import DamagedStream

_HEADER = struct.Struct("<16I")
_NO_RUN = 128


def clean_rle(data: bytes, plane: int | None) -> bytes:
    """Return a frame with its segments only.

    Args:
        data: the frame: a header of 16 numbers, and a segment for each byte of each sample.
        plane: how many bytes a segment unpacks to; None where that is not known, so that segments stay as they are.

    Raises:
        DamagedStream: the header does not name segments of the frame.
    """
    if len(data) < _HEADER.size:
        raise DamagedStream(truncated=True)
    count, *offsets = _HEADER.unpack_from(data)
    if not 0 < count < 16 or offsets[0] < _HEADER.size:
        raise DamagedStream
    bounds = [*offsets[:count], len(data)]
    if bounds != sorted(bounds):
        raise DamagedStream(truncated=max(bounds) > len(data))
    segments = [data[start:stop] for start, stop in pairwise(bounds)]
    if plane is not None:
        segments = [_runs_of(segment, plane) for segment in segments]
    starts, at = [0] * 15, _HEADER.size
    for number, segment in enumerate(segments):
        starts[number] = at
        segments[number] = segment + bytes(len(segment) % 2)
        at += len(segments[number])
    return _HEADER.pack(count, *starts) + b"".join(segments)


def _runs_of(segment: bytes, due: int) -> bytes:
    """The start of a segment that unpacks to `due` bytes, or all of it where it unpacks to fewer."""
    position = begin = 0
    while due > 0 and position < len(segment):
        begin, head = position, segment[position]
        if head < _NO_RUN:
            due -= head + 1
            position += head + 2
        elif head > _NO_RUN:
            due -= 257 - head
            position += 2
        else:
            position += 1
    if due >= 0:
        return segment[:position]
    head = segment[begin]  # the last run goes on behind the last pixel
    length = (head + 1 if head < _NO_RUN else 257 - head) + due
    if head < _NO_RUN or length == 1:
        return segment[:begin] + bytes([length - 1]) + segment[begin + 1 : begin + 1 + length]
    return segment[:begin] + bytes([257 - length]) + segment[begin + 1 : begin + 2]
