"""Quantitative features: of one cell in a smear, and of the tissue in an H&E tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.feature import graycomatrix, graycoprops, peak_local_max
from skimage.filters import threshold_otsu
from skimage.measure import perimeter_crofton

from jobs.pixels.cell import CellMasks, Mask, segment_cell
from jobs.pixels.digest import luma
from jobs.pixels.optical import Floats, optical_density
from jobs.pixels.quality import background_mask

_GREYS = 16
_VACUOLE_LEAST_UM, _VACUOLE_MOST_UM = 15.0, 150.0
"""Diameter of the largest circle inside a fat vacuole; narrower is a crack, wider is bare glass."""
_NUCLEUS_LEAST_UM2 = 8.0
_NUCLEUS_APART_UM = 2.5


@dataclass(frozen=True, slots=True)
class Measure:
    """One feature's value."""

    value: float
    unit: str
    """In UCUM."""


def cell_features(pixels: NDArray[np.uint8], mpp: tuple[float, float] | None = None) -> dict[str, Measure]:
    """Features of the cell in the middle of a crop; those that cannot be measured are left out.

    Args:
        pixels: (height, width, 3), RGB, stained after Romanowsky.
        mpp: µm per pixel across and down; areas are left out where None.
    """
    masks = segment_cell(pixels)
    if not masks.cell.any():
        return {}
    found = _shapes(masks, mpp)
    cytoplasm = masks.cell & ~masks.nucleus
    lab = rgb2lab(pixels)
    for part, mask in (("nucleus", masks.nucleus), ("cytoplasm", cytoplasm)):
        if mask.any():
            for channel, name in enumerate(("lightness", "red_green", "yellow_blue")):
                found[f"{part}_{name}"] = Measure(float(lab[mask, channel].mean()), "1")
    if masks.nucleus.any():
        for name, value in texture(luma(pixels), masks.nucleus).items():
            found[f"nucleus_{name}"] = Measure(value, "1")
    return found


def circularity(mask: Mask) -> float:
    """4 pi area / perimeter² (Cox, J Paleontology 1927): 1 for a disc; perimeter by Crofton's formula."""
    length = float(perimeter_crofton(np.pad(mask, 1), directions=4))
    return float(min(1.0, 4 * np.pi * mask.sum() / length**2)) if length else 0.0


def texture(values: Floats, mask: Mask) -> dict[str, float]:
    """Contrast, homogeneity and entropy of grey levels side by side (Haralick et al., IEEE Trans SMC 1973).

    Grey is cut to 16 levels of 16; pairs one pixel apart in four directions, both in the mask, count alike, so that
    turns by a right angle and flips change nothing.

    Args:
        values: (height, width), 0 to 255.
        mask: (height, width).
    """
    greys = np.where(mask, (np.clip(values, 0, 255) * (_GREYS / 256)).astype(np.uint8) + 1, 0).astype(np.uint8)
    angles = [0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    pairs = graycomatrix(greys, [1], angles, levels=_GREYS + 1, symmetric=True)[1:, 1:].sum(axis=3, keepdims=True)
    shares = pairs / max(int(pairs.sum()), 1)
    some = shares[shares > 0]
    return {
        "contrast": float(graycoprops(shares, "contrast")[0, 0]),
        "homogeneity": float(graycoprops(shares, "homogeneity")[0, 0]),
        "entropy": float(-(some * np.log2(some)).sum()),
    }


def tissue_features(pixels: NDArray[np.uint8], mpp: float) -> dict[str, Measure]:
    """Nuclei per mm² of tissue, fat fraction and cellularity of an H&E tile; empty where it shows no tissue.

    Cellularity is the share of the tissue that is not fat, as haematopathologists estimate it.

    Args:
        pixels: (height, width, 3), RGB.
        mpp: µm per pixel; at most about 1, or nuclei cannot be told apart.
    """
    density = optical_density(pixels)
    glass = background_mask(density)
    if glass.mean() > 0.98:
        return {}
    fat = _vacuoles(glass, mpp)
    area = int((~glass | fat).sum())
    share = float(fat.sum()) / area
    return {
        "nuclei_density": Measure(_count_nuclei(density[..., 0], mpp) / (area * mpp**2 / 1e6), "/mm2"),
        "fat_fraction": Measure(share, "1"),
        "cellularity": Measure(1 - share, "1"),
    }


def _shapes(masks: CellMasks, mpp: tuple[float, float] | None) -> dict[str, Measure]:
    cell, nucleus = int(masks.cell.sum()), int(masks.nucleus.sum())
    rim = np.concatenate([masks.cell[0], masks.cell[-1], masks.cell[1:-1, 0], masks.cell[1:-1, -1]])
    found = {
        "nucleus_cell_ratio": Measure(nucleus / cell, "1"),
        "cell_circularity": Measure(circularity(masks.cell), "1"),
        "border_contact": Measure(float(rim.mean()), "1"),
    }
    if nucleus:
        found["nucleus_circularity"] = Measure(circularity(masks.nucleus), "1")
    if mpp is not None:
        found["cell_area"] = Measure(cell * mpp[0] * mpp[1], "um2")
        found["nucleus_area"] = Measure(nucleus * mpp[0] * mpp[1], "um2")
    return found


def _vacuoles(glass: Mask, mpp: float) -> Mask:
    """Holes of the size of fat cells."""
    depth = 2 * mpp * ndimage.distance_transform_edt(glass)
    label, count = ndimage.label(glass)
    widest = np.asarray(ndimage.maximum(depth, label, np.arange(count + 1)))
    fat = (widest >= _VACUOLE_LEAST_UM) & (widest <= _VACUOLE_MOST_UM)
    fat[0] = False
    return np.asarray(fat[label])


def _count_nuclei(red: Floats, mpp: float) -> int:
    """How many nuclei absorb red light; those that touch are counted by the peaks of their depth."""
    calm = ndimage.gaussian_filter(red, max(0.5, 0.5 / mpp))
    if np.ptp(calm) < 0.1:
        return 0
    dark = calm > max(float(threshold_otsu(calm)), float(np.percentile(calm, 20)) + 0.1)
    label, count = ndimage.label(ndimage.binary_opening(dark))
    large = np.bincount(label.ravel(), minlength=count + 1) * mpp**2 >= _NUCLEUS_LEAST_UM2
    large[0] = False
    kept = large[label]
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(np.pad(kept, 1))[1:-1, 1:-1], 1.0)
    peaks = peak_local_max(
        depth, min_distance=max(1, round(_NUCLEUS_APART_UM / mpp)), labels=kept.astype(np.int32), exclude_border=False
    )
    return len(peaks)
