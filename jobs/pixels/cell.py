"""The cell in the middle of a crop of a blood or marrow smear: its nucleus and its cytoplasm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from jobs.pixels.optical import Floats, optical_density

Mask = NDArray[np.bool_]

_NUCLEUS_LEAST = 0.12
"""Least absorbance by which a nucleus exceeds what surrounds it."""
_CELL_LEAST = 0.05
"""Least absorbance of cytoplasm above the ground."""
_RED_LEAST = 0.8
"""Absorbance of blue over that of green, from which on it is haemoglobin."""


@dataclass(frozen=True, slots=True)
class CellMasks:
    """Masks (height, width) of one cell."""

    nucleus: Mask
    """Empty where the cell has none, as a red cell or a platelet."""
    cell: Mask
    """Nucleus and cytoplasm; empty where nothing lies in the middle."""


def segment_cell(pixels: NDArray[np.uint8]) -> CellMasks:
    """Nucleus and whole cell in the middle of a crop stained after Romanowsky (Wright, Giemsa, May-Grünwald).

    A nucleus absorbs red light far more than blue, red cells and eosin do not: an Otsu threshold on the difference
    finds the nuclei; lobes near each other are one. The cytoplasm is what absorbs more than the ground around the
    nucleus, less what is red cell or hangs on by a neck. Pure white is padding.

    Args:
        pixels: (height, width, 3), RGB, the cell's centre in the middle.
    """
    there: Mask = np.asarray((pixels < 255).any(axis=2))
    if not there.any():
        nothing = np.zeros(there.shape, dtype=bool)
        return CellMasks(nothing, nothing)
    density = ndimage.gaussian_filter(optical_density(pixels), (1.5, 1.5, 0))
    nuclei = _nuclei(density, there)
    nucleus = _central(nuclei)
    density -= np.percentile(density[there & ~nuclei] if (there & ~nuclei).any() else density[there], 10, axis=0)
    body = _body(density, there, nuclei)
    if not nucleus.any():
        return CellMasks(nucleus, _central_piece(body))
    return CellMasks(nucleus, _cell(density, body | nuclei, nuclei, nucleus))


def _nuclei(density: Floats, there: Mask) -> Mask:
    purple = density[..., 0] - density[..., 2] / 2
    values = purple[there]
    if np.ptp(values) < _NUCLEUS_LEAST:
        return np.zeros(there.shape, dtype=bool)
    least = max(float(threshold_otsu(values)), float(np.percentile(values, 10)) + _NUCLEUS_LEAST)
    dark = ndimage.binary_opening((purple > least) & there, iterations=2)
    return np.asarray(ndimage.binary_fill_holes(dark))


def _central(nuclei: Mask) -> Mask:
    """The nucleus whose lobes lie nearest to the middle: pieces at most a fourteenth of the crop apart."""
    height, width = nuclei.shape
    gap = max(1, round(min(height, width) / 28))
    joined = ndimage.distance_transform_edt(~nuclei) <= gap if nuclei.any() else nuclei
    return np.asarray(_central_piece(joined) & nuclei)


def _central_piece(mask: Mask) -> Mask:
    """The piece nearest to the middle, if it reaches within a sixth of the crop; specks do not count."""
    height, width = mask.shape
    label, count = ndimage.label(mask)
    large = np.bincount(label.ravel(), minlength=count + 1) >= height * width / 2000
    large[0] = False
    y, x = np.ogrid[:height, :width]
    away = np.where(large[label], np.hypot(y - (height - 1) / 2, x - (width - 1) / 2), np.inf)
    nearest = np.unravel_index(np.argmin(away), away.shape)
    if not away[nearest] <= min(height, width) / 6:
        return np.zeros_like(mask)
    return np.asarray(ndimage.binary_fill_holes(label == label[nearest]))


def _body(density: Floats, there: Mask, nuclei: Mask) -> Mask:
    """What absorbs more than the ground: cells of any kind."""
    absorbed = density.max(axis=2)
    rest = absorbed[there & ~nuclei]
    if rest.size == 0 or np.ptp(rest) < _CELL_LEAST:
        return nuclei
    least = float(np.clip(threshold_otsu(rest), _CELL_LEAST, 2 * _CELL_LEAST))
    return np.asarray(ndimage.binary_fill_holes(ndimage.binary_opening((absorbed > least) & there, iterations=2)))


def _cell(density: Floats, body: Mask, nuclei: Mask, nucleus: Mask) -> Mask:
    """The nucleus and what hangs on it broadly, without red cells and what is nearer to another nucleus."""
    away = ndimage.distance_transform_edt(~nucleus)
    others = nuclei & ~nucleus
    size = float(np.sqrt(nucleus.sum() / np.pi))
    # Haemoglobin absorbs blue about as much as green, cytoplasm far less.
    red = (density[..., 2] > _RED_LEAST * density[..., 1]) & (away > 0.3 * size)
    near = body & ~ndimage.binary_opening(red, iterations=3) & (away <= 1.6 * size)
    if others.any():
        near &= away <= ndimage.distance_transform_edt(~others)
    neck = 0.3 * size
    core = ndimage.distance_transform_edt(np.pad(near | nucleus, 1))[1:-1, 1:-1] > neck
    broad = ndimage.distance_transform_edt(~core) <= neck if core.any() else core
    label, _ = ndimage.label(nucleus | (broad & near))
    return np.asarray(ndimage.binary_fill_holes(np.isin(label, np.unique(label[nucleus]))))
