"""Two small measures of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from jobs.pixels.digest import luma


def focus(pixels: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of luma: high in focus, low in blur (Pech-Pacheco et al., ICPR 2000).

    Args:
        pixels: (height, width, 3), RGB.

    Returns:
        At least 0, in squared grey levels; compares pictures of one size, pixel size and stain only.
    """
    return float(ndimage.laplace(luma(pixels), mode="nearest").var())


def saturation(pixels: NDArray[np.uint8]) -> float:
    """Mean saturation in HSV (Smith, SIGGRAPH 1978): (max - min) / max of the colours; 0 for black.

    Args:
        pixels: (height, width, 3), RGB.

    Returns:
        0 (grey) to 1.
    """
    most = pixels.max(axis=2).astype(np.float32)
    least = pixels.min(axis=2)
    return float(((most - least) / np.maximum(most, 1)).mean())
