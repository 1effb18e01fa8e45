"""Synthetic sections of which every pixel's truth is known: tissue, fat, pens, dust, light and colour that vary."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

HAEMATOXYLIN, EOSIN, BLOOD = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11]), np.array([0.2, 1.0, 0.7])
INKS = {"blue": (30, 55, 175), "green": (20, 125, 65), "red": (205, 25, 35), "black": (25, 25, 30)}


@dataclass
class Section:
    """A picture of a section and what it shows."""

    pixels: np.ndarray
    tissue: np.ndarray
    pen: np.ndarray
    mpp: float


def smooth(rng, shape, sigma):
    """Normal noise of unit variance and a length of `sigma` pixels."""
    step = max(1, int(sigma // 2))
    small = rng.normal(size=(shape[0] // step + 2, shape[1] // step + 2))
    field = ndimage.gaussian_filter(small, sigma / step, mode="wrap")
    field = ndimage.zoom(field, step, order=1)[: shape[0], : shape[1]]
    return (field - field.mean()) / field.std()


def discs(rng, mask, radius_px, count):
    """Up to `count` discs with centres in a mask."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    rows, columns = np.nonzero(mask)
    for pick in rng.integers(0, max(len(rows), 1), count if len(rows) else 0):
        radius = rng.uniform(*radius_px)
        top, left = rows[pick], columns[pick]
        reach = int(radius) + 1
        y0, y1, x0, x1 = max(0, top - reach), min(height, top + reach + 1), max(0, left - reach), left + reach + 1
        y, x = np.ogrid[y0:y1, x0 : min(width, x1)]
        out[y0:y1, x0 : min(width, x1)] |= (y - top) ** 2 + (x - left) ** 2 <= radius**2
    return out


def fat(rng, mask, mpp, share):
    """Vacuoles of 20 to 100 µm with septa of about 3 µm between them, in `share` of a mask."""
    wanted = mask & (smooth(rng, mask.shape, 250 / mpp) > np.quantile(smooth(rng, mask.shape, 250 / mpp), 1 - share))
    count = int(wanted.sum() * mpp**2 / 2200)
    rows, columns = np.nonzero(wanted)
    if not len(rows) or not count:
        return np.zeros_like(mask)
    picks = rng.integers(0, len(rows), count)
    seeds = np.zeros(mask.shape, bool)
    seeds[rows[picks], columns[picks]] = True
    gap, (near_y, near_x) = ndimage.distance_transform_edt(~seeds, return_indices=True)
    label = near_y * mask.shape[1] + near_x
    septa = ndimage.maximum_filter(label, 2) != ndimage.minimum_filter(label, 2)
    return wanted & ~septa & (gap * mpp <= 50)


def tissue_od(rng, mask, mpp, *, strength=1.0, cellularity=0.3, fat_share=0.3, blood=0.0):
    """Optical density (h, w, 3) of tissue in a mask."""
    shape = mask.shape
    nuclei = discs(rng, mask, (2.5 / mpp, 4.5 / mpp), int(cellularity * mask.sum() * mpp**2 / 100))
    eosin = 0.22 * (1 + 0.25 * smooth(rng, shape, 30 / mpp) + 0.25 * smooth(rng, shape, 3 / mpp))
    od = np.clip(eosin, 0.05, None)[..., None] * EOSIN + 0.05 * HAEMATOXYLIN
    od = od + (ndimage.gaussian_filter(nuclei.astype(float), 0.7) * rng.uniform(0.7, 1.1))[..., None] * HAEMATOXYLIN
    if blood:
        field = smooth(rng, shape, 200 / mpp)
        bled = ndimage.gaussian_filter((field > np.quantile(field[mask], 1 - blood)).astype(float), 2)
        red = 0.9 * (1 + 0.3 * smooth(rng, shape, 3 / mpp)).clip(0.1)
        od = od * (1 - bled[..., None]) + (bled * red)[..., None] * BLOOD
    holes = fat(rng, mask, mpp, fat_share) if fat_share else np.zeros_like(mask)
    solid = ndimage.gaussian_filter((mask & ~holes).astype(float), 0.6)
    return strength * od * solid[..., None]


def stroke(rng, shape, width):
    """A wavy stroke of a pen across a picture."""
    height, across = shape
    x = np.arange(across)
    course = rng.uniform(0.1, 0.9) * height + rng.uniform(-0.4, 0.4) * x + 0.05 * height * np.sin(x / across * 6)
    y = np.arange(height)[:, None]
    begin, end = sorted(rng.uniform(0, across, 2))
    line = (np.abs(y - course) < width / 2) & (x > begin) & (x < max(end, begin + across / 3))
    return line if rng.random() < 0.5 else np.ascontiguousarray(np.resize(line.T, shape))


