"""Steps over whole arrays give what the filters of SciPy give."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from jobs.pixels.masks import distance, extremes, filled, opened


def noise(seed, shape=(23, 31)):
    return np.random.default_rng(seed).integers(0, 255, shape).astype(np.int16)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.sampled_from([1, 3, 5, 9]), st.booleans())
def test_extremes_are_those_of_the_windows_within(seed, side, most):
    values, rim = noise(seed), side // 2
    wanted = (ndimage.maximum_filter if most else ndimage.minimum_filter)(values, side)
    inner = wanted[rim : wanted.shape[0] - rim, rim : wanted.shape[1] - rim]
    assert np.array_equal(extremes(values, side, most=most), inner)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(90, 220))
def test_masks_are_opened_and_filled_as_by_scipy(seed, least):
    mask = noise(seed) > least
    around = np.pad(mask, 3, mode="edge")
    assert np.array_equal(opened(mask)[2:-2, 2:-2], ndimage.binary_opening(around)[5:-5, 5:-5])
    assert np.array_equal(filled(~mask), ndimage.binary_fill_holes(~mask))


def test_distance_to_a_mask_and_to_none():
    mask = np.zeros((5, 9), bool)
    assert np.isinf(distance(mask)).all()
    mask[2, 3] = True
    assert distance(mask)[2, 8] == 5
