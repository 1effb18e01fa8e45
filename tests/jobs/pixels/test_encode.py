"""PNG: lossless, the same every time, and readable by others."""

from __future__ import annotations

import io
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from jobs.errors import BadInput
from jobs.pixels.encode import ENCODER_VERSION, decode, encode_png


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_round_trip(pixels):
    data = encode_png(pixels)
    assert np.array_equal(decode(data), pixels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert encode_png(pixels.copy()) == data


def test_slices_and_grey(make):
    pixels = make.picture()
    assert np.array_equal(decode(encode_png(pixels[::2, ::-1])), pixels[::2, ::-1])
    assert np.array_equal(decode(encode_png(pixels[..., 0])), pixels[..., 0])


def test_version_names_library_and_settings():
    assert version("isal") in ENCODER_VERSION
    assert "level" in ENCODER_VERSION


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_png(data):
    with pytest.raises(BadInput):
        decode(data)


def test_cut_png(make):
    with pytest.raises(BadInput):
        decode(encode_png(make.picture())[:500])
