"""Where the tissue of an H&E section lies: pale marrow and fat belong to it, glass, its edge, dust and pens do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from jobs.pixels.optical import Floats, optical_density, stain, white_point
from jobs.pixels.square import luma

Mask = NDArray[np.bool_]

WORK_UM = 4.0
"""µm per pixel at which the mask is made, or the picture's own if that is coarser."""
BRIDGE_UM = 50.0
"""Gaps of up to twice this, such as a fat cell that is open to the glass, are closed."""
HOLE_UM = 600.0
"""Diameter of the largest hole that belongs to the tissue: fat cells that run together are larger than one (100 µm)."""
PIECE_UM = 120.0
"""Diameter of the smallest piece that is tissue and not debris."""
_WEAK_LEAST, _WEAK_MOST = 0.012, 0.03
"""Stain that is more than noise: six standard deviations of bare glass, within these bounds."""
_WIDE_UM = 20.0
"""Standard deviation of the neighbourhood over which the thin septa of fat are told from noise."""
_SEPTUM_MOST, _UNEVEN_LEAST = 0.08, 0.006
_INK_LEAST = 0.35
_INK_MARGIN_UM = 25.0
_INK_FINE_UM = 3.5
"""Ink that lets tissue through is sought up to these µm per pixel; at coarser ones dense nuclei are as blue, and blood
as red and as even."""
_INK_GAP_UM = 15.0
"""Within this, tissue has a pale place between its nuclei; what is dark there as well lies over it."""


def tissue_mask(pixels: NDArray[np.uint8], mpp: float) -> Mask:
    """Mask (height, width) of the tissue, by hysteresis on how much more green than red and blue is absorbed.

    Saturation or brightness alone lose pale tissue. Fat is kept because its septa are stained: gaps between stained
    pixels are closed and holes filled, both up to a size in µm.

    Args:
        pixels: (height, width, 3), RGB: a level or a thumbnail of a section stained with H&E.
        mpp: µm per pixel.

    Raises:
        ValueError: mpp is not above 0.
    """
    if not mpp > 0:
        raise ValueError("tissue_mask() takes µm per pixel above 0")
    height, width = pixels.shape[:2]
    if height == 0 or width == 0:
        return np.zeros((height, width), dtype=bool)
    small, um = _reduced(pixels, mpp)
    density = optical_density(small, _ground(small))
    ink = pen_mask(density, um)
    found = _stained(density, ink, um)
    whole = _large(_filled(_closed(found, BRIDGE_UM / um), HOLE_UM / um), PIECE_UM / um) & ~ink
    return np.asarray(Image.fromarray(whole).resize((width, height), Image.Resampling.NEAREST), dtype=bool)


def pen_mask(density: Floats, um: float) -> Mask:
    """Where a pen has marked the glass: colours that H&E cannot have, or a red or violet that is even.

    Args:
        density: (height, width, 3), optical density.
        um: µm per pixel.

    Returns:
        (height, width), with a margin for the soft edge of the stroke.
    """
    fine = um < _INK_FINE_UM
    if fine:
        side = round(_INK_GAP_UM / um) | 1
        density = ndimage.minimum_filter(_blurred(density, 0.7), (side, side, 1), mode="nearest")
    red, green, blue = (_blurred(density[..., channel], max(1.0, 6.0 / um)) for channel in range(3))
    most = np.maximum(np.maximum(red, green), blue)
    least = np.minimum(np.minimum(red, green), blue)
    foreign = green < 0.82 * np.maximum(red, blue)
    black = (least > (0.75 if fine else 0.9)) & (least > 0.7 * most)
    core = (most > _INK_LEAST) & (foreign | black)
    crimson = (blue > 0.62 * green) & (red < 0.35 * green) & (green > (0.8 if fine else 1.1))
    violet = (red > 0.75 * green) & (red > 0.5) & fine
    for hue, channel, mean in ((crimson, 1, green), (violet, 0, red)):
        if hue.any():
            core |= hue & (_spread(density[..., channel], max(1.0, 8.0 / um)) < 0.12 * mean)
    if not core.any():
        return core
    return _near(_large(_opened(core, 12.0 / um), 60.0 / um), max(_INK_MARGIN_UM / um, 1.5))


def _reduced(pixels: NDArray[np.uint8], mpp: float) -> tuple[NDArray[np.uint8], float]:
    """The picture by mean over areas at `WORK_UM`, and its µm per pixel."""
    height, width = pixels.shape[:2]
    scale = min(1.0, mpp / WORK_UM)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8), mpp / scale


