"""Focus and saturation move as they should, and have known values on known pictures."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from PIL import Image, ImageFilter

from jobs.pixels.features import focus, saturation


def test_blur_lowers_focus(make):
    picture = Image.fromarray(make.picture(120, 120))
    values = [focus(np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)))) for radius in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0] / 4


def test_focus_of_a_checkerboard():
    board = np.indices((10, 10)).sum(axis=0) % 2
    pixels = np.repeat((board * 10).astype(np.uint8)[..., None], 3, axis=2)
    inner = 40.0  # four neighbours differ by 10 each
    assert focus(pixels) == pytest.approx(inner**2, rel=0.3)
    assert focus(np.full((9, 9, 3), 77, np.uint8)) == pytest.approx(0, abs=1e-6)


def test_saturation_is_that_of_hsv(make):
    pixels = make.picture(20, 20)
    expected = np.mean([colorsys.rgb_to_hsv(*(pixel / 255))[1] for pixel in pixels.reshape(-1, 3)])
    assert saturation(pixels) == pytest.approx(expected, abs=1e-5)
    assert saturation(np.zeros((4, 4, 3), np.uint8)) == 0
