"""Hashes of pixels."""

from __future__ import annotations

import numpy as np

from jobs.pixels.digest import pixel_sha256


def test_sha256_knows_shape_and_content():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert pixel_sha256(pixels) == pixel_sha256(pixels.copy(order="F"))
    assert pixel_sha256(pixels) != pixel_sha256(pixels.reshape(4, 2, 3))
    assert pixel_sha256(pixels) != pixel_sha256(pixels ^ np.uint8(1))
    assert len(pixel_sha256(pixels)) == 64
