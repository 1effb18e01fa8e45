"""Quantitative features: of one cell in a smear, and of the tissue in an H&E tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu
from skimage.measure import perimeter_crofton

from jobs.pixels.cell import CellMasks, segment_cell
from jobs.pixels.masks import Mask, distance, extremes, opened
from jobs.pixels.optical import Floats, optical_density, shrunk, stain, white_point
from jobs.pixels.quality import background_mask

_GREYS = 16
_VACUOLE_LEAST_UM, _VACUOLE_MOST_UM = 15.0, 150.0
"""Diameter of the largest circle inside a fat vacuole; narrower is a crack, wider is bare glass."""
_VACUOLE_UM = 1.0
"""Vacuoles are sought at about this many µm per pixel."""
_BEYOND_UM = 25.0
"""Glass goes on by this at a tile's edge: a strip of it is wider than what is seen."""
_STAIN_LEAST = 0.03
"""What is stained less is grey: no tissue, however dark."""
_NUCLEUS_LEAST_UM2 = 8.0
_NUCLEUS_APART_UM = 2.5


@dataclass(frozen=True, slots=True)
class Measure:
    """One feature's value."""

    value: float
    unit: str
    """In UCUM."""


def cell_features(
    pixels: NDArray[np.uint8], mpp: tuple[float, float] | None = None, center: tuple[float, float] | None = None
) -> dict[str, Measure]:
    """Features of the cell in the middle of a crop; those that cannot be measured are left out.

    Args:
        pixels: (height, width, 3), RGB, stained after Romanowsky; without padding.
        mpp: µm per pixel across and down; areas are left out where None.
        center: x and y of the cell, where it is not in the middle.
    """
    masks = segment_cell(pixels, center, float(np.sqrt(mpp[0] * mpp[1])) if mpp else None)
    if not masks.cell.any():
        return {}
    found = _shapes(masks, mpp)
    for part, mask in (("nucleus", masks.nucleus), ("cytoplasm", masks.cell & ~masks.nucleus)):
        if mask.any():
            lab = rgb2lab(masks.small[mask]).mean(axis=0)
            for value, name in zip(lab, ("lightness", "red_green", "yellow_blue"), strict=True):
                found[f"{part}_{name}"] = Measure(float(value), "1")
    if masks.nucleus.any():
        for name, value in _nuclear_texture(pixels, masks).items():
            found[f"nucleus_{name}"] = Measure(value, "1")
    return found


def circularity(mask: Mask) -> float:
    """4 pi area / perimeter² (Cox, J Paleontology 1927): 1 for a disc; perimeter by Crofton's formula."""
    length = float(perimeter_crofton(np.pad(mask, 1), directions=4))
    return float(min(1.0, 4 * np.pi * mask.sum() / length**2)) if length else 0.0


