"""A stream over ranges reads like any file, and asks for neither too much nor too often."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from jobs.ranges import KEPT_BYTES, LEAST_BYTES, RangeStream

DATA = bytes(range(251)) * 8000
MOVES = st.lists(st.tuples(st.integers(0, len(DATA) + 10), st.integers(0, 300_000)), max_size=12)


def stream_over(data: bytes) -> tuple[RangeStream, list[int]]:
    """A stream, and the lengths of what it asks for."""
    lengths: list[int] = []

    def fetch(first: int, last: int) -> bytes:
        lengths.append(last - first)
        return data[first:last]

    return RangeStream(len(data), fetch), lengths


@given(MOVES, st.booleans())
def test_it_reads_as_a_file_does(moves, buffered):
    raw, _ = stream_over(DATA)
    stream = io.BufferedReader(raw, 1000) if buffered else raw
    plain = io.BytesIO(DATA)
    for place, count in moves:
        assert stream.seek(place) == plain.seek(place)
        assert stream.read(count) == plain.read(count)
    assert stream.seek(-7, io.SEEK_END) == len(DATA) - 7
    assert stream.read() == DATA[-7:]


def test_in_order_it_takes_few_requests():
    data = bytes(100 << 20)
    stream, lengths = stream_over(data)
    while stream.read(50_000):
        pass
    assert sum(lengths) == len(data)
    assert len(lengths) < 25


def test_here_and_there_it_takes_few_bytes():
    stream, lengths = stream_over(bytes(100 << 20))
    for place in range(0, 100 << 20, 10 << 20):
        stream.seek(place)
        stream.read(20_000)
    assert lengths == [LEAST_BYTES] * 10


def test_back_and_forth_nothing_is_asked_for_twice():
    stream, lengths = stream_over(bytes(100 << 20))
    for _ in range(20):
        for place in (0, 50 << 20, 99 << 20):
            stream.seek(place)
            stream.read(1000)
    assert len(lengths) == 3


def test_it_keeps_a_bounded_share():
    stream, _ = stream_over(bytes(100 << 20))
    while stream.read(1 << 20):
        pass
    assert sum(len(data) for _, data in stream._kept) <= KEPT_BYTES
