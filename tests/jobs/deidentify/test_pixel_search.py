from __future__ import annotations

from io import BytesIO

import pytest

from jobs.deidentify.pixel_search import _CHUNK, _MANY, PixelSearch
from jobs.dicom.deflate import temporary

LENGTH = (_MANY + 3) * _CHUNK + 5
PIXELS = bytes(range(256)) * (LENGTH // 256 + 1)


@pytest.mark.parametrize("place", [0, 1, _CHUNK - 3, _CHUNK + 2, 20 * _CHUNK - 7, LENGTH - 8])
def test_several_threads_miss_nothing_between_their_chunks(place):
    search = PixelSearch({b"lehtonen", b"h-471100-2"})
    data = bytearray(b"header" + PIXELS[:LENGTH] + b"Lehtonen")
    for stream in (BytesIO(data), temporary()):
        stream.write(data)
        stream.seek(6)
        assert not search.found_in(stream, LENGTH)
    data[6 + place : 14 + place] = b"LehTonen"
    stream = BytesIO(data)
    stream.seek(6)
    assert search.found_in(stream, LENGTH)


def test_a_stream_that_ends_early_is_searched_as_far_as_it_goes():
    search = PixelSearch({b"lehtonen"})
    assert search.found_in(BytesIO(b"x" * 1000 + b"lehtonen"), LENGTH)
    assert not search.found_in(BytesIO(b"x" * 1000), LENGTH)
    assert not search.found_in(BytesIO(b""), LENGTH)
    assert not PixelSearch(set()).found_in(BytesIO(b"lehtonen"), 8)
