"""What a picture is known by: its hash, and how far it correlates with another."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.pixels.overlap import Luma, Overlap, ncc, overlap

__all__ = [
    "Luma",
    "Overlap",
    "luma",
    "ncc",
    "overlap",
    "pixel_sha256",
]


def pixel_sha256(pixels: NDArray[Any]) -> str:
    """SHA-256 (hex) over shape, type and bytes: equal for equal pictures only."""
    shape = "x".join(str(side) for side in pixels.shape)
    digest = hashlib.sha256(f"{shape} {pixels.dtype.str}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def luma(pixels: NDArray[np.uint8]) -> Luma:
    """Luma (height, width) of RGB, 0 to 255 (ITU-R BT.601)."""
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.asarray(pixels @ weights, dtype=np.float32)
