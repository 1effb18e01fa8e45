"""What a picture is known by: exact and perceptual hashes, and how far it correlates with another."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from jobs.pixels.overlap import Luma, Overlap, ncc, overlap

__all__ = [
    "Luma",
    "Overlap",
    "hamming",
    "luma",
    "luma_thumbnail",
    "ncc",
    "overlap",
    "perceptual_hash",
    "pixel_sha256",
]

_HASH_SIDE, _HASH_LOW = 32, 8


def pixel_sha256(pixels: NDArray[Any]) -> str:
    """SHA-256 (hex) over shape, type and bytes: equal for equal pictures only."""
    shape = "x".join(str(side) for side in pixels.shape)
    digest = hashlib.sha256(f"{shape} {pixels.dtype.str}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def perceptual_hash(pixels: NDArray[np.uint8]) -> int:
    """64 bits, unsigned, that change little under another encoding, size or light (Zauner 2010).

    Each says whether one of the 8x8 lowest frequencies, without the zeroth ones, of a 32x32 luma's DCT is above
    their median.

    Args:
        pixels: (height, width, 3), RGB.
    """
    spectrum = fft.dctn(luma_thumbnail(pixels, _HASH_SIDE), norm="ortho")
    low = spectrum[1 : _HASH_LOW + 1, 1 : _HASH_LOW + 1].ravel()
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def hamming(a: int, b: int) -> int:
    """How many bits differ between two hashes, signed or not."""
    return ((a ^ b) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()


def luma(pixels: NDArray[np.uint8]) -> Luma:
    """Luma (height, width) of RGB, 0 to 255 (ITU-R BT.601)."""
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.asarray(pixels @ weights, dtype=np.float32)


def luma_thumbnail(pixels: NDArray[np.uint8], side: int) -> Luma:
    """Luma (side, side) of a picture of any shape, by mean over areas."""
    small = Image.fromarray(luma(pixels)).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)