def photograph(rng, od, *, white=(243, 243, 243), light=0.05, noise=1.5, quality=90):
    """8-bit RGB of optical density: uneven light, noise of the sensor, JPEG."""
    height, width = od.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    a, b, c = rng.uniform(-light, light, 3)
    lamp = 1 + a * x + b * y - abs(c) * (x * x + y * y)
    seen = np.asarray(white) * lamp[..., None] * np.exp(-od) + rng.normal(0, noise, od.shape)
    raw = Image.fromarray(np.clip(seen.round(), 0, 255).astype(np.uint8))
    file = io.BytesIO()
    raw.save(file, "JPEG", quality=quality, subsampling=0 if quality > 90 else 2)
    return np.asarray(Image.open(file).convert("RGB"))


def section(seed, *, mpp=4.0, side_um=2400, strength=None, fat_share=None, pen=None, edge=None):
    """A section on glass: one to three pieces, some of them pale, fatty or bled; dust, a pen, the edge of the glass.

    It is drawn at 2 µm per pixel or finer, and made small from there.
    """
    rng = np.random.default_rng(seed)
    shrink = max(1, round(mpp / 2))
    mpp = mpp / shrink
    side = int(side_um / mpp) // shrink * shrink
    field = smooth(rng, (side, side), 400 / mpp)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    field = field - 3 * np.maximum(np.hypot(x, y) - 0.6, 0)
    tissue = field > np.quantile(field, rng.uniform(0.45, 0.75))
    label, _ = ndimage.label(tissue)
    tissue &= np.isin(label, np.flatnonzero(np.bincount(label.ravel()) * mpp**2 > 60_000))
    tissue = ndimage.binary_fill_holes(tissue)
    od = tissue_od(
        rng, tissue, mpp,
        strength=strength or rng.choice([0.35, 0.5, 1.0, 1.3]),
        cellularity=rng.uniform(0.05, 0.6),
        fat_share=rng.uniform(0, 0.9) if fat_share is None else fat_share,
        blood=rng.choice([0, 0, 0.15]),
    )  # fmt: skip
    dust = discs(rng, np.ones_like(tissue), (1, 20 / mpp), int(rng.integers(0, 25)))
    od[dust] += rng.uniform(0.2, 0.9)
    if edge if edge is not None else rng.random() < 0.4:
        place = int(side * rng.uniform(0.01, 0.04))
        od[: place + 3] = 0
        od[:place] += 0.6
        od[place : place + 3] += 1.2
        tissue[: place + 3] = False
    ink = pen if pen is not None else rng.choice(["", *INKS])
    marked = stroke(rng, tissue.shape, rng.uniform(80, 250) / mpp) if ink else np.zeros_like(tissue)
    if ink:
        opaque = ndimage.gaussian_filter(marked * rng.uniform(0.75, 1.0), 1.0)[..., None]
        od = od + opaque * -np.log((np.array(INKS[ink]) + 1) / 245)
    parts = (side // shrink, shrink, side // shrink, shrink)
    od = -np.log(np.exp(-od).reshape(*parts, 3).mean(axis=(1, 3)))
    tissue, marked = (mask.reshape(parts).mean(axis=(1, 3)) >= 0.5 for mask in (tissue, marked))
    white = rng.uniform(222, 247) * (1 + rng.uniform(-0.05, 0.04, 3))
    pixels = photograph(rng, od, white=np.minimum(white, 251), light=0.05)
    return Section(pixels, tissue & ~marked, marked, mpp * shrink)


def microarray(seed, rows=3, columns=4, mpp=2.0):
    """Pixels of a tissue microarray with cores of 600 µm, 1 mm apart, and their mask."""
    rng = np.random.default_rng(seed)
    step = 1000 / mpp
    y, x = np.mgrid[: int(rows * step), : int(columns * step)]
    mask = np.zeros(y.shape, bool)
    for row in range(rows):
        for column in range(columns):
            top, left = (row + 0.5) * step + rng.normal(0, 8), (column + 0.5) * step + rng.normal(0, 8)
            mask |= np.hypot(x - left, y - top) < rng.uniform(0.95, 1.05) * 300 / mpp
    return photograph(rng, tissue_od(rng, mask, mpp, fat_share=0.1), light=0.02), mask
