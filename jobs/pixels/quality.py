"""What can be wrong with a tile or a crop of a cell, as numbers: no picture is dropped here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from jobs.pixels.masks import Mask, extremes
from jobs.pixels.optical import Floats, optical_density, shrunk, stain, white_point
from jobs.pixels.tissue import pen_mask

_ASSUMED_UM = 0.25
"""µm per pixel of a picture that states none: an objective of 40x."""
_SIDE_LEAST_UM = 400.0
"""Pens are sought as if the picture were at least this wide."""
_PEN_UM = 3.0
"""Pens are sought at about this many µm per pixel: they are wide."""
_FOCUS_PARTS = 4
"""Parts across and down of a tile of a section whose focus counts alike: a part of it may be blurred."""
_FOLD_UM = 3.0
"""Folds are sought at about this many µm per pixel."""
_FOLD_REACH = 5
"""Side, in those pixels, of the neighbourhood whose lowest quarter counts."""
_GLASS_MOST, _GLASS_STAIN_MOST = 0.10, 0.03
"""Mean absorbance and stain below which a pixel shows bare glass."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Columns of a tile or a crop; every one from 0 to 1, and no threshold is meant by any."""

    focus: float
    """Steepness of the edges: 0 flat or blurred, about 1 where edges are one pixel wide."""
    background_fraction: float
    """Share of bare glass, holes in the tissue included."""
    clipped_fraction: float
    """Share of pixels with a colour at the end of its range."""
    saturation: float
    """Saturation in HSV that the most colourful twentieth exceeds: how strong the stain is, not how much is stained."""
    brightness: float
    """Mean luma, of the greatest."""
    pen_fraction: float | None = None
    """Share that a pen has marked; of sections only."""
    fold_fraction: float | None = None
    """Share of the tissue that absorbs far more than is usual in this picture, in all colours and over a band; of
    sections only."""


def quality(pixels: NDArray[np.uint8], mpp: float | None = None, *, section: bool = True) -> Quality:
    """Measure a tile or a crop.

    Args:
        pixels: (height, width, 3), RGB, at least one pixel.
        mpp: µm per pixel; 0.25 is assumed where None.
        section: whether to look for what befalls sections, pens and folds; not so for cells of a smear.
    """
    white = white_point(pixels)
    half = shrunk(pixels, 2)
    small = optical_density(half, white)
    background = background_mask(small)
    most, least = _extreme_colors(pixels)
    bright, dark = _extreme_colors(half)
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    return Quality(
        focus=edge_steepness(grey, _FOCUS_PARTS if section else 1),
        background_fraction=float(background.mean()),
        clipped_fraction=float(((most >= 254) | (least <= 1)).mean()),
        saturation=float(np.percentile((bright - dark) / np.maximum(bright, 1).astype(np.float32), 95)),
        brightness=float(grey.mean() / 255),
        **(_of_section(pixels, white, small, background, mpp or _ASSUMED_UM) if section else {}),
    )


