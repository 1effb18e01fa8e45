"""Which colours a JPEG holds, where its surroundings and its own markers say so or differ."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from jobs.errors import BadInput
from jobs.pixels import jpeg


def without_markers(data: bytes) -> bytes:
    """The stream without APP0 and APP14."""
    place, kept = 2, data[:2]
    while data[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if data[place + 1] not in (0xE0, 0xEE):
            kept += data[place:end]
        place = end
    return kept + data[place:]


@pytest.fixture
def pixels(make):
    return make.picture(48, 48)


def is_like(found: np.ndarray, pixels: np.ndarray) -> bool:
    return float(np.abs(found.astype(int) - pixels).mean()) < 12


@pytest.mark.parametrize("evidence_first", [True, False])
def test_agreement(make, pixels, evidence_first):
    ycbcr, rgb = make.jpeg(pixels, subsampling=0), make.jpeg(pixels, keep_rgb=True)
    assert is_like(jpeg.decode(ycbcr, "YCBCR", evidence_first=evidence_first), pixels)
    assert is_like(jpeg.decode(rgb, "RGB", evidence_first=evidence_first), pixels)


def test_markers_overrule_only_where_asked(make, pixels):
    ycbcr, rgb = make.jpeg(pixels, subsampling=0), make.jpeg(pixels, keep_rgb=True)
    assert is_like(jpeg.decode(ycbcr, "RGB", evidence_first=True), pixels)
    assert is_like(jpeg.decode(rgb, "YCBCR", evidence_first=True), pixels)
    assert not is_like(jpeg.decode(ycbcr, "RGB", evidence_first=False), pixels)
    assert not is_like(jpeg.decode(rgb, "YCBCR", evidence_first=False), pixels)


@pytest.mark.parametrize("evidence_first", [True, False])
def test_without_markers_the_surroundings_decide(make, pixels, evidence_first):
    bare = without_markers(make.jpeg(pixels, subsampling=0))
    assert jpeg.header(bare).evidence is None
    assert is_like(jpeg.decode(bare, "YCBCR", evidence_first=evidence_first), pixels)
    assert not is_like(jpeg.decode(bare, "RGB", evidence_first=evidence_first), pixels)


def test_header(make, pixels):
    found = jpeg.header(make.jpeg(pixels[:40]))
    assert (found.width, found.height, found.components) == (48, 40, 3)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00", b"nonsense" * 9])
def test_broken_markers(data):
    with pytest.raises(BadInput):
        jpeg.header(data)


def test_every_cut_and_every_flipped_byte_of_the_header_is_met(make, pixels):
    data = make.jpeg(pixels)
    for place in range(0, 620, 3):
        for broken in (data[:place], data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]):
            with contextlib.suppress(BadInput):
                assert jpeg.decode(broken, "YCBCR", evidence_first=True).ndim == 3


def test_zeros_before_the_end_fill_up_and_say_nothing(make, pixels):
    for subsampling in ("444", "420"):
        data = simplejpeg.encode_jpeg(pixels, colorsubsampling=subsampling)
        filled = data[:-2] + bytes(7) + data[-2:]
        assert np.array_equal(jpeg.decode(filled, "YCBCR", evidence_first=True), by_pillow(data))
        with pytest.raises(BadInput):
            jpeg.decode(data[: len(data) // 2] + bytes(7) + data[-2:], "YCBCR", evidence_first=True)


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
