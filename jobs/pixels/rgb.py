"""Any decoded samples to RGB of 8 bits, by one rule for every format.

- 16 bits or another depth: the high 8 bits of those that are used, nothing is stretched.
- Grey: the same value three times; inverted where the format says that 0 is white.
- Alpha: laid on white.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.errors import BadInput
from schemas.reasons import Reason


def to_rgb(samples: NDArray[Any], *, bits: int = 0, white_is_zero: bool = False) -> NDArray[np.uint8]:
    """RGB (height, width, 3) of samples (height, width) or (height, width, 1 to 4).

    Args:
        samples: unsigned integers: grey, grey and alpha, RGB, or RGB and alpha.
        bits: how many bits of each sample are used; 0 for all that its type has.
        white_is_zero: grey samples count from white to black.

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
    if channels == 2:
        return on_white(Image.fromarray(grey, "LA"))
    return on_white(Image.fromarray(grey, "RGBA"))


def on_white(image: Image.Image) -> NDArray[np.uint8]:
    """RGB of a picture with transparency, laid on white."""
    picture = image.convert("RGBA")
    ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))


def from_ycbcr(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB of full-range YCbCr (ITU-T T.871), both (height, width, 3)."""
    return np.asarray(Image.fromarray(samples, "YCbCr").convert("RGB"))


def _eight_bits(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    if bits == 8 or samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    if bits < 8:
        raise BadInput(Reason.UNREADABLE)
    return (samples >> (bits - 8)).astype(np.uint8)