def texture(values: NDArray[np.uint8], mask: Mask) -> dict[str, float]:
    """Contrast, homogeneity and entropy of grey levels side by side (Haralick et al., IEEE Trans SMC 1973).

    Grey is cut to 16 levels of 16; pairs one pixel apart in four directions, both in the mask, count alike, so that
    turns by a right angle and flips change nothing.

    Args:
        values: (height, width), luma.
        mask: (height, width).
    """
    greys = np.where(mask, values // (256 // _GREYS), _GREYS).astype(np.intp)
    pairs = np.zeros((_GREYS + 1) ** 2, dtype=np.intp)
    for one, other in (
        (greys[:, :-1], greys[:, 1:]),
        (greys[:-1], greys[1:]),
        (greys[:-1, :-1], greys[1:, 1:]),
        (greys[:-1, 1:], greys[1:, :-1]),
    ):
        pairs += np.bincount((one * (_GREYS + 1) + other).ravel(), minlength=len(pairs))
    counts = pairs.reshape(_GREYS + 1, _GREYS + 1)[:_GREYS, :_GREYS]
    shares = (counts + counts.T) / max(2 * int(counts.sum()), 1)
    some = shares[shares > 0]
    apart = np.square(np.subtract.outer(np.arange(_GREYS), np.arange(_GREYS)))
    return {
        "contrast": float((shares * apart).sum()),
        "homogeneity": float((shares / (1 + apart)).sum()),
        "entropy": float(-(some * np.log2(some)).sum()),
    }


def tissue_features(pixels: NDArray[np.uint8], mpp: float) -> dict[str, Measure]:
    """Nuclei per mm² of tissue, fat fraction and cellularity of an H&E tile; empty where it shows no tissue.

    Cellularity is the share of the tissue that is not fat, as haematopathologists estimate it.

    Args:
        pixels: (height, width, 3), RGB.
        mpp: µm per pixel; at most about 1, or nuclei cannot be told apart.
    """
    white = white_point(pixels)
    factor = max(1, round(_VACUOLE_UM / mpp))
    um = mpp * factor
    density = optical_density(shrunk(pixels, factor), white)
    glass = background_mask(density)
    if (~glass & (stain(density) > _STAIN_LEAST)).mean() < 0.02:
        return {}
    fat = _vacuoles(glass, um)
    area = int((~glass | fat).sum()) * um**2
    share = float(fat.sum()) * um**2 / area
    red = optical_density(pixels[..., :1], white[:1])[..., 0]
    tissue = ~glass.repeat(factor, axis=0).repeat(factor, axis=1)[: red.shape[0], : red.shape[1]]
    return {
        "nuclei_density": Measure(_count_nuclei(red, tissue, mpp) / (area / 1e6), "/mm2"),
        "fat_fraction": Measure(share, "1"),
        "cellularity": Measure(1 - share, "1"),
    }


def _shapes(masks: CellMasks, mpp: tuple[float, float] | None) -> dict[str, Measure]:
    cell, nucleus = int(masks.cell.sum()), int(masks.nucleus.sum())
    area = masks.factor**2
    rim = np.concatenate([masks.cell[0], masks.cell[-1], masks.cell[1:-1, 0], masks.cell[1:-1, -1]])
    found = {
        "nucleus_cell_ratio": Measure(nucleus / cell, "1"),
        "cell_circularity": Measure(circularity(masks.cell), "1"),
        "border_contact": Measure(float(rim.mean()), "1"),
    }
    if nucleus:
        found["nucleus_circularity"] = Measure(circularity(masks.nucleus), "1")
    if mpp is not None:
        found["cell_area"] = Measure(cell * area * mpp[0] * mpp[1], "um2")
        found["nucleus_area"] = Measure(nucleus * area * mpp[0] * mpp[1], "um2")
    return found


def _nuclear_texture(pixels: NDArray[np.uint8], masks: CellMasks) -> dict[str, float]:
    """Texture of the nucleus in the crop's own pixels."""
    down, across = ndimage.find_objects(masks.nucleus.astype(np.uint8))[0]
    factor = masks.factor
    part = pixels[down.start * factor : down.stop * factor, across.start * factor : across.stop * factor]
    large = masks.nucleus[down, across].repeat(factor, axis=0).repeat(factor, axis=1)
    grey = np.asarray(Image.fromarray(part).convert("L"))
    return texture(grey, large[: grey.shape[0], : grey.shape[1]])


def _vacuoles(glass: Mask, mpp: float) -> Mask:
    """Holes of the size of fat cells, with the rim that the mask of the glass, a mean over three pixels, leaves out."""
    beyond = max(1, round(_BEYOND_UM / mpp))
    seen = np.s_[beyond:-beyond, beyond:-beyond]
    wide = np.pad(glass, beyond, mode="edge")
    for rows in (np.s_[:beyond], np.s_[-beyond:]):  # or a vacuole that a corner cuts would become wide
        wide[rows, :beyond] = wide[rows, -beyond:] = False
    bare = distance(2 * mpp * ndimage.distance_transform_edt(wide) > _VACUOLE_MOST_UM) <= _VACUOLE_MOST_UM / 2 / mpp
    holes = wide & ~bare
    label, count = ndimage.label(holes[seen])
    widest = 2 * mpp * ndimage.maximum(ndimage.distance_transform_edt(holes)[seen], label, np.arange(count + 1))
    fat = np.asarray(widest >= _VACUOLE_LEAST_UM)
    fat[0] = False
    return np.asarray(distance(fat[label]) <= 1)


def _count_nuclei(red: Floats, tissue: Mask, mpp: float) -> int:
    """How many nuclei absorb more red light than their tissue; those that touch count by the peaks of their depth."""
    calm = ndimage.gaussian_filter(red, max(0.5, 0.5 / mpp))
    some = calm[::2, ::2]
    stroma = some[tissue[::2, ::2]]
    if stroma.size == 0 or np.ptp(stroma) < 0.1:
        return 0
    dark = opened(calm > max(float(threshold_otsu(some)), float(np.percentile(stroma, 20)) + 0.1))
    label, count = ndimage.label(dark)
    large = np.bincount(label.ravel(), minlength=count + 1) * mpp**2 >= _NUCLEUS_LEAST_UM2
    large[0] = False
    kept = np.pad(large[label], 1)
    depth = ndimage.gaussian_filter(distance(~kept), 1.0)
    apart = max(1, round(_NUCLEUS_APART_UM / mpp))
    peaks = kept & (depth == extremes(np.pad(depth, apart), 2 * apart + 1, most=True))
    return int(ndimage.label(peaks, np.ones((3, 3)))[1])
