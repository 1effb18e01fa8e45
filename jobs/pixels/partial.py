"""Fields of one smear that overlap in part: which of many, by their correlation at every shift.

The normalised correlation over what two pictures share (Padfield 2012, as in `jobs.pixels.overlap`), with all that
belongs to one picture alone worked out once a block, so that a pair costs one inverse transform,
and one more, at twice the size, where that finds it likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from jobs.pixels.overlap import Luma, band, reduced

Field = NDArray[np.uint8]

LONG_SIDE = 320
"""Fields are kept at this longer side at most."""
PAIRS_MOST = 5_000_000
"""Of fields that are held against each other unasked: two cores should take about ten minutes for them."""
_SEARCHED_BY = (4, 2)
"""They are searched at a quarter of that, and what is likely there at half of it."""
_LIKELY, _EVIDENCE = 0.5, 0.26
"""Correlation, and its Fisher's z (artanh) times the root of the share, from which a pair is worth a closer look.

What little is shared must be more alike: 0.68 at a tenth. Of 600 overlaps of real fields, darkened and encoded again,
two had less; of 576 pairs that show nothing in common 16 % have as much at a quarter of the size, none at half of it.
"""
_SHARE_LEAST = 0.08
_FLAT = 1e-3
_COARSER_MOST = 2.0
"""Fields are held against each other when one is reduced by up to so much more: of a much larger one too little is left
that would tell a part of it."""


def factor(width: int, height: int) -> int:
    """By how much a field is reduced."""
    return -(-max(width, height) // LONG_SIDE)


def comparable(one: float, other: float) -> bool:
    """Whether fields that were reduced by so much are held against each other."""
    return max(one, other) <= _COARSER_MOST * min(one, other)


def further(field: Field, by: float) -> Field:
    """A reduced field, reduced by so much more (at least 1); what does not fill a pixel is left out."""
    if by == 1:
        return field
    height, width = (max(1, int(side / by)) for side in field.shape)
    picture = Image.fromarray(field)
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX, (0, 0, width * by, height * by)))


@dataclass(frozen=True)
class _Spectra:
    """What is worked out once for each picture."""

    values: NDArray[np.complex64]
    sums: Luma
    roots: Luma
    """One over the root of the power over what is shared, at every shift."""


class _Search:
    """Two lists of fields, of one shape each, that are held against each other at one scale."""

    def __init__(self, first: list[Field], second: list[Field], by: int) -> None:
        small = [[band(reduced(field, by)) for field in fields] for fields in (first, second)]
        sides = [fields[0].shape for fields in small]
        shape = tuple(fft.next_fast_len(one + other - 1, real=True) for one, other in zip(*sides, strict=True))
        ones = [fft.rfft2(np.ones(side, dtype=np.float32), shape) for side in sides]
        self._shared = np.maximum(np.rint(fft.irfft2(ones[0] * np.conj(ones[1]), shape)), 1).astype(np.float32)
        share = self._shared / min(height * width for height, width in sides)
        needed = np.maximum(np.tanh(_EVIDENCE / np.sqrt(share)), _LIKELY)
        self._needed = np.where(share >= _SHARE_LEAST, needed, np.inf).astype(np.float32)
        self._first = [_spectra(field, np.conj(ones[1]), self._shared) for field in small[0]]
        self._second = [_spectra(field, ones[0], self._shared, second=True) for field in small[1]]

    def likely(self, i: int, j: int) -> bool:
        """Whether the correlation is high enough at some shift."""
        a, b = self._first[i], self._second[j]
        both = fft.irfft2(a.values * b.values, self._shared.shape) - a.sums * b.sums / self._shared
        return bool((both * a.roots * b.roots >= self._needed).any())


def likely_overlaps(first: list[Field], second: list[Field]) -> list[tuple[int, int]]:
    """Pairs of fields, one of each list, whose correlation is high at some shift, by their places in the lists.

    Args:
        first, second: reduced luma, of one shape within each list.
    """
    pairs = list(product(range(len(first)), range(len(second))))
    for by in _SEARCHED_BY:
        if pairs:
            search = _Search(first, second, by)
            pairs = [pair for pair in pairs if search.likely(*pair)]
    return pairs


def _spectra(picture: Luma, others: NDArray[np.complex64], shared: Luma, *, second: bool = False) -> _Spectra:
    shape = shared.shape
    values, squares = fft.rfft2(picture, shape), fft.rfft2(picture * picture, shape)
    if second:
        values, squares = np.conj(values), np.conj(squares)
    sums = fft.irfft2(values * others, shape)
    power = fft.irfft2(squares * others, shape) - sums * sums / shared
    least = max(_FLAT * float(power.max()), _FLAT)
    return _Spectra(values, sums.astype(np.float32), (1 / np.sqrt(np.maximum(power, least))).astype(np.float32))
