"""The grid covers all tissue and says how much is in each tile; cores get the names of their places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.pixels.grid import best_level, cores, tissue_grid
from jobs.pixels.reader import Level


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 20), st.integers(0, 19), st.integers(0, 2**32 - 1)
)  # fmt: skip
def test_every_tissue_pixel_is_in_a_tile_that_states_its_share(width, height, side, overlap, seed):
    overlap = min(overlap, side - 1)
    mask = np.random.default_rng(seed).random((height, width)) < 0.1
    covered = np.zeros_like(mask)
    for tile in tissue_grid(mask, (width, height), side=side, overlap=overlap, least=0.0):
        window = mask[tile.y : tile.y + side, tile.x : tile.x + side]
        assert tile.tissue_fraction == pytest.approx(window.sum() / side**2)
        covered[tile.y : tile.y + side, tile.x : tile.x + side] = True
    assert not (mask & ~covered).any()


def test_the_mask_is_stretched_over_the_level_and_pale_tiles_left_out():
    mask = np.zeros((10, 20), bool)
    mask[:5, :10] = True
    tiles = list(tissue_grid(mask, (2000, 1000), side=250, overlap=50, least=0.5))
    assert {(tile.x, tile.y) for tile in tiles} == {(x, y) for x in range(0, 801, 200) for y in (0, 200)}
    assert tiles[0].tissue_fraction == 1.0
    with pytest.raises(ValueError, match="overlap"):
        list(tissue_grid(mask, (10, 10), side=5, overlap=5))


def test_level_by_micrometres():
    levels = [Level(100, 100, factor, 10, 10) for factor in (1.0, 2.0, 4.0)]
    assert [best_level(levels, 0.25, wanted) for wanted in (0.1, 0.25, 0.5, 0.9, 1.0, 8)] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(("turn", "joined"), [(0, False), (4, False), (-9, False), (0, True), (4, True)])
def test_cores_of_a_turned_array_with_lost_ones(turn, joined):
    gen = np.random.default_rng(3)
    y, x = np.mgrid[:700, :900]
    mask, names = np.zeros((700, 900), bool), set()
    angle = np.radians(turn)
    for row in range(5):
        for column in range(7):
            if (row, column) in {(0, 0), (2, 3), (4, 6)}:
                continue
            across, down = 100 * (column - 3) + gen.normal(0, 4), 100 * (row - 2) + gen.normal(0, 4)
            left = 450 + across * np.cos(angle) - down * np.sin(angle)
            top = 350 + across * np.sin(angle) + down * np.cos(angle)
            mask |= np.hypot(x - left, y - top) < gen.uniform(28, 34)
            names.add(f"{'ABCDE'[row]}{column + 1}")
    mask[690:, :400] = True
    if joined:  # as cores that lie so near that the mask closes the gap between some
        mask[345:355, 120:580] = mask[240:460, 445:455] = True
    found = cores(mask)
    assert {core.name for core in found} == names
    assert all(26 < core.radius < 36 for core in found)


def test_a_section_is_no_array():
    mask = np.zeros((300, 300), bool)
    mask[50:200, 60:250] = True
    assert cores(mask) == []


def test_round_fragments_are_no_array():
    y, x = np.mgrid[:500, :700]
    taken = 0
    for seed in range(30):
        gen = np.random.default_rng(seed)
        mask = np.zeros((500, 700), bool)
        for _ in range(int(gen.integers(5, 25))):
            mask |= np.hypot(x - gen.uniform(30, 670), y - gen.uniform(30, 470)) < gen.uniform(20, 30)
        taken += bool(cores(mask))
    assert taken <= 1
