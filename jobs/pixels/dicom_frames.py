"""The frames of any DICOM image that pydicom decodes, as pictures to look through; not calibrated, not for display."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import pixel_array
from pydicom.pixels.processing import apply_color_lut

from jobs.errors import BadInput
from jobs.pixels.reader import PIXELS_MOST, Level, Tile
from jobs.pixels.rgb import to_rgb
from schemas.reasons import Reason

_DARKEST, _BRIGHTEST = 0.5, 99.5
"""Percentiles of a frame that become black and white, where its samples are not bytes."""


class DicomFrames:
    """Each frame is a level of one tile."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the header.

        Raises:
            BadInput: UNREADABLE, for what is no image, and for frames of more than `PIXELS_MOST`.
        """
        self._file = file
        file.seek(0)
        try:
            self._dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            width, height = int(self._dataset.Columns), int(self._dataset.Rows)
            frames = int(self._dataset.get("NumberOfFrames") or 1)
        except Exception:  # pydicom raises nearly anything on damaged elements
            raise BadInput(Reason.UNREADABLE) from None
        if width * height > PIXELS_MOST:
            raise BadInput(Reason.UNREADABLE)
        self.tiled = frames > 1 and "TotalPixelMatrixColumns" in self._dataset
        """Whether the frames are parts of one picture."""
        self.levels = (Level(width, height, 1.0, width, height),) * frames

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """A frame as RGB; samples of more than 8 bits are stretched between their percentiles.

        Raises:
            BadInput: UNREADABLE, also for transfer syntaxes that no decoder is there for.
        """
        self._file.seek(0)
        try:
            samples = pixel_array(self._file, index=tile.level)
            if self._dataset.PhotometricInterpretation == "PALETTE COLOR":
                samples = apply_color_lut(samples, self._dataset)
        except Exception:  # each decoder has its own errors
            raise BadInput(Reason.UNREADABLE) from None
        return to_rgb(samples if samples.dtype == np.uint8 and samples.max() > 1 else _stretched(samples))


def _stretched(samples: NDArray[Any]) -> NDArray[np.uint8]:
    values = samples.astype(np.float32)
    low, high = np.percentile(values, (_DARKEST, _BRIGHTEST))
    if low == high:
        low, high = values.min(), values.max()
    shares = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1)
    return np.asarray(shares * 255, dtype=np.uint8)
