"""How the texture of pictures lies: over how much of them it spreads, and where two of them disagree."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from jobs.pixels.register import SIDE, Floats

_WINDOW, _DISAGREES = 11, 0.5
"""Pixels of the windows that are looked at; where two correlate by less than this, they disagree."""


def spread(textures: Floats) -> Floats:
    """Over what share of squares (n, 64, 64) their texture spreads: 1 for an even texture, 0 for a lone speck.

    The participation ratio of its power in windows, (sum p)^2 / (n sum p^2).

    Args:
        textures: band-passed; 0 where unknown.
    """
    power = ndimage.uniform_filter(textures**2, (0, _WINDOW, _WINDOW), mode="constant")
    even = power.sum(axis=(1, 2)) ** 2 / np.maximum((power**2).sum(axis=(1, 2)) * SIDE**2, 1e-6)
    return np.asarray(even, dtype=np.float32)


def elsewhere(first: Floats, second: Floats) -> Floats:
    """Share of the texture that lies where two pictures disagree: a neighbour that only one of them shows.

    Args:
        first, second: (n, 64, 64), band-passed and registered; 0 where either is unknown.
    """
    first, second = (
        one / np.sqrt(np.maximum((one**2).sum(axis=(1, 2), keepdims=True), 1e-6)) for one in (first, second)
    )
    agreed, power = (
        ndimage.uniform_filter(one, (0, _WINDOW, _WINDOW), mode="constant")
        for one in (first * second, (first**2 + second**2) / 2)
    )
    apart = np.where(agreed < (1 - _DISAGREES) * power, power, 0).sum(axis=(1, 2))
    return np.asarray(apart / np.maximum(power.sum(axis=(1, 2)), 1e-6), dtype=np.float32)
