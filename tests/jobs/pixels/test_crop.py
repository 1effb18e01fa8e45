"""Crops are what slicing the padded whole gives, and each needed tile is decoded once."""

from __future__ import annotations

import weakref
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.pixels.crop import crops
from jobs.pixels.reader import Level, Mpp, ScanInfo, Tile, grid, grid_tile

PAD = (1, 2, 3)


class ArrayReader:
    """Reads from an array and counts what is decoded."""

    mpp: Mpp | None = None
    mpp_missing = "made up"
    info = ScanInfo("none", lossy=False)

    def __init__(self, pixels, tile_width, tile_height, absent=()):
        self.pixels, self.absent = pixels, set(absent)
        height, width = pixels.shape[:2]
        self.size = (width, height)
        self.levels = (Level(width, height, 1.0, tile_width, tile_height),)
        self.decoded: Counter[int] = Counter()

    def tiles(self, level):
        return (self.tile(level, tile.index) for tile in grid(level, self.levels[level]))

    def tile(self, level, index):
        return grid_tile(level, self.levels[level], index, absent=index in self.absent)

    def decode(self, tile: Tile):
        self.decoded[tile.index] += 1
        return self.pixels[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]


class WatchedReader(ArrayReader):
    """Notes after each tile how many are still in memory."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.alive, self._freed = [], []

    def decode(self, tile: Tile):
        pixels = super().decode(tile)
        weakref.finalize(pixels, self._freed.append, tile.index)
        self.alive.append(len(self.decoded) - len(self._freed))
        return pixels


def image(width, height):
    return np.random.default_rng(width * 1000 + height).integers(4, 256, (height, width, 3), dtype=np.uint8)


def sliced(pixels, x, y, size):
    """The window by padding all around: pixels and how many of them are real."""
    height, width = pixels.shape[:2]
    window = np.empty((size, size, 3), dtype=np.uint8)
    window[:] = PAD
    ys, xs = np.mgrid[y : y + size, x : x + size]
    inside = (ys >= 0) & (ys < height) & (xs >= 0) & (xs < width)
    window[inside] = pixels[ys[inside], xs[inside]]
    return window, inside.mean()


side = st.integers(1, 60)
place = st.floats(-90, 150, allow_nan=False)


@settings(max_examples=300, deadline=None)
@given(
    width=side,
    height=side,
    tile_width=st.integers(1, 70),
    tile_height=st.integers(1, 70),
    size=st.integers(1, 80),
    centers=st.lists(st.tuples(place, place), max_size=12),
)
def test_every_crop_is_a_slice_of_the_padded_whole(width, height, tile_width, tile_height, size, centers):
    pixels = image(width, height)
    reader = ArrayReader(pixels, tile_width, tile_height)
    found = dict(crops(reader, np.array(centers), size, PAD))
    assert sorted(found) == list(range(len(centers)))
    needed = set()
    for index, crop in found.items():
        expected = np.floor(np.array(centers[index]) - size / 2).astype(int)
        assert (crop.x, crop.y) == tuple(expected)
        window, valid = sliced(pixels, crop.x, crop.y, size)
        assert np.array_equal(crop.pixels, window)
        assert crop.valid_fraction == valid
        assert crop.absent_fraction == 0
        needed |= {
            tile.index
            for tile in reader.tiles(0)
            if crop.x < tile.x + tile.width
            and tile.x < crop.x + size
            and crop.y < tile.y + tile.height
            and tile.y < crop.y + size
        }
    assert reader.decoded == Counter(needed)


def test_many_crops_decode_each_tile_once_and_come_with_the_last_of_their_tiles():
    reader = ArrayReader(image(1000, 1000), 64, 64)
    centers = np.random.default_rng(1).uniform(0, 1000, (500, 2))
    for _index, crop in crops(reader, centers, 50, PAD):
        rows = range(max(crop.y, 0) // 64, min(crop.y + 49, 999) // 64 + 1)
        columns = range(max(crop.x, 0) // 64, min(crop.x + 49, 999) // 64 + 1)
        assert next(reversed(reader.decoded)) in {row * 16 + column for row in rows for column in columns}
    assert set(reader.decoded.values()) == {1}


def test_few_rows_of_tiles_are_held_however_many_there_are():
    reader = WatchedReader(image(640, 6400), 64, 64)
    centers = np.stack(np.meshgrid(np.arange(0, 640, 20.0), np.arange(0, 6400, 20.0)), -1).reshape(-1, 2)
    for _ in crops(reader, centers, 50, PAD):
        pass
    assert set(reader.decoded.values()) == {1}
    assert max(reader.alive) <= 3 * 10  # ten tiles a row


def test_tiles_without_crops_are_not_decoded():
    reader = ArrayReader(image(640, 640), 64, 64)
    list(crops(reader, np.array([[32.0, 32.0]]), 10, PAD))
    assert reader.decoded == {0: 1}


def test_crops_of_any_format(scan, opened, whole):
    reader = opened(*scan.paths)
    centers = np.array([(0.0, 0.0), (50.4, 35.5), (101.0, 70.0), (33.3, 64.9), (500.0, 500.0)])
    pixels = whole(reader)
    for _, crop in crops(reader, centers, 25, PAD):
        window, valid = sliced(pixels, crop.x, crop.y, 25)
        assert np.array_equal(crop.pixels, window)
        assert crop.valid_fraction == valid


def test_absent_tiles_are_recorded():
    reader = ArrayReader(np.full((64, 64, 3), 255, np.uint8), 32, 32, absent=[1])
    ((_, crop),) = crops(reader, np.array([[32.0, 32.0]]), 40, PAD)
    assert crop.valid_fraction == 1
    assert crop.absent_fraction == 0.25


def test_no_centers():
    assert list(crops(ArrayReader(image(9, 9), 4, 4), np.empty((0, 2)))) == []


@pytest.mark.parametrize("centers", [[[float("nan"), 1.0]], [[1.0, float("inf")]], [[1.0, 2.0, 3.0]], [1.0, 2.0]])
def test_centers_that_are_none(centers):
    with pytest.raises(ValueError, match="centers"):
        list(crops(ArrayReader(image(9, 9), 4, 4), np.array(centers)))


def test_the_caller_may_keep_and_change_crops():
    reader = ArrayReader(image(20, 20), 20, 20)
    found = [crop for _, crop in crops(reader, np.array([[10.0, 10.0]] * 2), 10, PAD)]
    found[0].pixels[:] = 0
    assert found[1].pixels.any()
    assert reader.pixels.min() >= 4