def _ground(pixels: NDArray[np.uint8]) -> Floats:
    """Colour of bare glass at every pixel, (height, width, 3): a surface of the second order through what is."""
    white = white_point(pixels)
    density = optical_density(pixels, white)
    height, width = density.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    flat = _spread(density.mean(axis=2), 3.0) < 0.03
    ground = np.zeros_like(density)
    for reach in (0.15, 0.08, 0.05):
        rest = density - ground
        glass = flat & (np.abs(rest).max(axis=2) < reach) & (stain(rest) < 0.04)
        if glass.mean() < 0.02:
            break
        every = max(1, int(glass.sum() // 50_000))
        factors = np.linalg.lstsq(terms[glass][::every], density[glass][::every], rcond=None)[0]
        ground = np.clip(terms @ factors, -0.2, 0.3).astype(np.float32)
    return np.asarray(white * np.exp(-ground), dtype=np.float32)


def _stained(density: Floats, ink: Mask, um: float) -> Mask:
    """Stained pixels that hang together with strongly stained ones, by hysteresis."""
    taken = stain(density)
    taken[ink] = 0
    fine = _blurred(np.minimum(taken, 0.1), max(0.7, 4.0 / um))
    least = _noise_bound(fine)
    # A JPEG smears colour over 16 pixels, but not darkness.
    dark = _blurred(np.minimum(luma(density), 0.1), max(0.7, 4.0 / um)) > least
    seen = (fine > least) & dark
    # Beside plain tissue it is the edge that is uneven, and what lies beyond is glass.
    weak = seen | (_septa(density, ink, um) & ~_near(seen, 2 * _WIDE_UM / um))
    near = _closed(weak, BRIDGE_UM / um)
    label, count = ndimage.label(near)
    strong = np.bincount(label.ravel(), (fine > max(0.04, 2 * least)).ravel(), count + 1) * um**2 > 400
    strong[0] = False
    return np.asarray(weak & strong[label])


def _septa(density: Floats, ink: Mask, um: float) -> Mask:
    """Neighbourhoods of uneven green absorbance: the septa of fat, too thin and pale to be seen one by one.

    Dust and black edges are laid flat first; they absorb all colours alike.
    """
    green = np.minimum(density[..., 1], _SEPTUM_MOST)
    dirt = (density.min(axis=2) > 0.1) & (stain(density) < 0.15 * density[..., 1])
    # A JPEG's ripples beside the ink reach as far as its block, 8 pixels.
    green[_near(dirt, max(1.5, 10.0 / um)) | _near(ink, 8.0)] = 0
    uneven = _spread(green, _WIDE_UM / um)
    bound = np.clip(3 * np.percentile(uneven, 2), _UNEVEN_LEAST, 2 * _UNEVEN_LEAST)
    # A neighbourhood reaches over the tissue's edge by nearly two of its standard deviations.
    inside = ndimage.distance_transform_edt(np.pad(uneven > bound, 1, mode="edge"))[1:-1, 1:-1]
    return np.asarray(inside > 1.5 * _WIDE_UM / um)


def _noise_bound(values: Floats) -> float:
    """Six standard deviations of what scatters below 0, where no stain is, within `_WEAK_LEAST` and `_WEAK_MOST`."""
    below = values[values < 0]
    spread = float(np.median(-below)) / 0.6745 if below.size else 0.0
    return float(np.clip(6 * spread, _WEAK_LEAST, _WEAK_MOST))


def _blurred(values: Floats, sigma: float) -> Floats:
    sigmas = (sigma, sigma, 0)[: values.ndim]
    return np.asarray(ndimage.gaussian_filter(values, sigmas, mode="nearest"), dtype=np.float32)


def _spread(values: Floats, sigma: float) -> Floats:
    """Standard deviation in the neighbourhood."""
    mean = _blurred(values, sigma)
    return np.sqrt(np.maximum(_blurred(values * values, sigma) - mean * mean, 0))


def _near(mask: Mask, radius: float) -> Mask:
    """Pixels at most `radius` from the mask."""
    if not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask) <= radius)


def _closed(mask: Mask, radius: float) -> Mask:
    """Closing by a disc; beyond the edge lies nothing, so that nothing grows along it."""
    reach = int(np.ceil(radius)) + 1
    grown = _near(np.pad(mask, reach), radius)
    shrunk = ndimage.distance_transform_edt(grown) > radius
    return np.asarray(shrunk[reach:-reach, reach:-reach] | mask)


def _opened(mask: Mask, radius: float) -> Mask:
    """Opening by a disc."""
    return _near(np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1] > radius), radius)


def _filled(mask: Mask, diameter: float) -> Mask:
    """The mask with its holes up to the area of a disc of that diameter; a gap at the picture's edge is none."""
    label, count = ndimage.label(~mask)
    small = np.bincount(label.ravel(), minlength=count + 1) <= np.pi / 4 * diameter**2
    for side in (label[0], label[-1], label[:, 0], label[:, -1]):
        small[side] = False
    small[0] = True
    return np.asarray(small[label])


def _large(mask: Mask, diameter: float) -> Mask:
    """The mask's pieces of at least the area of a disc of that diameter."""
    label, count = ndimage.label(mask)
    large = np.bincount(label.ravel(), minlength=count + 1) >= np.pi / 4 * diameter**2
    large[0] = False
    return np.asarray(large[label])
