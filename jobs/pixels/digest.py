"""What a picture is known by: the hash of its pixels."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pixel_sha256(pixels: NDArray[Any]) -> str:
    """SHA-256 (hex) over shape, type and bytes: equal for equal pictures only."""
    shape = "x".join(str(side) for side in pixels.shape)
    digest = hashlib.sha256(f"{shape} {pixels.dtype.str}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
