"""Squares by which pictures are compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jobs.pixels.register import SIDE
from jobs.pixels.square import luma, padding, square_of


def by_pillow(grey: np.ndarray) -> np.ndarray:
    """Floats in 64x64 as Pillow brings them there, stretched to 1 to 255."""
    small = np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.HAMMING))
    contrast = max(float(small.max() - small.min()), 1e-3, 1e-3 * float(small.max()))
    return (small - small.min()) * (254 / contrast) + 1


@settings(deadline=None)
@given(width=st.integers(1, 700), height=st.integers(1, 700), seed=st.integers(0, 99))
def test_a_square_is_what_pillow_makes_of_the_luma(width: int, height: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    square = square_of(pixels, np.zeros((height, width), dtype=bool))
    assert np.abs(square - by_pillow(luma(pixels))).max() <= 0.51


def test_luma_is_that_of_pillow_in_the_range_of_the_samples() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 6, 3)).astype(np.uint8)
    assert np.abs(luma(pixels) - np.asarray(Image.fromarray(pixels).convert("L"))).max() < 0.51
    assert np.allclose(luma(pixels.astype(np.uint16) * 257), luma(pixels) * 257)
    assert np.abs(square_of(pixels.astype(np.uint16) * 257) - square_of(pixels).astype(int)).max() <= 1


@pytest.mark.parametrize("value", [0, 60, 200, 240, 60_000])
@pytest.mark.parametrize("shape", [(8, 8), (9, 200), (250, 250)])
def test_a_flat_picture_has_no_texture(value: int, shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), value, dtype=np.uint16 if value > 255 else np.uint8)
    assert (square_of(pixels, np.zeros(shape, dtype=bool)) == 1).all()


def test_white_corners_of_a_turned_picture_are_unknown() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(60, 200, (250, 250, 3)).astype(np.uint8))
    unknown = padding(np.asarray(noise.rotate(8, Image.Resampling.BICUBIC, fillcolor="white")))
    assert unknown[[3, 3, -4, -4], [3, -4, 3, -4]].all()
    assert not unknown[50:200, 50:200].any()


def test_padding_has_no_say_in_what_is_seen_beside_it() -> None:
    seen = np.random.default_rng(0).integers(60, 200, (250, 250, 3)).astype(np.uint8)
    unknown = np.zeros((250, 250), dtype=bool)
    unknown[:, 150:] = True
    squares = [square_of(np.where(unknown[..., None], colour, seen).astype(np.uint8), unknown) for colour in (0, 255)]
    assert np.array_equal(*squares)
    assert (squares[0][:, :38] > 0).all()
    assert not squares[0][:, 39:].any()
