"""From colours to optical density: what a stain takes from the light, whatever the lamp and the camera were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_GLASS_LEAST = 200.0
"""Glass is never darker than this in an 8-bit scan; what is darker at its brightest shows no glass."""


def white_point(pixels: NDArray[np.uint8]) -> Floats:
    """Colour (3,) of bare glass: the brightest hundredth, or neutral white where that is stained.

    A lamp's tint is even, a stain's is not, so a pink that is even counts as glass.

    Args:
        pixels: (height, width, 3), RGB.
    """
    every = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / 250_000)))
    some = pixels[::every, ::every].reshape(-1, 3)
    brightest = np.asarray(np.percentile(some, 99, axis=0), dtype=np.float32)
    pink = np.log(np.sqrt(brightest[0] * brightest[2] + 1.0) / (brightest[1] + 1.0))
    if pink > (0.15 if _even(pixels[::every], brightest) else 0.05) or brightest.max() < _GLASS_LEAST:
        return np.full(3, max(float(brightest.max()), 235.0), dtype=np.float32)
    return np.maximum(brightest, _GLASS_LEAST).astype(np.float32)


def _even(pixels: NDArray[np.uint8], color: Floats) -> bool:
    """Whether the pixels of about that colour are like their neighbours."""
    alike = (np.abs(pixels[:, :-1] - color) < 0.06 * 255).all(axis=2)
    step = np.abs(pixels[:, 1:, 1].astype(np.int16) - pixels[:, :-1, 1])[alike]
    return step.size > 0 and float(np.mean(step)) < 4.0


def optical_density(pixels: NDArray[np.uint8], white: Floats | None = None) -> Floats:
    """Natural absorbance -ln(I / white) by Beer and Lambert, (height, width, 3); negative above white.

    Args:
        pixels: (height, width, 3), RGB.
        white: colour of bare glass, (3,) or (height, width, 3); estimated where None.
    """
    ground = white_point(pixels) if white is None else white
    table = np.log(np.maximum(np.arange(256), 1)).astype(np.float32)
    return np.asarray(np.log(np.maximum(ground, 1)) - table[pixels], dtype=np.float32)


def stain(density: Floats) -> Floats:
    """How much more green than red and blue is absorbed, (height, width).

    Eosin and haematoxylin both absorb green most (Ruifrok and Johnston, Anal Quant Cytol Histol 2001); glass, dust and
    black ink absorb all alike, other inks green least. So this tells pale tissue from grey of the same darkness.
    """
    return np.asarray(density[..., 1] - (density[..., 0] + density[..., 2]) / 2, dtype=np.float32)
