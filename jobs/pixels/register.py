"""How one picture lies on another: the best of eight turns and flips, then an affine map.

The shift comes from the correlation of Fourier spectra; the map from Gauss-Newton steps on the difference (Lucas
and Kanade, IJCAI 1981; Baker and Matthews, IJCV 2004). Everything works on stacks of squares to which pictures were
stretched; coordinates run from -1 to 1 across a square, so that a map holds at every size.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Floats = NDArray[np.float32]

SIDE = 64
"""Side of the squares on which pictures are compared, in pixels."""
COARSE = 32
DIHEDRALS = 8
_COARSE_BAND = (0.7, 2.5)
"""Standard deviations of the band-pass, in coarse pixels."""
_REACH = 5
"""Shifts up to this are looked for, in coarse pixels: a sixth of a side."""
_STEP_MOST = 0.15


def dihedral(squares: NDArray[Any], which: int) -> NDArray[Any]:
    """(…, side, side), mirrored left to right where `which` is over 3, then turned anticlockwise by right angles."""
    mirrored = squares[..., ::-1] if which >= 4 else squares
    return np.rot90(mirrored, which % 4, axes=(-2, -1))


def dihedrals(squares: NDArray[Any], which: NDArray[np.int64]) -> NDArray[Any]:
    """Squares (n, side, side), each by a turn or flip of its own."""
    turned = np.empty_like(squares)
    for one in np.unique(which).tolist():
        turned[which == one] = dihedral(squares[which == one], one)
    return turned


def inverse(which: int) -> int:
    """The dihedral that undoes another: a mirrored one undoes itself."""
    return which if which >= 4 else -which % 4


def as_floats(squares: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Luma and weights of squares (n, side, side): 0 is unknown, weighs nothing and gets the mean of the rest."""
    known = (squares > 0).astype(np.float32)
    luma = squares.astype(np.float32)
    mean = luma.sum(axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
    return np.where(known > 0, luma, mean[:, None, None]), known


def half(squares: Floats) -> Floats:
    """Means over squares of 2x2 pixels."""
    side = squares.shape[-1]
    return _both_ways(np.repeat(np.eye(side // 2, dtype=np.float32) / 2, 2, axis=1), squares)


def means(values: Floats, weights: Floats, sigma: float) -> Floats:
    """Gaussian means of squares over what has weight in them."""
    over = _gaussian(values.shape[-1], sigma)
    return np.asarray(
        _both_ways(over, values * weights) / np.maximum(_both_ways(over, weights), 1e-3), dtype=np.float32
    )


def band(luma: Floats, known: Floats, fine: float, coarse: float) -> Floats:
    """Difference of two Gaussian means over the known pixels; 0 elsewhere."""
    # Most pictures are known everywhere: then one weight serves all.
    weights = known[:1] if known.all() else known
    found = (means(luma, weights, fine) - means(luma, weights, coarse)) * (known > 0.5)
    return np.asarray(found, dtype=np.float32)


def local_ncc(a: Floats, b: Floats, both: NDArray[np.bool_], sigma: float, noise: float) -> Floats:
    """Mean of the correlations in Gaussian windows of squares (n, side, side): a strong outline counts no more than
    a faint texture.

    Args:
        a, b: squares, band-passed.
        both: what counts.
        sigma: standard deviation of the windows, in pixels.
        noise: variance at which a window has half its weight; where both are empty it has none.
    """
    weights = both.astype(np.float32)
    mean_a, mean_b = means(a, weights, sigma), means(b, weights, sigma)
    of_a, of_b = means(a * a, weights, sigma) - mean_a**2, means(b * b, weights, sigma) - mean_b**2
    shared = means(a * b, weights, sigma) - mean_a * mean_b
    power = np.maximum((of_a + of_b) / 2, 0)
    counts = weights * power / (power + noise)
    local = shared / np.sqrt(np.maximum(of_a * of_b, 1e-6))
    return np.asarray((local * counts).sum(axis=(1, 2)) / np.maximum(counts.sum(axis=(1, 2)), 1e-6))


@cache
def _gaussian(side: int, sigma: float) -> Floats:
    """The matrix (side, side) that takes a row of pixels to its Gaussian means."""
    rows = ndimage.gaussian_filter1d(np.eye(side), sigma, axis=0, mode="constant", truncate=3)
    return np.asarray(rows, dtype=np.float32)


def _both_ways(matrix: Floats, squares: Floats) -> Floats:
    """Squares (n, side, side) after a matrix (m, side) along their rows and along their columns: (n, m, m).

    One product a square: in one for all, the last bit of a result would depend on how many there are.
    """
    return np.asarray(matrix @ (squares @ matrix.T), dtype=np.float32)


def coarse(halves: Floats, known: Floats) -> Floats:
    """Squares (n, 32, 32) of half size and their weights, band-passed, windowed and of unit power.

    In this band, distinct cells of one kind agree by 0.5 and copies by 0.84 or more; in plain luma both by 0.8.
    """
    edge = np.hanning(COARSE + 2)[1:-1].astype(np.float32)
    found = band(halves, (known > 0.99).astype(np.float32), *_COARSE_BAND) * (edge[:, None] * edge[None, :])
    power = np.sqrt((found**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(found / np.maximum(power, 1e-3), dtype=np.float32)


def spectra(squares: Floats) -> NDArray[np.complex64]:
    """Fourier transforms (n, 32, 17) of coarse squares."""
    return np.asarray(fft.rfft2(squares), dtype=np.complex64)


def coarse_fits(a: NDArray[np.complex64], b: NDArray[np.complex64]) -> tuple[Floats, Floats]:
    """Best correlation of b's spectra on a's, and the maps (n, 2, 3) from a's coordinates to b's that give it."""
    scores = fft.irfft2(a * np.conj(b), (COARSE, COARSE))
    near = np.arange(-_REACH, _REACH + 1)
    cut = scores[:, near[:, None], near[None, :]].reshape(len(scores), -1)
    best = cut.argmax(axis=1)
    maps = np.zeros((len(cut), 2, 3), dtype=np.float32)
    maps[:, 0, 0] = maps[:, 1, 1] = 1
    maps[:, 0, 2] = -near[best % len(near)] * (2 / COARSE)
    maps[:, 1, 2] = -near[best // len(near)] * (2 / COARSE)
    return cut[np.arange(len(cut)), best], maps


def warp(squares: Floats, maps: Floats, side: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Squares (n, s, s) read at maps (n, 2, 3) of the grid of a square, bilinear; and where that lies inside."""
    own, axis = squares.shape[-1], _axis(side)
    scaled = maps * np.float32(own / 2)
    scaled[:, :, 2] += np.float32((own - 1) / 2)
    u, v = (
        (line[:, 1, None] * axis + line[:, 2, None])[:, :, None] + (line[:, 0, None] * axis)[:, None, :]
        for line in (scaled[:, 0], scaled[:, 1])
    )
    inside = _within(u, own) & _within(v, own)
    np.clip(u, 0, own - 1.001, out=u)
    np.clip(v, 0, own - 1.001, out=v)
    left, top = u.astype(np.int32), v.astype(np.int32)
    u -= left
    v -= top
    top *= own
    top += left
    top += (np.arange(len(squares), dtype=np.int32) * (own * own))[:, None, None]
    place, flat = top.astype(np.intp), squares.reshape(-1)
    upper, right = flat.take(place), flat.take(place + 1)
    upper += (right - upper) * u
    place += own
    lower, right = flat.take(place), flat.take(place + 1)
    lower += (right - lower) * u
    upper += (lower - upper) * v
    return upper, inside


def _within(at: Floats, side: int) -> NDArray[np.bool_]:
    return np.asarray((at > -0.01) & (at < side - 0.99))


def in_pixels(maps: Floats, of_a: Floats, of_b: Floats) -> Floats:
    """The linear part (n, 2, 2) of maps between squares, as it is between pictures of one area.

    Args:
        maps: (n, 2, 3).
        of_a, of_b: height by width of the pictures that were stretched to squares.
    """
    a, b = (np.stack([1 / np.sqrt(one), np.sqrt(one)], axis=1) for one in (of_a, of_b))
    return np.asarray(maps[:, :, :2] * b[:, :, None] / a[:, None, :], dtype=np.float32)


def bending(linear: Floats) -> Floats:
    """How far (n, 2, 2) are from the identity: 0.12 for a turn by 5 degrees, 0.1 for a scale of 0.93."""
    return np.asarray(np.linalg.norm(linear - np.eye(2, dtype=np.float32), axis=(1, 2)))


def refine(a: Floats, known_a: Floats, b: Floats, known_b: Floats, maps: Floats, steps: int) -> Floats:
    """Gauss-Newton steps on maps (n, 2, 3) that bring b onto a, whatever gain and offset lie between them."""
    n, side = len(a), a.shape[-1]
    x, y = np.broadcast_arrays(_axis(side)[None, :], _axis(side)[:, None])
    grid = np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    maps, whole = maps.copy(), bool(known_b.all())
    target = a.reshape(n, -1)
    for _ in range(steps):
        seen, inside = warp(b, maps, side)
        weights = known_a * inside
        if not whole:
            weights *= warp(known_b, maps, side)[0] > 0.5
        weights = weights.reshape(n, -1)
        down, right = np.gradient(seen, 2 / side, axis=(1, 2))
        source, goal = _centred(seen.reshape(n, -1), weights), _centred(target, weights)
        gain = (source * goal).sum(axis=1) / np.maximum((goal * goal).sum(axis=1), 1e-6)
        error = gain[:, None] * goal - source
        slopes = np.stack([right.reshape(n, -1), down.reshape(n, -1)], axis=1) * weights[:, None]
        jacobian = (slopes[:, :, None, :] * grid).reshape(n, 6, -1)
        # The mean of each slope is taken out of the products, which are fewer. The error has none.
        mean = jacobian.sum(axis=2, keepdims=True)
        hessian = jacobian @ jacobian.transpose(0, 2, 1)
        hessian -= mean @ mean.transpose(0, 2, 1) / np.maximum(weights.sum(axis=1), 1)[:, None, None]
        damping = 1e-3 * np.trace(hessian, axis1=1, axis2=2) / 6 + 1e-6
        hessian += np.eye(6, dtype=np.float32) * damping[:, None, None]
        step = np.linalg.solve(hessian, jacobian @ error[..., None])[..., 0]
        maps += np.clip(step, -_STEP_MOST, _STEP_MOST).reshape(n, 2, 3)
    return maps


def weighted_ncc(a: Floats, b: Floats, weights: Floats) -> Floats:
    """Zero-mean normalised correlation of each two squares, weighted by 0 or 1; 0 where one is flat."""
    n = len(a)
    w = weights.reshape(n, -1)
    x, y = _centred(a.reshape(n, -1), w), _centred(b.reshape(n, -1), w)
    power = (x * x).sum(axis=1) * (y * y).sum(axis=1)
    # Less than a tenth of a grey level in every pixel is rounding.
    return np.where(power > (0.01 * w.sum(axis=1)) ** 2, (x * y).sum(axis=1) / np.sqrt(np.maximum(power, 1e-9)), 0)


def _axis(side: int) -> Floats:
    """Coordinates of the centres of a square's pixels."""
    return ((np.arange(side) + 0.5) * 2 / side - 1).astype(np.float32)


def _centred(values: Floats, weights: Floats) -> Floats:
    """Values less their weighted mean over the last axis, weighted."""
    total = np.maximum(weights.sum(axis=-1, keepdims=True), 1)
    return np.asarray((values - (values * weights).sum(axis=-1, keepdims=True) / total) * weights)
