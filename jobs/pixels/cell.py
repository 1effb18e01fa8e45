"""The cell in the middle of a crop of a blood or marrow smear: its nucleus and its cytoplasm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from jobs.pixels.masks import Mask, distance, filled, opened
from jobs.pixels.optical import Floats, optical_density, shrunk

_WORK_SIDE = 125
"""Cells are sought in a picture whose shorter side is about this many pixels."""
_NUCLEUS_LEAST = 0.12
"""Least absorbance by which a nucleus exceeds what surrounds it."""
_CELL_LEAST = 0.05
"""Least absorbance of cytoplasm above the ground."""
_RED_LEAST = 0.8
"""Absorbance of blue over that of green, from which on it is haemoglobin or eosin."""
_RED_MOST = 0.6
"""Share of what surrounds a nucleus closely, from which on its own cytoplasm is red."""
_LOBES_UM = 2.4
"""Lobes so near to each other are of one nucleus, though what joins them is too thin to be seen."""
_CROP_UM = 25.0
"""Width of a crop of one cell, where the size of a pixel is unknown."""
_PIXELS_LEAST = 50
"""Fewer pixels do not show whether they are two things."""
_TWO_LEAST, _DARKER_LEAST = 0.75, 1.4
"""Share of the variance that two classes explain, and how much more one absorbs, where they are two things."""


@dataclass(frozen=True, slots=True)
class CellMasks:
    """Masks of one cell, (height, width) of a picture that is made small."""

    nucleus: Mask
    """Empty where the cell has none, as a red cell or a platelet."""
    cell: Mask
    """Nucleus and cytoplasm; empty where nothing lies in the middle."""
    small: NDArray[np.uint8]
    """The picture that the masks are of, (height, width, 3)."""
    factor: int
    """Pixels of the crop along a side of one of the mask's."""


def segment_cell(
    pixels: NDArray[np.uint8], center: tuple[float, float] | None = None, mpp: float | None = None
) -> CellMasks:
    """Nucleus and whole cell in the middle of a crop stained after Romanowsky (Wright, Giemsa, May-Grünwald).

    A nucleus absorbs red light far more than blue, red cells and eosin do not: an Otsu threshold on the difference
    finds the nuclei, with basophilic cytoplasm, which a second one on green leaves out; lobes near each other are one.
    The cytoplasm is what absorbs more than the ground around the nucleus, less what hangs on by a neck, and less red
    cells: what is as red as they are, unless it surrounds the nucleus, as in eosinophils and late erythroblasts.

    Args:
        pixels: (height, width, 3), RGB, at least one pixel; without padding, which would pass for the ground.
        center: x and y of the cell; the middle where None.
        mpp: µm per pixel; the crop is taken for 25 µm wide where None.
    """
    factor = max(1, round(min(pixels.shape[:2]) / _WORK_SIDE))
    small = shrunk(pixels, factor)
    height, width = small.shape[:2]
    x, y = (value / factor for value in center) if center else (width / 2, height / 2)
    calm = np.stack([ndimage.gaussian_filter(plane, 0.75) for plane in np.moveaxis(optical_density(small), 2, 0)])
    purple = _purple(calm)
    nuclei = _chromatin(calm[1], purple)
    um = factor * (mpp or _CROP_UM / min(pixels.shape[:2]))
    nucleus = _central(nuclei, x, y, _LOBES_UM / um)
    rest = ~purple if not purple.all() else purple
    calm -= np.percentile(calm[:, rest], 10, axis=1)[:, None, None]
    body = _body(calm, purple)
    if not nucleus.any():
        return CellMasks(nucleus, _central_piece(body, x, y), small, factor)
    return CellMasks(nucleus, _cell(calm, body | purple, nuclei, nucleus), small, factor)


