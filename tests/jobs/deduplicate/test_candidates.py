"""The bands find every pair of hashes that is near enough, and the pixels decide."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jobs.deduplicate.candidates import HASH_BITS, bands, near_hashes
from jobs.deduplicate.confirm import compare
from jobs.settings import Duplicates


@given(st.integers(0, 20), st.sets(st.integers(0, 63), max_size=20))
def test_hashes_that_differ_in_few_bits_agree_in_a_band(bits, flipped):
    masks = [((1 << width) - 1) << first for first, width in bands(bits)]
    assert sum(mask.bit_count() for mask in masks) == HASH_BITS
    if len(flipped) <= bits:
        difference = sum(1 << bit for bit in flipped)
        assert any(not difference & mask for mask in masks)


def test_spark_finds_the_near_pairs_and_no_other(spark):
    base = 0x0123456789ABCDEF
    hashes = {"a": base, "b": base ^ 0b111, "c": base ^ (0xFFF << 20), "d": ~base}
    signed = [(k, v - (1 << 64) if v >= 1 << 63 else v) for k, v in ((k, v & (2**64 - 1)) for k, v in hashes.items())]
    frame = spark.createDataFrame(signed, "unit_id string, perceptual_hash bigint")
    found = {(r.unit_a, r.unit_b) for r in near_hashes(frame, frame, 8).collect()}
    assert found == {("a", "b")}


def picture(seed: int, width: int = 480, height: int = 360) -> np.ndarray:
    """A field with blobs, so that it has a structure to be recognised by."""
    gen = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    field = np.full((height, width), 225.0)
    for cx, cy, r in zip(gen.uniform(0, width, 60), gen.uniform(0, height, 60), gen.uniform(6, 20, 60), strict=True):
        field[(x - cx) ** 2 + (y - cy) ** 2 < r**2] = gen.uniform(60, 190)
    return np.repeat(field[..., None], 3, axis=2).astype(np.uint8)


def shown(pixels: np.ndarray, quality: int | None = None) -> dict:
    """What a scan's overview tells, at full scale."""
    if quality:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        pixels = np.asarray(Image.open(buffer))
    from jobs.pixels.digest import pixel_sha256
    from jobs.pixels.encode import encode_png

    height, width = pixels.shape[:2]
    return {"width": width, "height": height, "scale": 1.0, "pixel_sha256": pixel_sha256(pixels),
            "image": encode_png(pixels), "kind": "field"}  # fmt: skip


def test_the_same_pixels_are_exact():
    assert compare(shown(picture(1)), shown(picture(1)), Duplicates()).kind == "exact"


@pytest.mark.parametrize("quality", [40, 70, 95])
def test_another_encoding_is_re_encoded(quality):
    assert compare(shown(picture(1)), shown(picture(1), quality), Duplicates()).kind == "re-encoded"


def test_two_windows_of_one_canvas_overlap_by_their_shift():
    canvas = picture(2, 700, 500)
    a, b = canvas[:360, :480], canvas[100:460, 150:630]
    found = compare(shown(a), shown(b, 85), Duplicates())
    assert found.kind == "overlapping"
    assert (found.dx, found.dy) == pytest.approx((150, 100), abs=1)


def test_other_fields_are_different():
    assert compare(shown(picture(3)), shown(picture(4)), Duplicates()) is None
