"""Each column tells its planted fault from sound tiles; `pytest -s` prints the table of AUROCs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from jobs.pixels.quality import quality
from tests.histology import INKS, photograph, stroke, tissue_od

SIDE, MPP, TILES = 256, 0.5, 24


def density(seed, strength=None, fat_share=None):
    gen = np.random.default_rng(seed)
    mask = np.ones((SIDE, SIDE), bool)
    return gen, tissue_od(
        gen, mask, MPP,
        strength=strength or gen.choice([0.5, 0.8, 1.2]), cellularity=gen.uniform(0.1, 0.6),
        fat_share=gen.uniform(0, 0.5) if fat_share is None else fat_share, blood=gen.choice([0, 0, 0.2]),
    )  # fmt: skip


def sound(seed):
    gen, od = density(seed)
    return shot(gen, od)


def shot(gen, od, gain=1.0):
    white = np.minimum(gen.uniform(225, 245) * (1 + gen.uniform(-0.03, 0.03, 3)), 250) * gain
    return photograph(gen, od, white=white, noise=gen.uniform(0.5, 3), quality=int(gen.integers(80, 96)))


def blurred(seed, share=1.0):
    gen, od = density(seed)
    light = ndimage.gaussian_filter(np.exp(-od), (*[gen.uniform(1.8, 5)] * 2, 0))
    od[: int(share * SIDE)] = -np.log(light[: int(share * SIDE)])
    return shot(gen, od)


def blurred_in_part(seed):
    return blurred(seed, 0.5)


def penned(seed, least=0.7, most=1.0):
    gen, od = density(seed)
    ink = np.array(INKS[list(INKS)[seed % len(INKS)]]) + 1
    marked = ndimage.gaussian_filter(stroke(gen, (SIDE, SIDE), 160).astype(float) * gen.uniform(least, most), 2)
    return shot(gen, od + marked[..., None] * -np.log(ink / 245))


def translucent(seed):
    return penned(seed, 0.45, 0.6)


def band(gen):
    y, x = np.mgrid[:SIDE, :SIDE]
    angle, place = gen.uniform(0, np.pi), gen.uniform(-60, 60)
    far = np.abs((x - SIDE / 2) * np.cos(angle) + (y - SIDE / 2) * np.sin(angle) - place)
    return (far < gen.uniform(14, 40))[..., None]


def folded(seed):
    gen, od = density(seed)
    return shot(gen, od * (1 + gen.uniform(0.9, 1.6) * band(gen)))


def shaded(seed):
    """A fold that darkens all colours alike."""
    gen, od = density(seed)
    return shot(gen, od + gen.uniform(0.4, 0.7) * band(gen) * (od[..., 1:2] > 0.02))


def empty(seed):
    gen, od = density(seed, fat_share=0.0)
    y, x = np.mgrid[:SIDE, :SIDE]
    return shot(gen, od * (x * 0.4 + y < gen.uniform(20, 200))[..., None])


def clipped(seed):
    gen, od = density(seed)
    return shot(gen, od, gen.uniform(1.15, 1.5))


def faded(seed):
    gen, od = density(seed)
    tile = shot(gen, od).astype(float)
    grey = tile.mean(axis=2, keepdims=True)
    return (grey + (tile - grey) * gen.uniform(0.3, 0.5)).round().astype(np.uint8)


def auroc(bad, good):
    bad, good = np.asarray(bad, float), np.asarray(good, float)
    return stats.mannwhitneyu(bad, good).statistic / (len(bad) * len(good))


FAULTS = {
    "focus": [blurred, blurred_in_part],
    "pen_fraction": [penned, translucent],
    "fold_fraction": [folded, shaded],
    "background_fraction": [empty],
    "clipped_fraction": [clipped],
    "brightness": [clipped],
    "saturation": [faded],
}


@pytest.fixture(scope="module")
def good():
    return [quality(sound(seed), MPP) for seed in range(TILES)]


@pytest.mark.parametrize(("column", "plant"), [(column, plant) for column in FAULTS for plant in FAULTS[column]])
def test_planted_fault_on_synthetic_tiles(column, plant, good):
    sign = -1 if column in ("focus", "saturation") else 1
    bad = [quality(plant(1000 + seed), MPP) for seed in range(TILES)]
    found = auroc([sign * getattr(q, column) for q in bad], [sign * getattr(q, column) for q in good])
    print(f"\n{column:22} {plant.__name__:16} AUROC {found:.3f}")
    assert found >= 0.95


@pytest.mark.parametrize("column", ["focus", "pen_fraction", "clipped_fraction", "brightness"])
def test_planted_fault_on_real_fields(column):
    fields = sorted(Path(os.environ.get("HEMALAKE_REAL_DATA", "../shared/data"), "BCCD/BCCD/JPEGImages").glob("*.jpg"))
    if not fields:
        pytest.skip("real data are absent")
    gen = np.random.default_rng(1)
    tiles = []
    for path in fields[::9]:
        top, left = gen.integers(0, 230), gen.integers(0, 390)
        tiles.append(np.asarray(Image.open(path).convert("RGB"))[top : top + 250, left : left + 250])
    bad = []
    for number, tile in enumerate(tiles):
        if column == "focus":
            made = ndimage.gaussian_filter(tile.astype(float), (*[gen.uniform(2, 5)] * 2, 0))
        elif column == "pen_fraction":
            ink = np.array(INKS[list(INKS)[number % len(INKS)]])
            cover = ndimage.gaussian_filter(stroke(gen, tile.shape[:2], 100).astype(float), 2)[..., None] * 0.9
            made = tile * (ink / 245) ** cover
        else:
            made = tile * gen.uniform(1.3, 1.6)
        noisy = made + gen.normal(0, gen.uniform(0, 2), tile.shape)
        bad.append(quality(np.clip(noisy, 0, 255).astype(np.uint8), 0.1))
    sign = -1 if column == "focus" else 1
    score = [[sign * getattr(q, column) for q in some] for some in (bad, [quality(tile, 0.1) for tile in tiles])]
    found = auroc(*score)
    print(f"\n{column:22} AUROC {found:.3f} on real fields")
    assert found >= 0.95


def test_values_that_are_known():
    grey = quality(np.full((50, 60, 3), 128, np.uint8))
    assert (grey.focus, grey.clipped_fraction, grey.saturation) == (0, 0, 0)
    assert grey.brightness == pytest.approx(128 / 255, abs=1e-3)
    assert quality(np.full((20, 20, 3), 255, np.uint8)).clipped_fraction == 1
    assert quality(np.zeros((1, 1, 3), np.uint8)).brightness == 0
