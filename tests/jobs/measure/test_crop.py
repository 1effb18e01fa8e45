"""A crop is measured by what it shows of the scan, the same way every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from jobs.measure.crop import inside, measure
from jobs.pixels.encode import encode_png
from schemas.features import CELL, FEATURES, METHODS, QUALITY, SECTION
from tests.histology import photograph, tissue_od
from tests.jobs.pixels.test_measures import smear
from tests.jobs.pixels.test_quality import auroc

UM = 0.2


def row(pixels, **other):
    height, width = pixels.shape[:2]
    return {
        "unit_id": "a" * 32, "unit_kind": "cell", "scan_id": "b" * 32, "image": encode_png(pixels), "x": 100, "y": 90,
        "width": width, "height": height, "out_mpp_x": UM, "out_mpp_y": UM, "width_px": 4000, "height_px": 3000,
        "stain": "May-Grünwald-Giemsa", "center_x": None, "center_y": None,
    } | other  # fmt: skip


def values(found):
    return {one["feature"]: one["value"] for one in found}


def tile(seed=1):
    gen = np.random.default_rng(seed)
    return photograph(gen, tissue_od(gen, np.ones((256, 256), bool), 0.5, cellularity=0.3, fat_share=0.3))


@settings(max_examples=8, deadline=None)
@given(st.integers(40, 70), st.floats(0.4, 0.9), st.integers(0, 9), st.booleans())
def test_measuring_twice_gives_the_same(cell, share, seed, known):
    one = row(smear(cell, cell * share, seed=seed), **({} if known else {"out_mpp_x": None, "out_mpp_y": None}))
    first = list(measure(one))
    assert first == list(measure(one))
    assert {key for found in first for key in found} == {column.name for column in FEATURES.own_columns}
    assert ("cell_area" in values(first)) == known


def test_a_cell_of_a_smear_has_its_features_and_nothing_of_sections():
    found = values(measure(row(smear(60, 35))))
    assert set(found) == (set(QUALITY) | set(CELL)) - {"pen_fraction", "fold_fraction"}
    assert found["nucleus_area"] == pytest.approx(np.pi * 35**2 * UM**2, rel=0.03)
    assert found["border_contact"] == 0
    units = {one["feature"]: one["unit"] for one in measure(row(smear(60, 35)))}
    assert (units["cell_area"], units["focus"]) == ("um2", "1")


def test_a_tile_of_a_section_has_those_of_tissue_where_pixels_are_small_enough():
    own = {"unit_kind": "tile", "stain": "H&E", "out_mpp_x": 0.5, "out_mpp_y": 0.5}
    assert set(values(measure(row(tile(), **own)))) == set(QUALITY) | set(SECTION)
    assert set(values(measure(row(tile(), **own | {"out_mpp_x": 2.0, "out_mpp_y": 2.0})))) == set(QUALITY)
    assert set(values(measure(row(tile(), **own | {"out_mpp_y": None})))) == set(QUALITY)


def test_a_cell_of_a_section_has_its_quality_alone():
    assert set(values(measure(row(tile(), stain="H&E")))) == set(QUALITY)


@pytest.mark.parametrize("pad", [255, 0])
def test_padding_is_left_out_and_a_cell_cut_off_by_the_scan_touches_the_border(pad):
    whole = smear(60, 35)
    padded = whole.copy()
    padded[:, :90] = pad
    found = values(measure(row(padded, x=-90)))
    assert found["border_contact"] > 0.02
    assert found["clipped_fraction"] == 0
    assert found["brightness"] == pytest.approx(values(measure(row(whole)))["brightness"], abs=0.03)
    assert found["nucleus_area"] == pytest.approx(np.pi * 35**2 * UM**2, rel=0.03)
    over = values(measure(row(padded[:, ::-1], x=4000 - 160)))
    assert over["cell_area"] == pytest.approx(found["cell_area"], rel=0.02)


def test_a_cell_is_sought_where_it_lies_in_a_crop_that_was_moved_into_the_scan():
    moved = np.roll(smear(50, 30), (-60, -60), axis=(0, 1))
    found = values(measure(row(moved, x=0, y=0, center_x=65.0, center_y=65.0)))
    assert found["nucleus_area"] == pytest.approx(np.pi * 30**2 * UM**2, rel=0.04)
    assert values(measure(row(moved, x=0, y=0))).get("nucleus_area", 0) == 0


def test_what_lies_in_the_scan():
    pixels = np.zeros((50, 50, 3), np.uint8)
    place = {"x": -20, "y": 80, "width": 100, "height": 100, "width_px": 70, "height_px": 130, "center_x": None}
    within, center = inside(pixels, place)
    assert within.shape == (25, 35, 3)
    assert center == (15, 25)
    assert inside(pixels, place | {"center_x": 10, "center_y": 90})[1] == (5, 5)
    assert list(measure(row(pixels, x=4000))) == []
    assert set(METHODS) == set(QUALITY) | set(CELL) | set(SECTION)


def sound(gen):
    return smear(gen.uniform(35, 80), gen.uniform(20, 34), noise=gen.uniform(0.5, 3), seed=int(gen.integers(999)))


def planted(fault, gen):
    """A crop with one fault, and what its row says of its place."""
    pixels, place = sound(gen), {}
    if fault == "focus":
        pixels = ndimage.gaussian_filter(pixels, (*[gen.uniform(1.5, 4)] * 2, 0))
    elif fault == "saturation":
        grey = pixels.mean(axis=2, keepdims=True)
        pixels = (grey + gen.uniform(0, 0.4) * (pixels - grey)).astype(np.uint8)
    elif fault == "clipped_fraction":
        pixels = np.clip(pixels * gen.uniform(1.12, 1.4), 0, 255).astype(np.uint8)
    else:
        cut_off = int(gen.integers(95, 120))
        pixels[:, :cut_off] = 255
        place = {"x": -cut_off}
    return row(pixels, **place)


@pytest.mark.parametrize(
    ("column", "sign"), [("focus", -1), ("saturation", -1), ("clipped_fraction", 1), ("border_contact", 1)]
)
def test_each_quality_column_of_cells_tells_its_planted_fault(column, sign):
    gen = np.random.default_rng(7)
    good = [sign * values(measure(row(sound(gen))))[column] for _ in range(24)]
    bad = [sign * values(measure(planted(column, gen)))[column] for _ in range(24)]
    assert auroc(bad, good) >= 0.95
