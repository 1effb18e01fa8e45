"""DICOM VL Whole Slide Microscopy (PS3.3 A.32.8), TILED_FULL: one instance a level."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from jobs.errors import BadInput
from jobs.pixels import jpeg
from jobs.pixels.frames import Frames, locate
from jobs.pixels.reader import PIXELS_MOST, Level, Mpp, ScanInfo, Tile, grid, plausible_mpp
from jobs.pixels.rgb import from_ycbcr, to_rgb
from schemas.reasons import Reason
