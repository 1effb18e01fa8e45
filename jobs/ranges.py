"""A remote object as a stream: few requests where it is read in order, few bytes where it is read here and there.

A scan is opened by some dozens of small reads near each other, then read tile by tile, nearly in order. Each
request asks for at least `LEAST_BYTES`; one that goes on where another ended, or soon behind, asks for twice as much
as that, so a whole level takes few. What was read last is kept, for the next tile or tag often lies in it.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from typing import Any

LEAST_BYTES = 128 << 10
"""Of one request: about what crosses the network in the time that a request takes by itself."""
MOST_BYTES = 8 << 20
"""Of one request that runs ahead of its reader."""
KEPT_BYTES = 16 << 20
"""Of what was read last, for each open stream."""

Fetch = Callable[[int, int], bytes]
"""The bytes from a first to before a last place."""


class RangeStream(io.RawIOBase):
    """A seekable stream over an object of known size that is fetched by ranges."""

    name = "object"
    """pydicom asks every stream for its name; the key, which may identify a person, is none of its business."""

    def __init__(self, size: int, fetch: Fetch) -> None:
        self._size, self._fetch, self._offset = size, fetch, 0
        self._kept: deque[tuple[int, bytes]] = deque()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, also behind the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self._size}[whence]
        self._offset = max(0, base + offset)
        return self._offset

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there are bytes."""
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._offset)]
        done = 0
        while done < len(view):
            start, data = self._holding(self._offset, len(view) - done)
            piece = data[self._offset - start :][: len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._offset += len(piece)
        return done

    def _holding(self, place: int, wanted: int) -> tuple[int, bytes]:
        """A kept or new range in which a place lies."""
        for start, data in self._kept:
            if start <= place < start + len(data):
                return start, data
        # What ended a little before this place was read in order; the gap may be tiles that nobody wants.
        before = max((len(d) for start, d in self._kept if 0 <= place - start - len(d) <= len(d)), default=0)
        length = max(wanted, min(2 * before, MOST_BYTES), LEAST_BYTES)
        data = self._fetch(place, min(place + length, self._size))
        if not data:
            raise EOFError("the object ended before its size")
        self._kept.append((place, data))
        while len(self._kept) > 1 and sum(len(each) for _, each in self._kept) > KEPT_BYTES:
            self._kept.popleft()
        return place, data
