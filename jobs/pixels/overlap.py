"""Correlation of pictures, and the shift between two fields that show a part of the same smear.

The search is the masked correlation of Padfield ("Masked object registration in the Fourier domain", IEEE TIP
2012): the normalised correlation over what both pictures share, at every shift at once. Both are band-passed
first, so that uneven light and encoding noise count little, and stain alone does not make two fields alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Luma = NDArray[np.float32]

_SIDE = 320
"""Pictures are compared at this longer side at most, which bounds the time; the search has half of it."""
_FINE, _COARSE = 1.0, 4.0
"""Standard deviations of the band-pass, in pixels of the reduced pictures."""
_CANDIDATES = 3
_SHARE_LEAST = 0.08
"""Overlaps of a smaller share are not looked for: two scraps are easily alike by chance."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How two pictures lie over each other."""

    dx: float
    dy: float
    """Where b's upper left corner lies in a, in pixels."""
    share: float
    """Area that both show, as a share of the smaller picture."""
    score: float
    """Correlation over that area at the best shift, from -1 to 1; fractions of a pixel are interpolated."""


def ncc(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Zero-mean normalised cross-correlation of two arrays of one shape, -1 to 1; 0 where one is flat."""
    first = a - a.mean(dtype=np.float64)
    second = b - b.mean(dtype=np.float64)
    powers = np.vdot(first, first), np.vdot(second, second)
    # A hundredth of a grey level is what rounding alone leaves.
    if min(powers) <= 1e-4 * a.size:
        return 0.0
    return float(np.clip(np.vdot(first, second) / math.sqrt(powers[0] * powers[1]), -1, 1))


def overlap(a_luma: NDArray[Any], b_luma: NDArray[Any]) -> Overlap:
    """The best shift of b against a, without turning or scaling; the score says whether to believe it.

    Distinct fields of one smear score below 0.7, parts of one field in another encoding above 0.85.

    Args:
        a_luma, b_luma: luma (height, width) of any size, at the same scale.
    """
    reduction = math.ceil(max(*a_luma.shape, *b_luma.shape) / _SIDE)
    a, b = (band(reduced(each, reduction)) for each in (a_luma, b_luma))
    small = [band(reduced(each, 2)) for each in (a, b)]
    places = [(2 * x, 2 * y) for x, y in _peaks(*small)]
    x, y = max(places, key=lambda place: _score(a, b, *place), default=(0, 0))
    x, y = _climb(a, b, x, y)
    score, fraction_x, fraction_y = _between_pixels(a, b, x, y)
    dx, dy = (x + fraction_x) * reduction, (y + fraction_y) * reduction
    return Overlap(dx, dy, _share(a_luma.shape, b_luma.shape, dx, dy), score)


def reduced(luma: NDArray[Any], factor: int) -> Luma:
    """Means over squares; what does not fill one at the right and lower edge is left out."""
    height, width = (max(1, side // factor) for side in luma.shape)
    cut = luma[: height * factor, : width * factor].astype(np.float32, copy=False)
    if factor == 1 or min(luma.shape) < factor:
        return cut
    squares = cut.reshape(height, factor, width, factor)
    return np.asarray(squares.mean(axis=(1, 3), dtype=np.float32))


def band(luma: Luma) -> Luma:
    """Difference of two Gaussian means: neither uneven light nor the noise of single pixels is left."""
    fine = ndimage.gaussian_filter(luma, _FINE, truncate=3)
    return np.asarray(fine - ndimage.gaussian_filter(luma, _COARSE, truncate=3), dtype=np.float32)


def _peaks(a: Luma, b: Luma) -> list[tuple[int, int]]:
    """Shifts (x, y) of b in a with the highest correlation, none next to another."""
    scores = _correlation_map(a, b)
    found = []
    for _ in range(_CANDIDATES):
        row, column = (int(n) for n in np.unravel_index(scores.argmax(), scores.shape))
        # The second half of either axis holds the negative shifts.
        y = row if row < a.shape[0] else row - scores.shape[0]
        x = column if column < a.shape[1] else column - scores.shape[1]
        found.append((x, y))
        rows = np.arange(row - 2, row + 3) % scores.shape[0]
        columns = np.arange(column - 2, column + 3) % scores.shape[1]
        scores[np.ix_(rows, columns)] = -1
    return found


def _correlation_map(a: Luma, b: Luma) -> Luma:
    """Correlation over what is shared at every shift (Padfield 2012); -1 where that is too small."""
    shape = [fft.next_fast_len(m + n - 1, real=True) for m, n in zip(a.shape, b.shape, strict=True)]
    of_a = [fft.rfft2(each, shape) for each in (a, a * a, np.ones_like(a))]
    of_b = [np.conj(fft.rfft2(each, shape)) for each in (b, b * b, np.ones_like(b))]
    shared = np.rint(fft.irfft2(of_a[2] * of_b[2], shape))
    count = np.maximum(shared, 1)
    sum_a, sum_b = fft.irfft2(of_a[0] * of_b[2], shape), fft.irfft2(of_a[2] * of_b[0], shape)
    both = fft.irfft2(of_a[0] * of_b[0], shape) - sum_a * sum_b / count
    power_a = fft.irfft2(of_a[1] * of_b[2], shape) - sum_a * sum_a / count
    power_b = fft.irfft2(of_a[2] * of_b[1], shape) - sum_b * sum_b / count
    power = np.sqrt(np.maximum(power_a, 0) * np.maximum(power_b, 0))
    tolerance = 1e-3 * float(power.max()) + 1e-6
    known = (power > tolerance) & (shared >= _SHARE_LEAST * min(a.size, b.size))
    return np.where(known, both / np.maximum(power, tolerance), -1).astype(np.float32)


def _score(a: Luma, b: Luma, x: int, y: int) -> float:
    """Correlation over what both share when b's corner lies at (x, y) in a; -1 where that is too little."""
    left, top = max(0, x), max(0, y)
    right, bottom = min(a.shape[1], x + b.shape[1]), min(a.shape[0], y + b.shape[0])
    area = max(0, right - left) * max(0, bottom - top)
    if area < max(2, _SHARE_LEAST / 2 * min(a.size, b.size)):
        return -1.0
    return ncc(a[top:bottom, left:right], b[top - y : bottom - y, left - x : right - x])


def _climb(a: Luma, b: Luma, x: int, y: int) -> tuple[int, int]:
    """The nearest shift that none of its neighbours betters."""
    scores: dict[tuple[int, int], float] = {}
    while True:
        near = [(x + i, y + j) for j in (-1, 0, 1) for i in (-1, 0, 1)]
        for place in near:
            if place not in scores:
                scores[place] = _score(a, b, *place)
        best = max(near, key=lambda place: scores[place])
        if scores[best] <= scores[(x, y)]:
            return x, y
        x, y = best


def _between_pixels(a: Luma, b: Luma, x: int, y: int) -> tuple[float, float, float]:
    """Height and place (x, y) of the peak, by a parabola through its neighbours on either axis."""
    peak = _score(a, b, x, y)
    height, places = peak, []
    for i, j in ((1, 0), (0, 1)):
        before, after = _score(a, b, x - i, y - j), _score(a, b, x + i, y + j)
        bend = before - 2 * peak + after
        place = 0.5 * (before - after) / bend if bend < 0 and min(before, after) > -1 else 0.0
        height -= 0.25 * (before - after) * place
        places.append(place)
    return min(1.0, height), places[0], places[1]


def _share(a: tuple[int, ...], b: tuple[int, ...], dx: float, dy: float) -> float:
    width = min(a[1], dx + b[1]) - max(0.0, dx)
    height = min(a[0], dy + b[0]) - max(0.0, dy)
    return max(0.0, width) * max(0.0, height) / min(a[0] * a[1], b[0] * b[1])
