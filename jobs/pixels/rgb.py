"""Any decoded samples to RGB of 8 bits, by one rule for every format.

- 16 bits or another depth: the high 8 bits of those that are used, nothing is stretched.
- Grey: the same value three times; inverted where the format says that 0 is white.
- Alpha: laid on white.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.errors import BadInput
from schemas.reasons import Reason

_D50 = np.array([0.96422, 1.0, 0.82521])
_XYZ_TO_SRGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)
"""Bradford-adapted from D50 to the D65 of sRGB (Lindbloom, RGB/XYZ matrices)."""


def to_rgb(
    samples: NDArray[Any], *, bits: int = 0, white_is_zero: bool = False, premultiplied: bool = False
) -> NDArray[np.uint8]:
    """RGB (height, width, 3) of samples (height, width) or (height, width, 1 to 4).

    Args:
        samples: unsigned integers: grey, grey and alpha, RGB, or RGB and alpha.
        bits: how many bits of each sample are used; 0 for all that its type has.
        white_is_zero: grey samples count from white to black.
        premultiplied: colours were multiplied by alpha (TIFF's associated alpha).

    Raises:
        BadInput: UNREADABLE, for samples of another shape or type.
    """
    if samples.dtype.kind != "u" or samples.ndim not in (2, 3):
        raise BadInput(Reason.UNREADABLE)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if not 1 <= channels <= 4:
        raise BadInput(Reason.UNREADABLE)
    eight = _eight_bits(samples, bits or samples.dtype.itemsize * 8)
    if white_is_zero:
        eight = 255 - eight
    if channels == 3:
        return eight
    grey = eight.reshape(*eight.shape[:2], channels)
    if channels == 1:
        return np.repeat(grey, 3, axis=2)
    if premultiplied:
        colours = np.broadcast_to(grey[..., :-1], (*grey.shape[:2], 3)).astype(np.int32)
        laid: NDArray[np.uint8] = np.minimum(colours + 255 - grey[..., -1:], 255).astype(np.uint8)
        return laid
    return on_white(Image.fromarray(grey, "LA" if channels == 2 else "RGBA"))


def on_white(image: Image.Image) -> NDArray[np.uint8]:
    """RGB of a picture with transparency, laid on white."""
    picture = image.convert("RGBA")
    ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))


def from_ycbcr(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB of full-range YCbCr (ITU-T T.871), both (height, width, 3)."""
    return np.asarray(Image.fromarray(samples, "YCbCr").convert("RGB"))


def from_cielab(encoded: Sequence[int]) -> tuple[int, int, int]:
    """sRGB of a CIELab colour of three unsigned 16-bit numbers (PS3.3 C.10.7.1.1), white D50 becoming white."""
    lightness, a, b = encoded[0] / 65535 * 100, encoded[1] / 257 - 128, encoded[2] / 257 - 128
    y = (lightness + 16) / 116
    roots = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * _D50
    linear = np.clip(_XYZ_TO_SRGB @ xyz, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(np.clip(curved, 0, 1) * 255).astype(int).tolist()
    return red, green, blue


def _eight_bits(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    if bits == 8 or samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    if bits < 8:
        raise BadInput(Reason.UNREADABLE)
    return (samples >> (bits - 8)).astype(np.uint8)
