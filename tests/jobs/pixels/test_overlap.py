"""Correlation, and overlaps of fields."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from jobs.pixels.overlap import ncc, overlap
from jobs.pixels.square import luma


@pytest.fixture(scope="module")
def fields(real_data):
    paths = sorted((real_data / "BCCD/BCCD/JPEGImages").glob("*.jpg"))[::12]
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def encoded_again(pixels: np.ndarray, quality: int) -> np.ndarray:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=quality)
    return np.asarray(Image.open(target))


def smear(seed: int, width: int = 640, height: int = 480) -> np.ndarray:
    """Luma of a field strewn with discs, on uneven light that all fields share."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:height, :width]
    field = 230 - 60 * (((xs - width / 2) / width) ** 2 + ((ys - height / 2) / height) ** 2)
    for _ in range(width * height // 3000):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(14, 20)
        distance = np.hypot(xs - x, ys - y)
        field = np.where(distance < radius, field * (0.7 + 0.1 * (distance < radius / 2)), field)
    return field + rng.normal(0, 2, field.shape)


def test_ncc():
    pattern = np.random.default_rng(1).uniform(0, 255, (20, 30))
    assert ncc(pattern, pattern * 0.3 + 20) == pytest.approx(1)
    assert ncc(pattern, 255 - pattern) == pytest.approx(-1)
    assert abs(ncc(pattern, np.roll(pattern, 7, axis=1))) < 0.3
    assert ncc(np.full((5, 5), 9.0), np.full((5, 5), 9.0)) == 0


@pytest.mark.parametrize("corner", [(0, 0), (30, 0), (-1, 57), (101, -64), (-120, -90), (7, 11)])
def test_overlap_finds_the_shift_of_two_windows(corner):
    canvas = smear(1, 700, 560)
    dx, dy = corner
    a = canvas[120:440, 150:550]
    b = canvas[120 + dy : 440 + dy, 150 + dx : 550 + dx] + np.random.default_rng(2).normal(0, 3, (320, 400))
    found = overlap(a, b)
    assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=1)
    assert found.share == pytest.approx((400 - abs(dx)) * (320 - abs(dy)) / (400 * 320), abs=0.02)
    assert found.score > 0.9
    back = overlap(b, a)
    assert (back.dx, back.dy) == pytest.approx((-dx, -dy), abs=1)


def test_overlap_of_windows_of_different_size():
    canvas = smear(3)
    found = overlap(canvas, canvas[100:340, 200:520])
    assert (found.dx, found.dy) == pytest.approx((200, 100), abs=1)
    assert found.share == pytest.approx(1, abs=0.02)
    assert found.score > 0.9


def test_distinct_fields_of_one_smear_do_not_overlap():
    drawn = [smear(seed, 320, 240) for seed in range(8)]
    scores = [overlap(a, b).score for n, a in enumerate(drawn) for b in drawn[:n]]
    assert max(scores) < 0.7


def test_overlap_of_real_fields(fields):
    for field, (dx, dy) in zip(fields[:12], [(60, 40), (150, -90), (-201, 33)] * 4, strict=True):
        a = luma(encoded_again(field[100:400, 210:530], 90))
        b = luma(encoded_again(field[100 + dy : 400 + dy, 210 + dx : 530 + dx], 70))
        found = overlap(a, b)
        assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=1)
        assert found.score > 0.85


def test_distinct_real_fields_do_not_overlap(fields):
    scores = [overlap(luma(a), luma(b)).score for a, b in itertools.pairwise(fields)]
    assert max(scores) < 0.65


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (500, 2), (17, 17)])
def test_overlap_of_odd_pictures(shape):
    flat = np.full(shape, 200.0)
    assert overlap(flat, flat).score <= 0
    noise = np.random.default_rng(1).uniform(0, 255, shape)
    assert -1 <= overlap(noise, flat).score <= 0
    assert -1 <= overlap(noise, np.random.default_rng(2).uniform(0, 255, (40, 30))).score <= 1
