"""Masks and neighbourhoods by whole-array steps: small pictures of cells come by the hundred thousand."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Values = TypeVar("Values", bound=NDArray[np.generic])


def extremes(values: Values, side: int, most: bool) -> Values:
    """Greatest or least value of every window of `side` x `side` that lies within, (height - side + 1, width - ...)."""
    choose = np.maximum if most else np.minimum
    for _ in range(2):
        reach = 1
        while reach < side:
            step = min(reach, side - reach)
            values = choose(values[:-step], values[step:])
            reach += step
        values = np.swapaxes(values, 0, 1)
    return values


def opened(mask: Mask) -> Mask:
    """Opening by the four neighbours; what lies beyond the edge is as the edge."""
    return _grown(~_grown(~mask))


def filled(mask: Mask) -> Mask:
    """The mask without holes: pieces of its ground that do not reach the edge."""
    label, count = ndimage.label(~mask)
    hole = np.ones(count + 1, dtype=bool)
    for side in (label[0], label[-1], label[:, 0], label[:, -1]):
        hole[side] = False
    hole[0] = True
    return np.asarray(hole[label])


def distance(mask: Mask) -> NDArray[np.float32]:
    """Distance of every pixel to the mask; infinite where it is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    return np.asarray(ndimage.distance_transform_edt(~mask), dtype=np.float32)


def _grown(mask: Mask) -> Mask:
    found = mask.copy()
    found[1:] |= mask[:-1]
    found[:-1] |= mask[1:]
    found[:, 1:] |= mask[:, :-1]
    found[:, :-1] |= mask[:, 1:]
    return found
