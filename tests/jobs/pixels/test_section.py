"""A slide in small, its cores and its tiles, from files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from jobs.pixels.crop import cut
from jobs.pixels.section import LevelView, core_regions, holds, look, plan_tiles
from tests.histology import microarray, section

UM = 2.0


def written(make, path, pixels, levels=(1, 4)):
    small = [np.asarray(Image.fromarray(pixels).reduce(factor)) for factor in levels]
    return make.pyramid(path, small, compression="deflate")


@pytest.fixture(scope="module")
def array():
    return microarray(1)


@pytest.mark.parametrize("mpp", [0.3, 1.0, 2.0, 7.0])
def test_a_slide_in_small_is_the_slide(make, opened, tmp_path, mpp):
    pixels = np.asarray(Image.fromarray(make.picture(60, 45)).resize((603, 451), Image.Resampling.BICUBIC))
    small, um = look(opened(written(make, tmp_path / "a.tif", pixels)), mpp)
    assert um == pytest.approx(max(4.0, mpp), rel=0.02)
    assert small.shape[1] == pytest.approx(603 * mpp / um, abs=1)
    wanted = Image.fromarray(pixels).resize(small.shape[1::-1], Image.Resampling.BOX)
    assert np.corrcoef(small.ravel(), np.asarray(wanted).ravel())[0, 1] > 0.98


def test_a_large_slide_is_looked_at_in_bounded_memory(make, opened, tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.pixels.section.LOOK_PIXELS", 5000)
    small, um = look(opened(written(make, tmp_path / "a.tif", make.picture(600, 400))), 4.0)
    assert small.shape[0] * small.shape[1] == pytest.approx(5000, rel=0.03)
    assert um == pytest.approx(4 * 600 / small.shape[1])


def test_cores_are_regions_of_the_slide_and_a_section_has_none(make, opened, tmp_path, array):
    pixels, mask = array
    found = core_regions(opened(written(make, tmp_path / "a.tif", pixels)), UM)
    assert [core.name for core in found] == [f"{row}{column}" for row in "ABC" for column in range(1, 5)]
    for core in found:
        corners = np.array(core.polygon).reshape(-1, 2)
        x, y = corners.mean(axis=0)
        assert holds(core.polygon, x, y)
        assert np.hypot(*(corners - (x, y)).T) * UM == pytest.approx(320, rel=0.1)
        assert mask[int(y), int(x)]
    plain = section(3, mpp=UM, fat_share=0.3, pen="")
    assert core_regions(opened(written(make, tmp_path / "b.tif", plain.pixels)), UM) == []


def test_tiles_cover_the_tissue_at_the_stated_size(make, opened, tmp_path, array):
    pixels, mask = array
    reader = opened(written(make, tmp_path / "a.tif", pixels))
    side, tiles = plan_tiles(reader, UM, size=100, out_mpp=4.0, overlap=20, least=0.01)
    assert side == 200
    assert {tile.x % 160 for tile in tiles} | {tile.y % 160 for tile in tiles} == {0}
    covered = np.zeros_like(mask)
    for tile in tiles:
        covered[tile.y : tile.y + side, tile.x : tile.x + side] = True
    assert (mask & covered).sum() > 0.99 * mask.sum()


def test_what_is_cut_at_a_level_is_of_that_level(make, opened, tmp_path, whole, array):
    reader = opened(written(make, tmp_path / "a.tif", array[0]))
    view = LevelView(reader, 1)
    assert view.size == (reader.levels[1].width, reader.levels[1].height)
    ((_, found),) = cut(view, np.array([[37, 41, 90, 70]]))
    assert np.array_equal(found.pixels, whole(reader, 1)[41:111, 37:127])
    assert found.valid_fraction == 1


def test_points_in_a_polygon():
    ell = [0.0, 0.0, 4.0, 0.0, 4.0, 2.0, 2.0, 2.0, 2.0, 4.0, 0.0, 4.0]
    assert [holds(ell, x, y) for x, y in ((1, 1), (3, 1), (1, 3), (3, 3), (5, 1), (-1, 1))] == [True] * 3 + [False] * 3