def _purple(density: Floats) -> Mask:
    """Nuclei, and cytoplasm that is about as blue."""
    purple = density[0] - density[2] / 2
    if np.ptp(purple) < _NUCLEUS_LEAST:
        return np.zeros(purple.shape, dtype=bool)
    least = max(float(threshold_otsu(purple)), float(np.percentile(purple, 10)) + _NUCLEUS_LEAST)
    return filled(opened(purple > least))


def _chromatin(green: Floats, purple: Mask) -> Mask:
    """The purple pieces without basophilic cytoplasm, which absorbs less green light than the nucleus in it."""
    found = purple.copy()
    label, _ = ndimage.label(purple)
    for number, place in enumerate(ndimage.find_objects(label), 1):
        piece, values = label[place] == number, green[place]
        inner = values[ndimage.binary_erosion(piece, iterations=2)]
        if inner.size < _PIXELS_LEAST or np.ptp(inner) < _NUCLEUS_LEAST:
            continue
        least = float(threshold_otsu(inner))
        dark, pale = inner[inner > least], inner[inner <= least]
        explained = dark.size * pale.size * (dark.mean() - pale.mean()) ** 2 / inner.size**2 / inner.var()
        if explained >= _TWO_LEAST and dark.mean() >= _DARKER_LEAST * pale.mean():
            found[place] &= ~piece | filled(opened(np.pad(piece & (values > least), 1)))[1:-1, 1:-1]
    return found


def _central(nuclei: Mask, x: float, y: float, apart: float) -> Mask:
    """The nucleus whose lobes lie nearest to the middle: pieces at most so many pixels apart."""
    return np.asarray(_central_piece(distance(nuclei) <= max(1.0, apart / 2), x, y) & nuclei)


def _central_piece(mask: Mask, x: float, y: float) -> Mask:
    """The piece nearest to the middle, if it reaches within a sixth of the crop; specks do not count."""
    height, width = mask.shape
    label, count = ndimage.label(mask)
    large = np.bincount(label.ravel(), minlength=count + 1) >= height * width / 2000
    large[0] = False
    down, across = np.ogrid[0.5 - y : height - y, 0.5 - x : width - x]
    away = np.where(large[label], down * down + across * across, np.inf)
    nearest = np.unravel_index(np.argmin(away), away.shape)
    if not away[nearest] <= (min(height, width) / 6) ** 2:
        return np.zeros_like(mask)
    return filled(label == label[nearest])


def _body(density: Floats, nuclei: Mask) -> Mask:
    """What absorbs more than the ground: cells of any kind."""
    absorbed = np.maximum(np.maximum(density[0], density[1]), density[2])
    rest = absorbed[~nuclei]
    if rest.size == 0 or np.ptp(rest) < _CELL_LEAST:
        return nuclei
    least = float(np.clip(threshold_otsu(rest), _CELL_LEAST, 2 * _CELL_LEAST))
    return filled(opened(absorbed > least))


def _cell(density: Floats, body: Mask, nuclei: Mask, nucleus: Mask) -> Mask:
    """The nucleus and what hangs on it broadly, without red cells and what is nearer to another nucleus."""
    away = distance(nucleus)
    others = nuclei & ~nucleus
    size = float(np.sqrt(nucleus.sum() / np.pi))
    # Haemoglobin absorbs blue about as much as green, other cytoplasm far less.
    red = opened(body & (density[2] > _RED_LEAST * density[1]))
    around = red[(away > 1) & (away <= 0.4 * size)]
    if around.size and around.mean() > _RED_MOST:
        red[:] = False
    near = body & ~(red & (away > 0.3 * size)) & (away <= 1.6 * size)
    if others.any():
        near &= away <= distance(others)
    neck = 0.3 * size
    core = distance(~np.pad(near | nucleus, 1, mode="edge"))[1:-1, 1:-1] > neck
    broad = distance(core) <= neck
    label, _ = ndimage.label(nucleus | (broad & near))
    return filled(np.isin(label, np.unique(label[nucleus])))
