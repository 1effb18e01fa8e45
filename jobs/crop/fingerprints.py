"""What a crop is known by, taken while its pixels are in memory: later no pixel is decoded to find its duplicates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.frames import Row
from jobs.pixels.spectrum import vectors
from jobs.pixels.square import padding, square_of

METHOD_VERSION = "2"
_COPIED = ("unit_id", "unit_kind", "preset", "scan_id", "width", "height", "pixel_sha256")


def fingerprint(crop: Row, pixels: NDArray[np.uint8], size: tuple[int, int]) -> Row:
    """A row of `curated.fingerprints`.

    Args:
        crop: the row of `curated.crops`.
        pixels: (height, width, 3), RGB.
        size: width and height of the scan; what lies outside counts for nothing.
    """
    whole = crop["unit_kind"] == "region"
    square = square_of(pixels, padding(pixels) if whole else _unseen(pixels, crop["x"], crop["y"], size))
    luma = np.asarray(Image.fromarray(pixels).convert("L")) if whole else None
    return {
        **{name: crop[name] for name in _COPIED},
        "square": square.tobytes(),
        "vector": vectors(square[None])[0].astype("<f4").tobytes() if square.any() else None,
        "reduced": None if luma is None else luma.tobytes(),
        "reduced_width": None if luma is None else luma.shape[1],
        "method_version": METHOD_VERSION,
    }


def _unseen(pixels: NDArray[np.uint8], x: int, y: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where (height, width) a window at (x, y) lies outside the scan, or shows padding that the scan holds."""
    unseen = np.ones(pixels.shape[:2], dtype=bool)
    rows, columns = (slice(max(0, -at), max(0, side - at)) for at, side in ((y, size[1]), (x, size[0])))
    inside = pixels[rows, columns]
    if inside.size:
        unseen[rows, columns] = padding(inside)
    return unseen
