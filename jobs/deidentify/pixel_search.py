"""Find identifiers among pixel bytes, at the speed of memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import RawIOBase
from threading import Lock
from typing import BinaryIO, cast

import numpy as np

from jobs.deidentify.tokens import LONG

_CHUNK = 1 << 19
"""Bytes of pixels that are searched at a time: with what is worked out of them they fit a core's cache."""
_MANY = 32
"""Chunks from which on a second thread is worth its start; NumPy lets both run at once."""
_MIX = np.uint32(2654435769)
_TABLE_BITS = 16
_CASE = 0x20202020
"""Sets the bit of each byte that parts capital letters from small ones."""
_CASE_OF_EIGHT = np.uint64(_CASE << 32 | _CASE)
_ALIKE = 10
"""Pairs of equal letters among four letters by four, of which three are the same."""


class PixelSearch:
    """Finds byte strings of eight bytes or more, in any ASCII case.

    A string of seven bytes or more holds a whole aligned word of four. Each aligned word of the data is
    looked up in a small table of hashes; the few places that pass are looked at closely.

    Args:
        patterns: the strings, in lower case.
    """

    def __init__(self, patterns: set[bytes]) -> None:
        self.patterns = patterns
        by_length: dict[int, list[bytes]] = {}
        for pattern in patterns:
            by_length.setdefault(len(pattern), []).append(pattern)
        self.lengths = sorted(by_length)
        pairs = [_words_of(patterns, length) for length, patterns in by_length.items()]
        places = np.unique(np.concatenate(pairs)) if pairs else np.zeros(0, np.uint64)
        self.words, first = np.unique((places >> np.uint64(8)).astype(np.uint32), return_index=True)
        """Words as they lie in the data, in ascending order."""
        self.first = np.append(first, places.size)
        self.before = (places & np.uint64(255)).astype(np.int64)
        """How many bytes before a word a string may start, from the word's `first` to that of the next."""
        eights = np.frombuffer(b"".join(pattern[:LONG] for pattern in patterns), "<u8")
        self.eights = np.unique(eights | _CASE_OF_EIGHT)
        """The first eight bytes of the strings, in ascending order."""
        self.bits = max(_TABLE_BITS, min(22, 6 + len(self.words).bit_length()))
        self.table = np.zeros(1 << self.bits, np.bool_)
        self.table[(self.words * _MIX) >> np.uint32(32 - self.bits)] = True

    def found_in(self, stream: BinaryIO, length: int) -> bool:
        """Whether the next `length` bytes hold one of the strings; the stream must be seekable."""
        if not self.patterns:
            return False
        chunks = _Chunks(stream, length, -(-2 * self.lengths[-1] // 4) * 4)
        if length < _MANY * _CHUNK or (os.cpu_count() or 1) == 1:
            return self._found_in(chunks)
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(self._found_in, chunks)
            return self._found_in(chunks) | other.result()

    def _found_in(self, chunks: _Chunks) -> bool:
        words, slots = (np.empty(chunks.size // 4, np.uint32) for _ in range(2))
        for buffer, size in chunks.read():
            if self._in_block(buffer, size, words[: size // 4], slots[: size // 4]):
                chunks.end()
                return True
        return False

    def _in_block(self, buffer: bytearray, size: int, words: np.ndarray, slots: np.ndarray) -> bool:
        np.bitwise_or(np.frombuffer(buffer, np.uint32, size // 4), np.uint32(_CASE), out=words)
        np.multiply(words, _MIX, out=slots)
        np.right_shift(slots, np.uint32(32 - self.bits), out=slots)
        places = np.flatnonzero(self.table[slots])
        if not places.size:
            return False
        found = words[places]
        index = np.minimum(np.searchsorted(self.words, found), self.words.size - 1)
        known = self.words[index] == found
        return any(self._is_at(buffer, start) for start in self._starts(buffer, size, places[known], index[known]))

    def _starts(self, buffer: bytearray, size: int, places: np.ndarray, words: np.ndarray) -> list[int]:
        """Where in the buffer the first eight bytes of a string stand, of those that hold a known word at a place."""
        counts = self.first[words + 1] - self.first[words]
        nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = np.repeat(4 * places, counts) - self.before[np.repeat(self.first[words], counts) + nth]
        starts = starts[(starts >= 0) & (starts <= size - LONG)]
        eight = np.ndarray((size - LONG + 1,), "<u8", buffer, strides=(1,))[starts] | _CASE_OF_EIGHT
        index = np.minimum(np.searchsorted(self.eights, eight), self.eights.size - 1)
        found: list[int] = starts[self.eights[index] == eight].tolist()
        return found

    def _is_at(self, buffer: bytearray, start: int) -> bool:
        seen = bytes(buffer[start : start + self.lengths[-1]]).lower()
        return any(seen[:length] in self.patterns for length in self.lengths)


class _Chunks:
    """A part of a stream in chunks, each with the end of the one before; several threads may share it.

    Args:
        overlap: bytes by which chunks overlap, so that no string is cut; a multiple of four.
    """

    def __init__(self, stream: BinaryIO, length: int, overlap: int) -> None:
        self.size = overlap + min(_CHUNK, length)
        """Bytes of a chunk at most."""
        self._stream, self._overlap, self._lock = stream, overlap, Lock()
        self._start = stream.tell()
        self._stop = self._start + length
        self._next = self._start

    def end(self) -> None:
        """Let no thread read any further."""
        with self._lock:
            self._next = self._stop

    def read(self) -> Iterator[tuple[bytearray, int]]:
        """Yield a buffer, which is used again for the next chunk, and how many bytes of it are filled."""
        buffer = bytearray(self.size)
        while size := self._fill(memoryview(buffer)):
            yield buffer, size

    def _fill(self, buffer: memoryview) -> int:
        with self._lock:
            begin = max(self._start, self._next - self._overlap)
            wanted = min(self._stop - begin, self.size)
            if self._next >= self._stop:
                return 0
            self._stream.seek(begin)
            size = cast(RawIOBase, self._stream).readinto(buffer[:wanted]) or 0
            self._next = begin + size if size > self._next - begin else self._stop
            return size


def _words_of(patterns: list[bytes], length: int) -> np.ndarray:
    """For strings of one length, each word of four bytes that may lie aligned: its bytes << 8 | where it starts."""
    letters = np.frombuffer(b"".join(patterns), np.uint8).reshape(len(patterns), length)
    pairs = []
    for phase in range(4):
        at = np.full(len(patterns), phase)
        if length >= phase + LONG:  # a word of one letter, such as `0000`, would be met in each flat area
            alike = (letters[:, phase : phase + 4, None] == letters[:, None, phase : phase + 4]).sum(axis=(1, 2))
            at += 4 * (alike >= _ALIKE)
        four = np.take_along_axis(letters, at[:, None] + np.arange(4), axis=1)
        words = np.ascontiguousarray(four).view("<u4")[:, 0] | np.uint32(_CASE)
        pairs.append(words.astype(np.uint64) << np.uint64(8) | at.astype(np.uint64))
    return np.concatenate(pairs)
