"""Shapes of known size have known features, whichever way they are turned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.pixels.measures import cell_features, circularity, texture, tissue_features
from tests.histology import discs, photograph, tissue_od

GROUND, CYTOPLASM, NUCLEUS, RED = (232, 228, 222), (200, 170, 205), (105, 65, 165), (205, 155, 150)
Y, X = np.mgrid[:250, :250] + 0.5


def disc(x, y, radius):
    return np.hypot(X - x, Y - y) < radius


def smear(cell=60.0, nucleus=35.0, noise=2.0, seed=0, cytoplasm=CYTOPLASM, red=((30, 40), (215, 205))):
    """A crop with a cell in its middle, and red cells."""
    pixels = np.empty((250, 250, 3))
    pixels[:] = GROUND
    for mask, color in (
        (np.any([disc(x, y, 30) for x, y in red], axis=0), RED),
        (disc(125, 125, cell), cytoplasm),
        (disc(125, 125, nucleus), NUCLEUS),
    ):
        pixels[mask] = color
    pixels += np.random.default_rng(seed).normal(0, noise, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("cell", "nucleus"), [(45, 30), (60, 35), (70, 60)])
def test_areas_in_square_micrometres(cell, nucleus):
    found = cell_features(smear(cell, nucleus), (0.1, 0.2))
    assert found["nucleus_area"].value == pytest.approx(np.pi * nucleus**2 * 0.02, rel=0.03)
    assert found["cell_area"].value == pytest.approx(np.pi * cell**2 * 0.02, rel=0.05)
    assert found["nucleus_cell_ratio"].value == pytest.approx(nucleus**2 / cell**2, rel=0.05)
    assert found["cell_circularity"].value > 0.95
    assert found["border_contact"].value == 0
    assert "cell_area" not in cell_features(smear(cell, nucleus))


@pytest.mark.parametrize(
    "cytoplasm",
    [
        pytest.param((130, 125, 195), id="basophilic, as of blasts and plasma cells"),
        pytest.param((150, 150, 200), id="grey-blue, as of monocytes"),
        pytest.param((225, 150, 140), id="eosinophilic"),
        pytest.param((210, 158, 160), id="haemoglobin, as of late erythroblasts"),
    ],
)
@pytest.mark.parametrize("nucleus", [30, 40])
def test_nucleus_and_cytoplasm_of_other_colours(cytoplasm, nucleus):
    found = cell_features(smear(58, nucleus, cytoplasm=cytoplasm), (0.1, 0.1))
    assert found["nucleus_area"].value == pytest.approx(np.pi * (nucleus / 10) ** 2, rel=0.06)
    assert found["cell_area"].value == pytest.approx(np.pi * 5.8**2, rel=0.06)


@pytest.mark.parametrize("mpp", [0.1, 0.15])
def test_lobes_whose_bridges_are_not_seen_are_one_nucleus(mpp):
    pixels = smear(62 * 0.1 / mpp, 0, seed=3).astype(float)
    lobes = np.any(
        [disc(125 + dx / mpp, 125 + dy / mpp, 1.6 / mpp) for dx, dy in ((-2.6, 1.5), (2.6, 1.5), (0, -3))], axis=0
    )
    pixels[lobes] += np.array(NUCLEUS) - CYTOPLASM
    found = cell_features(np.clip(pixels, 0, 255).astype(np.uint8), (mpp, mpp))
    assert found["nucleus_area"].value == pytest.approx(3 * np.pi * 1.6**2, rel=0.12)
    assert found["cell_area"].value == pytest.approx(np.pi * 6.2**2, rel=0.05)


def test_red_cells_all_around_are_not_cytoplasm():
    around = [(125 + 68 * np.cos(turn), 125 + 68 * np.sin(turn)) for turn in np.arange(6) * np.pi / 3]
    found = cell_features(smear(40, 33, red=around), (0.1, 0.1))
    assert found["cell_area"].value == pytest.approx(np.pi * 4**2, rel=0.15)


def test_circularity_of_known_shapes():
    assert circularity(disc(125, 125, 50)) == pytest.approx(1, abs=0.02)
    assert circularity(((X - 125) / 80) ** 2 + ((Y - 125) / 40) ** 2 < 1) == pytest.approx(0.84, abs=0.03)
    assert circularity(np.zeros((9, 9), bool)) == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(40, 70), st.floats(0.5, 0.85), st.integers(0, 3), st.booleans(), st.integers(0, 9))
def test_turns_and_flips_change_nothing(cell, share, turns, flip, seed):
    pixels = smear(cell, cell * share, seed=seed)
    turned = np.rot90(pixels[:, ::-1] if flip else pixels, turns)
    one, other = cell_features(pixels, (0.1, 0.1)), cell_features(np.ascontiguousarray(turned), (0.1, 0.1))
    assert one.keys() == other.keys()
    for name, measure in one.items():
        assert other[name].value == pytest.approx(measure.value, rel=0.01, abs=0.01), name


def test_texture_of_a_checkerboard_and_of_nothing():
    mask = np.ones((40, 40), bool)
    board = (np.indices((40, 40)).sum(axis=0) % 2 * 16).astype(np.uint8)
    assert texture(board, mask)["contrast"] == pytest.approx(0.5, abs=0.02)  # straight pairs differ, slanted do not
    assert texture(np.zeros((40, 40), np.uint8), mask) == {"contrast": 0, "homogeneity": 1, "entropy": 0}
    assert texture(board, ~mask)["entropy"] == 0


def test_a_cell_at_the_border_and_a_crop_without_one():
    assert cell_features(np.roll(smear(70, 60), 70, axis=1)[:, :195])["border_contact"].value > 0.05
    assert cell_features(np.full((250, 250, 3), 228, np.uint8)) == {}
    assert cell_features(np.full((250, 250, 3), 255, np.uint8)) == {}
    red = smear()
    red[disc(125, 125, 62)] = GROUND
    red[disc(125, 125, 35)] = RED
    found = cell_features(red, (0.1, 0.1))
    assert found["nucleus_area"].value == 0
    assert found["cell_area"].value == pytest.approx(np.pi * 3.5**2, rel=0.06)


def test_nuclei_and_fat_of_a_tile():
    gen, mpp, mask = np.random.default_rng(4), 0.5, np.ones((800, 800), bool)
    od = tissue_od(gen, mask, mpp, cellularity=0, fat_share=0)
    places = [(x, y) for x in range(15, 800, 30) for y in range(15, 800, 30)]
    across, down = np.mgrid[:800, :800]
    for x, y in places:
        od[np.hypot(across - x, down - y) < 6] += (0.6, 0.65, 0.3)
    fat = discs(gen, mask, (20, 90), 30)
    od[fat] = 0
    found = tissue_features(photograph(gen, od, light=0.02), mpp)
    left = sum(not fat[x, y] for x, y in places)
    assert found["nuclei_density"].value == pytest.approx(left / 0.16, rel=0.08)
    assert found["fat_fraction"].value == pytest.approx(fat.mean(), abs=0.02)
    assert found["cellularity"].value == pytest.approx(1 - found["fat_fraction"].value)
    for bare in (0, 128, 240):
        assert tissue_features(np.full((90, 90, 3), bare, np.uint8), mpp) == {}


@pytest.mark.parametrize("bare", [60, 250])
def test_bare_glass_beside_tissue_is_no_fat(bare):
    gen, mpp = np.random.default_rng(5), 0.5
    mask = np.ones((800, 800), bool)
    mask[:, : round(bare / mpp)] = False
    od = tissue_od(gen, mask, mpp, cellularity=0.3, fat_share=0)
    fat = discs(gen, mask, (30, 80), 25) & mask
    od[fat] = 0
    found = tissue_features(photograph(gen, od, light=0.0), mpp)
    assert found["fat_fraction"].value == pytest.approx(fat.sum() / mask.sum(), abs=0.05)


def test_tissue_almost_without_nuclei():
    gen, mpp, mask = np.random.default_rng(6), 0.5, np.ones((800, 800), bool)
    od = tissue_od(gen, mask, mpp, cellularity=0, fat_share=0)
    od[discs(gen, mask, (40, 90), 40)] = 0
    found = tissue_features(photograph(gen, od, light=0.02), mpp)
    assert found["fat_fraction"].value > 0.2
    assert found["nuclei_density"].value < 250