def _extreme_colors(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Greatest and least of red, green and blue; plane by plane is many times faster than over the last axis."""
    red, green, blue = np.moveaxis(pixels, 2, 0)
    return np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)


def _of_section(
    pixels: NDArray[np.uint8], white: Floats, small: Floats, background: Mask, mpp: float
) -> dict[str, float]:
    """What a pen has marked and how much lies double; `small` and `background` are of half the size."""
    # A pen is wider than a crop of a cell: there a share of its side stands for its size.
    um = max(mpp, _SIDE_LEAST_UM / max(pixels.shape[:2]))
    factor = max(1, round(_PEN_UM / um))
    ink = pen_mask(optical_density(shrunk(pixels, factor), white), um * factor)
    return {"pen_fraction": float(ink.mean()), "fold_fraction": _folded(small, ~background, 2 * mpp)}


def edge_steepness(values: NDArray[np.uint8], parts: int = 1) -> float:
    """How much of its local range an edge crosses in a pixel, at the strongest edges: the inverse of their width.

    Taken where the range over 9x9 pixels is among the highest twentieth, so that neither the stain's strength nor how
    many edges there are matters. A first blur of 0.7 pixels keeps the sensor's noise from being taken for detail.

    Args:
        values: (height, width), luma.
        parts: across and down; the mean over those that have contrast, so that each of them counts alike.

    Returns:
        0 to 1.
    """
    if min(values.shape) < 13:
        return 0.0
    # The kernel 1, 2, 1 has a standard deviation of 0.71 pixels; sums are 16 times the luma.
    calm = values.astype(np.int16)
    for _ in range(2):
        calm = (calm[:-2] + 2 * calm[1:-1] + calm[2:]).T
    slope = np.square(calm[2:, 1:-1] - calm[:-2, 1:-1], dtype=np.int32)
    slope += np.square(calm[1:-1, 2:] - calm[1:-1, :-2], dtype=np.int32)
    inner = calm[1:-1, 1:-1]
    reach = extremes(inner, 9, most=True) - extremes(inner, 9, most=False)
    steep = extremes(slope, 9, most=True)
    least = 0.3 * _highest_twentieth(reach) if parts > 1 else 0.0
    found = []
    for rows in _cut(reach.shape[0], parts):
        for columns in _cut(reach.shape[1], parts):
            part = reach[rows, columns]
            bound = _highest_twentieth(part)
            strong = part >= max(bound, 16 * 6)
            if bound >= least and strong.any():
                found.append(float(np.mean(np.sqrt(steep[rows, columns][strong]) / 2 / part[strong])))
    return min(1.0, 2 * float(np.mean(found))) if found else 0.0


def _cut(length: int, parts: int) -> list[slice]:
    """That many ranges of about the same length, none of them empty."""
    ends = np.linspace(0, length, min(parts, length) + 1).astype(int)
    return [slice(start, end) for start, end in pairwise(ends)]


def _highest_twentieth(reach: NDArray[np.int16]) -> int:
    """What its highest twentieth is at least; 1 where all of it is flat."""
    counts = np.bincount(reach.ravel()).cumsum()
    return max(int((counts < 0.95 * counts[-1]).sum()), 1)


def background_mask(density: Floats) -> Mask:
    """Where bare glass shows, (height, width): neither absorbance nor stain, averaged over some pixels.

    Args:
        density: (height, width, 3), optical density.
    """
    both = np.stack([(density[..., 0] + density[..., 1] + density[..., 2]) / 3, stain(density)])
    absorbed, stained = ndimage.uniform_filter(both, (1, 3, 3))
    return np.asarray((absorbed < _GLASS_MOST) & (stained < _GLASS_STAIN_MOST))


def _folded(density: Floats, tissue: Mask, um: float) -> float:
    """Mean over the tissue of how far it is folded: 0 at 1.4 times the usual absorbance, 1 at 1.8 times.

    Two layers absorb twice as much, also between the nuclei: so the lowest quarter of a neighbourhood counts. Blood
    and bone absorb more as well, but blood blue above all and hardly any red, and bone holds few nuclei. Colours that
    H&E cannot have and black are ink.

    Args:
        density: (height, width, 3), optical density.
        tissue: (height, width).
        um: µm per pixel.
    """
    if tissue.mean() < 0.02:
        return 0.0
    block = max(1, min(round(_FOLD_UM / um), min(tissue.shape) // 16))
    height, width = (side // block * block for side in tissue.shape)
    parts = (height // block, block, width // block, block)
    there = tissue[:height, :width].reshape(parts).mean(axis=(1, 3)) > 0.5
    if not there.any():
        return 0.0
    small = density[:height, :width].reshape(*parts, 3).mean(axis=(1, 3))
    usual = np.median(small[there], axis=0)
    small = np.where(there[..., None], small, usual)
    lows = [_lowest_quarter(small[..., channel]) for channel in range(3)]
    more = [low / max(float(np.median(low[there])), 0.02) for low in lows]
    blood = (more[2] >= 1.8 * more[1]) & (lows[0] <= 0.5 * lows[1])
    nuclei = ndimage.uniform_filter(small[..., 0], _FOLD_REACH)
    bone = nuclei <= 1.2 * max(float(np.median(nuclei[there])), 0.02)
    ink = (lows[1] < 0.82 * np.maximum(lows[0], lows[2])) | (np.minimum(lows[0], lows[2]) > 1.3)
    folded = np.where(blood | bone | ink, 0, np.clip((more[1] - 1.4) / 0.4, 0, 1))
    return float(folded[there].mean())


def _lowest_quarter(values: Floats) -> Floats:
    """The first quartile of every pixel's neighbourhood."""
    around = np.pad(values, _FOLD_REACH // 2, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(around, (_FOLD_REACH, _FOLD_REACH))
    rank = _FOLD_REACH**2 // 4
    return np.partition(windows.reshape(*values.shape, -1), rank, axis=2)[..., rank]
