"""The tissue mask keeps pale and fatty tissue, and drops glass, its edge, dust and pens."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.pixels.tissue import tissue_mask
from tests.histology import INKS, photograph, section, tissue_od


def iou(found, truth):
    return (found & truth).sum() / (found | truth).sum()


@pytest.mark.parametrize("mpp", [4.0, 10.0])
@pytest.mark.parametrize("strength", [0.35, 0.6, 1.2])
@pytest.mark.parametrize("fat_share", [0.2, 0.8])
def test_pale_and_fatty_tissue_is_kept(mpp, strength, fat_share):
    made = section(int(mpp * 1000 + strength * 100), mpp=mpp, strength=strength, fat_share=fat_share, pen="")
    assert iou(tissue_mask(made.pixels, mpp), made.tissue) >= 0.9


def test_small_fragments_are_not_made_larger():
    gen, truth = np.random.default_rng(5), np.zeros((700, 700), bool)
    y, x = np.mgrid[:700, :700]
    for _ in range(15):
        down, across = gen.uniform(60, 640, 2)
        truth |= np.hypot(y - down, x - across) < gen.uniform(20, 55)
    od = tissue_od(gen, truth, 4.0, cellularity=0.6, fat_share=0.3) * truth[..., None]
    found = tissue_mask(photograph(gen, od, light=0.02), 4.0)
    assert iou(found, truth) >= 0.9


@pytest.mark.parametrize("ink", INKS)
def test_pens_are_dropped(ink):
    made = section(30, mpp=8.0, pen=ink, edge=True)
    found = tissue_mask(made.pixels, 8.0)
    assert (found & made.pen).sum() <= 0.02 * made.pen.sum()
    assert iou(found, made.tissue) >= 0.9


def test_bare_glass_has_no_tissue():
    assert not tissue_mask(np.full((300, 200, 3), (240, 238, 236), np.uint8), 8.0).any()


def test_empty_and_wrong_scale():
    assert tissue_mask(np.zeros((0, 5, 3), np.uint8), 1.0).shape == (0, 5)
    with pytest.raises(ValueError, match="µm"):
        tissue_mask(np.zeros((5, 5, 3), np.uint8), 0.0)
