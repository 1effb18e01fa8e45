"""A DICOM frame to RGB, by transfer syntax (PS3.6 table A-1) and photometric interpretation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset

from jobs.errors import BadInput
from jobs.pixels import jpeg
from jobs.pixels.rgb import from_ycbcr, to_rgb
from schemas.reasons import Reason

_CODECS = {
    uid.ImplicitVRLittleEndian: ("none", False),
    uid.ExplicitVRLittleEndian: ("none", False),
    uid.JPEGBaseline8Bit: ("jpeg", True),
    uid.JPEGExtended12Bit: ("jpeg", True),
    uid.JPEGLSLossless: ("jpeg-ls", False),
    uid.JPEGLSNearLossless: ("jpeg-ls", True),
    uid.JPEG2000Lossless: ("jpeg2000", False),
    uid.JPEG2000: ("jpeg2000", True),
}
"""Transfer syntax to the name of the codec and whether it loses information."""
_JPEG_COLOURS: dict[str, jpeg.Colour] = {
    "RGB": "RGB",
    "YBR_FULL": "YCBCR",
    "YBR_FULL_422": "YCBCR",
    "MONOCHROME1": "GRAY",
    "MONOCHROME2": "GRAY",
}
_COLOURS = {
    "none": {"RGB", "YBR_FULL", "MONOCHROME1", "MONOCHROME2"},
    "jpeg": set(_JPEG_COLOURS),
    "jpeg-ls": {"RGB", "YBR_FULL", "MONOCHROME1", "MONOCHROME2"},
    "jpeg2000": {"RGB", "YBR_ICT", "YBR_RCT", "MONOCHROME1", "MONOCHROME2"},
}
_DECODERS: dict[str, Callable[[bytes], NDArray[Any]]] = {
    "jpeg-ls": imagecodecs.jpegls_decode,
    # It also undoes the colour transform of YBR_ICT and YBR_RCT, which is a part of the codestream.
    "jpeg2000": imagecodecs.jpeg2k_decode,
}


@dataclass(frozen=True, slots=True)
class FrameDecoder:
    """Decodes the frames of one file."""

    codec: str
    lossy: bool
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    photometric: str
    planes: bool
    """Whether uncompressed colours lie one plane behind the other."""

    @property
    def frame_bytes(self) -> int:
        """Length of a frame that is not compressed."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    def __call__(self, data: bytes) -> NDArray[np.uint8]:
        """RGB (rows, columns, 3) of one frame; raises BadInput UNREADABLE."""
        if self.codec == "jpeg":
            pixels = jpeg.decode(data, _JPEG_COLOURS[self.photometric], evidence_first=True)
            return 255 - pixels if self.photometric == "MONOCHROME1" else pixels
        samples = self._native(data) if self.codec == "none" else self._decoded(data)
        pixels = to_rgb(samples, bits=self.bits_stored, white_is_zero=self.photometric == "MONOCHROME1")
        return from_ycbcr(pixels) if self.photometric == "YBR_FULL" else pixels

    def _native(self, data: bytes) -> NDArray[Any]:
        samples = np.frombuffer(data, dtype="<u2" if self.bits_allocated == 16 else "u1")
        if self.planes:
            return np.moveaxis(samples.reshape(self.samples, self.rows, self.columns), 0, 2)
        return samples.reshape(self.rows, self.columns, self.samples)

    def _decoded(self, data: bytes) -> NDArray[Any]:
        try:
            samples = np.asarray(_DECODERS[self.codec](data))
        except (RuntimeError, ValueError):
            raise BadInput(Reason.UNREADABLE) from None
        shape = samples.shape if samples.ndim == 3 else (*samples.shape, 1)
        if shape != (self.rows, self.columns, self.samples):
            raise BadInput(Reason.UNREADABLE)
        return samples


def frame_decoder(dataset: Dataset) -> FrameDecoder:
    """The decoder for the frames of a file.

    Raises:
        BadInput: UNREADABLE, for syntaxes, colours and depths that are not decoded here.
        AttributeError: the file lacks a required attribute.
    """
    codec, lossy = _CODECS.get(dataset.file_meta.TransferSyntaxUID, ("", False))
    decoder = FrameDecoder(
        codec=codec,
        lossy=lossy,
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        samples=int(dataset.SamplesPerPixel),
        bits_allocated=int(dataset.BitsAllocated),
        bits_stored=int(dataset.BitsStored),
        photometric=str(dataset.PhotometricInterpretation),
        planes=codec == "none" and int(dataset.get("PlanarConfiguration") or 0) == 1,
    )
    known = (
        decoder.photometric in _COLOURS.get(codec, ())
        and decoder.samples == (1 if decoder.photometric.startswith("MONOCHROME") else 3)
        and decoder.bits_allocated in (8, 16)
        and 8 <= decoder.bits_stored <= decoder.bits_allocated
        and not int(dataset.get("PixelRepresentation") or 0)
    )
    if not known:
        raise BadInput(Reason.UNREADABLE)
    return decoder
