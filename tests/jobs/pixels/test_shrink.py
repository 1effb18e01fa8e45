"""A level is shrunk by the mean of its pixels, whole or tile by tile."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from jobs.pixels import shrink
from tests.jobs.pixels.conftest import picture


@pytest.mark.parametrize("size", [(60, 40), (101, 70), (7, 3), (1, 1), (100, 69)])
def test_tile_by_tile_it_is_nearly_the_same(tmp_path, opened, monkeypatch, size):
    pixels = np.asarray(Image.fromarray(picture(13, 9)).resize((1010, 700), Image.Resampling.BICUBIC))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", metadata=None)
    reader = opened(path)
    whole = shrink.shrunk(reader, 0, *size)
    assert np.array_equal(whole, np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX)))
    monkeypatch.setattr(shrink, "PIXELS_MOST", 1000)
    tiled = shrink.shrunk(reader, 0, *size)
    assert tiled.shape == (size[1], size[0], 3)
    assert np.abs(tiled.astype(int) - whole).max() <= 4


def test_where_all_pixels_fit_it_is_the_same(tmp_path, opened, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(200, 100), tile=(64, 64), photometric="rgb", metadata=None)
    monkeypatch.setattr(shrink, "PIXELS_MOST", 1000)
    means = picture(200, 100).reshape(10, 10, 20, 10, 3).mean(axis=(1, 3))
    assert np.array_equal(shrink.shrunk(opened(path), 0, 20, 10), np.rint(means))
