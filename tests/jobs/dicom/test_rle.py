from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels.decoders.rle import _rle_decode_segment
from pydicom.pixels.encoders.native import _encode_segment

from jobs.dicom.codestream import DamagedStream
from jobs.dicom.rle import clean_rle

HIDDEN = b"Lehtonen^Aino H-471100"


def frame(segments, header=b""):
    starts, at = [], 64
    for segment in segments:
        starts.append(at)
        at += len(segment)
    fields = struct.pack(f"<{1 + len(starts)}I", len(starts), *starts)
    return fields + header[: 64 - len(fields)].ljust(64 - len(fields), b"\0") + b"".join(segments)


def planes(data, size):
    count, *starts = struct.unpack_from("<16I", data)
    stops = [*starts[1:count], len(data)]
    assert starts[count:] == [0] * (15 - count)
    return [bytes(_rle_decode_segment(data[a:b]))[:size] for a, b in zip(starts[:count], stops, strict=True)]


def packed(plane, columns):
    return bytes(_encode_segment(plane, columns))


planes_of = st.integers(1, 12).flatmap(
    lambda columns: st.tuples(
        st.just(columns),
        st.lists(st.lists(st.sampled_from([0, 0, 7, 255]), min_size=3 * columns, max_size=3 * columns), max_size=5,
                 min_size=1).map(lambda rows: [bytes(row) for row in rows]),
    )
)  # fmt: skip


@given(planes_of)
def test_pixels_stay_and_nothing_behind_them(given_planes):
    columns, wanted = given_planes
    segments = [packed(plane, columns) for plane in wanted]
    hiding = frame([segment + HIDDEN + bytes(len(HIDDEN) % 2) for segment in segments], header=HIDDEN)
    cleaned = clean_rle(hiding, 3 * columns)
    assert planes(cleaned, 3 * columns) == wanted
    assert HIDDEN not in cleaned
    assert len(cleaned) % 2 == 0
    assert clean_rle(cleaned, 3 * columns) == cleaned


@pytest.mark.parametrize("due", range(1, 30))
@pytest.mark.parametrize("run", [bytes([29]) + bytes(range(30)), bytes([257 - 30, 9])])
def test_a_run_that_goes_on_behind_the_last_pixel_is_cut(run, due):
    before = bytes(range(30)) if run[0] < 128 else b"\x09" * 30
    cleaned = clean_rle(frame([run]), due)
    (plane,) = planes(cleaned, 99)
    assert plane.rstrip(b"\0")[:due] == before[:due].rstrip(b"\0")
    assert len(plane) <= due + 1


def test_a_segment_of_unknown_size_loses_only_what_the_header_hides():
    cleaned = clean_rle(frame([b"\xf3\x07" + b"\0\0"], header=HIDDEN), None)
    assert cleaned == frame([b"\xf3\x07" + b"\0\0"])


@pytest.mark.parametrize(
    "data", [b"", bytes(63), bytes(64), frame([b"ab"])[:64].replace(b"\x40", b"\xff"), struct.pack("<16I", *[99] * 16)]
)
def test_what_is_no_frame_is_damaged(data):
    with pytest.raises(DamagedStream):
        clean_rle(data, 4)
