"""Fields of one smear that overlap in part: which of many, by their correlation at every shift.

The normalised correlation over what two pictures share (Padfield 2012, as in `jobs.pixels.overlap`), with all that
belongs to one picture alone worked out once a block, so that a pair costs one inverse transform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from jobs.pixels.overlap import Luma, band, reduced

Field = NDArray[np.uint8]

LONG_SIDE = 320
"""Fields are kept at this longer side at most, and searched at half of it."""
_LIKELY = 0.6
"""Correlation, at half the size, from which a pair is worth a closer look: overlaps of real fields have 0.8."""
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


def likely_overlaps(first: list[Field], second: list[Field]) -> Iterator[tuple[int, int]]:
    """Pairs of fields, one of each list, whose correlation is high at some shift, by their places in the lists.

    Args:
        first, second: reduced luma, of one shape within each list.
    """
    halves = [tuple(side // 2 for side in fields[0].shape) for fields in (first, second)]
    shape = tuple(fft.next_fast_len(one + other - 1, real=True) for one, other in zip(*halves, strict=True))
    ones = [fft.rfft2(np.ones(half, dtype=np.float32), shape) for half in halves]
    shared = np.maximum(np.rint(fft.irfft2(ones[0] * np.conj(ones[1]), shape)), 1).astype(np.float32)
    enough = shared >= _SHARE_LEAST * min(height * width for height, width in halves)
    left = [_spectra(_small(field), np.conj(ones[1]), shared) for field in first]
    right = [_spectra(_small(field), ones[0], shared, second=True) for field in second]
    for (i, a), (j, b) in product(enumerate(left), enumerate(right)):
        if _most(a, b, shared, enough) >= _LIKELY:
            yield i, j


def _small(field: NDArray[np.uint8]) -> Luma:
    return band(reduced(field, 2))


def _spectra(picture: Luma, others: NDArray[np.complex64], shared: Luma, *, second: bool = False) -> _Spectra:
    shape = shared.shape
    values, squares = fft.rfft2(picture, shape), fft.rfft2(picture * picture, shape)
    if second:
        values, squares = np.conj(values), np.conj(squares)
    sums = fft.irfft2(values * others, shape)
    power = fft.irfft2(squares * others, shape) - sums * sums / shared
    least = max(_FLAT * float(power.max()), _FLAT)
    return _Spectra(values, sums.astype(np.float32), (1 / np.sqrt(np.maximum(power, least))).astype(np.float32))


def _most(a: _Spectra, b: _Spectra, shared: Luma, enough: NDArray[np.bool_]) -> float:
    both = fft.irfft2(a.values * b.values, shared.shape) - a.sums * b.sums / shared
    return float((both * a.roots * b.roots)[enough].max())
