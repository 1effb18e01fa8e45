"""From colours to optical density: what a stain takes from the light, whatever the lamp and the camera were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

_GLASS_LEAST = 200.0
"""Glass is never darker than this in an 8-bit scan; what is darker at its brightest shows no glass."""
_LOG = np.log(np.maximum(np.arange(256), 1)).astype(np.float32)


def white_point(pixels: NDArray[np.uint8]) -> Floats:
    """Colour (3,) of bare glass: the brightest hundredth, or neutral white where that is stained.

    A lamp's tint is even, a stain's is not, so a pink that is even counts as glass.

    Args:
        pixels: (height, width, 3), RGB, at least one pixel.
    """
    counts = np.array(Image.fromarray(pixels).histogram()).reshape(3, 256).cumsum(axis=1)
    brightest = (counts < 0.99 * counts[:, -1:]).sum(axis=1).astype(np.float32)
    pink = float(np.log(np.sqrt(brightest[0] * brightest[2] + 1.0) / (brightest[1] + 1.0)))
    stained = pink > 0.15 or (pink > 0.05 and not _even(pixels, brightest))
    if stained or brightest.max() < _GLASS_LEAST:
        return np.full(3, max(float(brightest.max()), 235.0), dtype=np.float32)
    return np.asarray(np.maximum(brightest, _GLASS_LEAST), dtype=np.float32)


def _even(pixels: NDArray[np.uint8], color: Floats) -> bool:
    """Whether means over 4x4 pixels, which hold little noise, are like their neighbours where of about that colour."""
    small = shrunk(pixels, 4)
    some = small[:: max(1, small.shape[0] * small.shape[1] // 250_000)]
    alike = (np.abs(some[:, :-1] - color) < 0.06 * 255).all(axis=2)
    step = np.abs(some[:, 1:, 1].astype(np.int16) - some[:, :-1, 1])[alike]
    return step.size > 0 and float(np.mean(step)) < 1.5


def optical_density(pixels: NDArray[np.uint8], white: Floats | None = None) -> Floats:
    """Natural absorbance -ln(I / white) by Beer and Lambert, (height, width, 3); negative above white.

    Args:
        pixels: (height, width, 3), RGB.
        white: colour of bare glass, (3,) or (height, width, 3); estimated where None.
    """
    ground = white_point(pixels) if white is None else white
    return np.asarray(np.log(np.maximum(ground, 1)) - _LOG[pixels], dtype=np.float32)


def stain(density: Floats) -> Floats:
    """How much more green than red and blue is absorbed, (height, width).

    Eosin and haematoxylin both absorb green most (Ruifrok and Johnston, Anal Quant Cytol Histol 2001); glass, dust and
    black ink absorb all alike, other inks green least. So this tells pale tissue from grey of the same darkness.
    """
    return np.asarray(density[..., 1] - (density[..., 0] + density[..., 2]) / 2, dtype=np.float32)


def shrunk(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """The picture as means over squares of `factor` pixels; those at the right and lower edge may be of fewer."""
    if factor == 1:
        return pixels
    return np.asarray(Image.fromarray(pixels).reduce(factor), dtype=np.uint8)
