"""What can be wrong with a tile or a crop of a cell, as numbers: no picture is dropped here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from jobs.pixels.digest import luma
from jobs.pixels.optical import Floats, optical_density, stain
from jobs.pixels.tissue import pen_mask

_ASSUMED_UM = 0.25
"""µm per pixel of a picture that states none: an objective of 40x."""
_SIDE_LEAST_UM = 400.0
"""Pens are sought as if the picture were at least this wide."""
_FOLD_SIDE = 128
"""Pixels of a side at which folds are sought."""
_GLASS_MOST, _GLASS_STAIN_MOST = 0.10, 0.05
"""Mean absorbance and stain below which a pixel shows bare glass."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Columns of a tile or a crop; every one from 0 to 1, and no threshold is meant by any."""

    focus: float
    """Steepness of the edges: 0 flat or blurred, about 1 where edges are one pixel wide."""
    background_fraction: float
    """Share of bare glass, holes in the tissue included."""
    pen_fraction: float
    """Share that a pen has marked."""
    fold_fraction: float
    """Share of the tissue that absorbs far more than is usual in this picture, in all colours and over a band."""
    clipped_fraction: float
    """Share of pixels with a colour at the end of its range."""
    saturation: float
    """Mean saturation in HSV."""
    brightness: float
    """Mean luma, of the greatest."""


def quality(pixels: NDArray[np.uint8], mpp: float | None = None) -> Quality:
    """Measure a tile or a crop.

    Args:
        pixels: (height, width, 3), RGB, at least one pixel.
        mpp: µm per pixel; 0.25 is assumed where None.
    """
    # A pen is wider than a crop of a cell: there a share of its side stands for its size.
    um = max(mpp or _ASSUMED_UM, _SIDE_LEAST_UM / max(pixels.shape[:2]))
    density = optical_density(pixels)
    background = background_mask(density)
    ink = pen_mask(density, um)
    most = pixels.max(axis=2).astype(np.float32)
    return Quality(
        focus=edge_steepness(luma(pixels)),
        background_fraction=float(background.mean()),
        pen_fraction=float(ink.mean()),
        fold_fraction=_folded(density, ~background & ~ink),
        clipped_fraction=float(((most >= 254) | (pixels.min(axis=2) <= 1)).mean()),
        saturation=float(((most - pixels.min(axis=2)) / np.maximum(most, 1)).mean()),
        brightness=float(luma(pixels).mean() / 255),
    )


def edge_steepness(values: Floats) -> float:
    """How much of its local range an edge crosses in a pixel, at the strongest edges: the inverse of their width.

    Taken where the range over 9x9 pixels is among the highest twentieth, so that neither the stain's strength nor how
    many edges there are matters. A first blur of 0.7 pixels keeps the sensor's noise from being taken for detail.

    Args:
        values: (height, width), luma from 0 to 255.

    Returns:
        0 to 1.
    """
    if min(values.shape) < 9:
        return 0.0
    calm = ndimage.gaussian_filter(values, 0.7)
    reach = ndimage.maximum_filter(calm, 9) - ndimage.minimum_filter(calm, 9)
    slope = np.hypot(*np.gradient(calm))
    steepest = ndimage.maximum_filter(slope, 9)
    strong = reach >= max(float(np.percentile(reach, 95)), 6.0)
    if not strong.any():
        return 0.0
    return float(min(1.0, 2 * np.mean(steepest[strong] / reach[strong])))


def background_mask(density: Floats) -> NDArray[np.bool_]:
    """Where bare glass shows, (height, width): neither absorbance nor stain, averaged over some pixels.

    Args:
        density: (height, width, 3), optical density.
    """
    calm = ndimage.gaussian_filter(density, (1.5, 1.5, 0))
    return np.asarray((calm.mean(axis=2) < _GLASS_MOST) & (stain(calm) < _GLASS_STAIN_MOST))


def _folded(density: Floats, tissue: NDArray[np.bool_]) -> float:
    """Mean over the tissue of how far it is folded: 0 at 1.4 times the usual absorbance, 1 at 1.8 times.

    Two layers absorb twice as much, also between the nuclei: so the lowest quarter of a neighbourhood counts. Blood
    absorbs more as well, but blue above all; what changes its hue is no fold.

    Args:
        density: (height, width, 3), optical density.
        tissue: (height, width).
    """
    if tissue.mean() < 0.02:
        return 0.0
    block = max(1, min(tissue.shape) // _FOLD_SIDE)
    height, width = (side // block * block for side in tissue.shape)
    parts = (height // block, block, width // block, block)
    there = tissue[:height, :width].reshape(parts).mean(axis=(1, 3)) > 0.5
    if not there.any():
        return 0.0
    small = density[:height, :width].reshape(*parts, 3).mean(axis=(1, 3))
    low = []
    for channel in (1, 2):
        values = np.where(there, small[..., channel], np.median(small[there, channel]))
        quarter = ndimage.percentile_filter(values, 25, 11)
        low.append(quarter / max(float(np.median(quarter[there])), 0.02))
    green, blue = low
    rise = np.where(blue < 1.8 * green, np.clip((green - 1.4) / 0.4, 0, 1), 0)
    return float(rise[there].mean())
