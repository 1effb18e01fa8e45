"""Vectors that hardly change when a picture is shifted, turned, flipped, scaled a little or photographed again.

The magnitude of a Fourier spectrum forgets shifts; means over the eight turns and flips of the plane forget these;
smooth bins over radius and angle forgive a small turn or scale. How far the rest of a change matters is learned from
the pictures themselves: some are changed at random, and distances are measured against that scatter (linear
discriminant analysis, Fisher 1936).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, linalg, ndimage

from jobs.pixels.register import SIDE, Floats, as_floats, warp

DIMENSIONS = 64
_LOW = 13
_RADII, _ANGLES, _RADIUS_MOST = 20, 5, 24.0
_UPPER = np.triu_indices(_LOW)
_EDGE = np.outer(*2 * [np.hanning(SIDE + 2)[1:-1].astype(np.float32)])
"""Falls to 0 at the edges, so that a spectrum does not show them."""


def vectors(squares: NDArray[np.uint8]) -> Floats:
    """Vectors (n, 190) of squares (n, 64, 64), 0 where unknown: logarithms of spectral power."""
    luma, known = as_floats(squares)
    return spectral(luma, known)


def spectral(luma: Floats, known: Floats) -> Floats:
    """`vectors` of luma and weights, both (n, 64, 64)."""
    weights = known * _EDGE
    total = np.maximum(weights.sum(axis=(1, 2), keepdims=True), 1e-6)
    centred = (luma - (luma * weights).sum(axis=(1, 2), keepdims=True) / total) * weights
    power = np.abs(fft.rfft2(centred)) ** 2
    power /= np.maximum((centred**2).sum(axis=(1, 2)), 1e-3)[:, None, None]
    lower, upper = power[:, :_LOW, :_LOW], np.concatenate([power[:, :1, :_LOW], power[:, :-_LOW:-1, :_LOW]], axis=1)
    mean = lower + upper
    mean = mean + mean.transpose(0, 2, 1)
    single = mean[:, *_UPPER][:, 1:]
    binned = power.reshape(len(power), -1) @ _BINS.T
    return np.asarray(np.log(np.concatenate([single + 1e-5, binned + 1e-6], axis=1)), dtype=np.float32)


def _bins() -> Floats:
    """Weights of the smooth bins over radius (logarithmic) and angle (0 to 45 degrees, folded), one row a bin."""
    y = fft.fftfreq(SIDE, 1 / SIDE)[:, None]
    x = np.arange(SIDE // 2 + 1)[None, :]
    radius, angle = np.hypot(y, x), np.arctan2(np.abs(y), x)
    angle = np.minimum(angle, np.pi / 2 - angle)
    # The half plane holds what lies on its edge once and everything else instead of its twin.
    twice = np.where(x > 0, 2.0, 1.0) * (np.abs(y) < SIDE / 2) * (x < SIDE / 2) * (radius > 0.5)
    centres = np.geomspace(1, _RADIUS_MOST, _RADII)
    step = np.pi / 4 / (_ANGLES - 1)
    rows = []
    for centre, width in zip(centres, np.gradient(centres), strict=True):
        for number in range(_ANGLES):
            near = np.exp(-0.5 * ((radius - centre) / (0.6 * width)) ** 2)
            row = near * np.exp(-0.5 * ((angle - number * step) / (0.7 * step)) ** 2) * twice
            rows.append((row / row.sum()).ravel())
    return np.array(rows, dtype=np.float32)


_BINS = _bins()
_TAUGHT, _CHANGES = 400, 800
_TURN, _SCALE, _SHIFT, _BLUR, _NOISE = 6.0, 0.08, 0.1, 2.0, 4.0
"""Changes up to these are learned: degrees, share, share of half a side, standard deviations in pixels and of 255."""


def learned_metric(squares: NDArray[np.uint8], everyone: Floats) -> Floats:
    """A matrix (190, 64) that takes vectors to a space in which a change moves a picture by about one in each axis.

    Args:
        squares: pictures to change, some hundreds if there are, (n, 64, 64).
        everyone: vectors (m, 190) of the whole collection, from which they are to stand out.
    """
    chosen = squares[np.linspace(0, len(squares) - 1, min(len(squares), _TAUGHT)).astype(int)]
    luma, known = as_floats(chosen)
    still = spectral(luma, known)
    random = np.random.default_rng(0)
    times = -(-_CHANGES // len(chosen))
    moved = np.concatenate([spectral(*_changed(luma, known, random)) - still for _ in range(times)])
    within = moved.T @ moved / len(moved)
    size = len(within)
    within += np.eye(size) * (1e-3 * np.trace(within) / size + 1e-6)
    between = np.cov(everyone.T) if len(everyone) > 1 else np.eye(size)
    _, axes = linalg.eigh(between + within, within)
    return np.asarray(axes[:, ::-1][:, :DIMENSIONS], dtype=np.float32)


def _changed(luma: Floats, known: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Luma and weights after a random turn, scale, shift, blur and noise."""
    n = len(luma)
    turn, scale = np.deg2rad(random.uniform(-_TURN, _TURN, n)), random.uniform(1 - _SCALE, 1 + _SCALE, n)
    maps = np.zeros((n, 2, 3), dtype=np.float32)
    maps[:, 0, 0] = maps[:, 1, 1] = np.cos(turn) * scale
    maps[:, 1, 0] = np.sin(turn) * scale
    maps[:, 0, 1] = -maps[:, 1, 0]
    maps[:, :, 2] = random.uniform(-_SHIFT, _SHIFT, (n, 2))
    blurs, noises = random.uniform(0, _BLUR, n), random.uniform(0, _NOISE, n)
    seen = warp(luma, maps, SIDE)[0]
    seen = np.stack([ndimage.gaussian_filter(one, blur) for one, blur in zip(seen, blurs, strict=True)])
    seen += random.normal(size=seen.shape).astype(np.float32) * noises[:, None, None]
    return seen.astype(np.float32), (warp(known, maps, SIDE)[0] > 0.5).astype(np.float32)
