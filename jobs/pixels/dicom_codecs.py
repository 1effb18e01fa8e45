"""A DICOM frame to RGB, by transfer syntax (PS3.6 table A-1) and photometric interpretation."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset

from jobs.errors import BadInput
from jobs.pixels import jpeg
from jobs.pixels.rgb import from_ycbcr, to_rgb
from jobs.pixels.stated import check_size
from schemas.reasons import Reason

_CODECS = {
    uid.ImplicitVRLittleEndian: ("none", False),
    uid.ExplicitVRLittleEndian: ("none", False),
    uid.UID("1.2.840.10008.1.2.1.98"): ("none", False),
    uid.RLELossless: ("rle", False),
    uid.JPEGBaseline8Bit: ("jpeg", True),
    uid.JPEGExtended12Bit: ("jpeg", True),
    uid.JPEGLossless: ("jpeg-lossless", False),
    uid.JPEGLosslessSV1: ("jpeg-lossless", False),
    uid.JPEGLSLossless: ("jpeg-ls", False),
    uid.JPEGLSNearLossless: ("jpeg-ls", True),
    uid.JPEG2000Lossless: ("jpeg2000", False),
    uid.JPEG2000: ("jpeg2000", True),
    uid.HTJ2KLossless: ("htj2k", False),
    uid.HTJ2KLosslessRPCL: ("htj2k", False),
    uid.HTJ2K: ("htj2k", True),
    uid.UID("1.2.840.10008.1.2.4.110"): ("jpeg-xl", False),
    uid.UID("1.2.840.10008.1.2.4.111"): ("jpeg-xl", True),
    uid.UID("1.2.840.10008.1.2.4.112"): ("jpeg-xl", True),
}
"""Transfer syntax to the name of the codec and whether it loses information."""
_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_JPEG_COLOURS: dict[str, jpeg.Colour] = {
    "RGB": "RGB",
    "YBR_FULL": "YCBCR",
    "YBR_FULL_422": "YCBCR",
    "MONOCHROME1": "GRAY",
    "MONOCHROME2": "GRAY",
}
_END = b"\xff\xd9"
_RLE_HEADER = struct.Struct("<16I")
_PADDING = 64
"""Pixels by which a JPEG may be larger than its frame."""
_J2K_COLOURS = _GREY | {"RGB", "YBR_ICT", "YBR_RCT", "YBR_FULL"}
_COLOURS = {
    "none": _GREY | {"RGB", "YBR_FULL"},
    "rle": _GREY | {"RGB", "YBR_FULL"},
    "jpeg": frozenset(_JPEG_COLOURS),
    "jpeg-lossless": _GREY | {"RGB", "YBR_FULL"},
    "jpeg-ls": _GREY | {"RGB", "YBR_FULL"},
    "jpeg2000": _J2K_COLOURS,
    "htj2k": _J2K_COLOURS,
    # JPEG XL undoes its own colour transform, and that of a JPEG that it repacks.
    "jpeg-xl": _GREY | {"RGB", "XYB", "YBR_FULL", "YBR_FULL_422"},
}


def _jpeg_lossless(data: bytes) -> NDArray[Any]:
    """By libjpeg-turbo, which broken streams do not bring down; colours stay as they are."""
    space = None if jpeg.header(data, any_bits=True).components == 1 else "RGB"
    return np.asarray(imagecodecs.jpeg8_decode(data, colorspace=space, outcolorspace=space))


def _jpeg_ls(data: bytes) -> NDArray[Any]:
    """By CharLS, which takes seconds to see that a stream without its end marker is cut off."""
    whole = data if data.rstrip(b"\0").endswith(_END) else data + _END
    return np.asarray(imagecodecs.jpegls_decode(whole))


_DECODERS: dict[str, Callable[[bytes], NDArray[Any]]] = {
    "jpeg-lossless": _jpeg_lossless,
    "jpeg-ls": _jpeg_ls,
    # It also undoes the multiple component transform, which is a part of the codestream.
    "jpeg2000": imagecodecs.jpeg2k_decode,
    "htj2k": imagecodecs.jpeg2k_decode,
    # Of an animation, the first picture: the others could be without number.
    "jpeg-xl": partial(imagecodecs.jpegxl_decode, index=0),
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
        """RGB (rows, columns, 3) of one frame; raises BadInput UNREADABLE, TRUNCATED or TOO_LARGE."""
        if self.codec == "jpeg":
            # Some scanners' JPEGs are those of whole blocks.
            most = (self.columns + _PADDING, self.rows + _PADDING)
            pixels = jpeg.decode(data, _JPEG_COLOURS[self.photometric], evidence_first=True, most=most)
            return 255 - pixels if self.photometric == "MONOCHROME1" else pixels
        samples = self._native(data) if self.codec == "none" else self._decoded(data)
        pixels = to_rgb(samples, bits=self.bits_stored, white_is_zero=self.photometric == "MONOCHROME1")
        return from_ycbcr(pixels) if self._is_ycbcr(data) else pixels

    def _is_ycbcr(self, data: bytes) -> bool:
        """Whether the decoded samples are YCbCr still: by the attribute, unless the stream says otherwise."""
        if self.samples == 1 or not self.photometric.startswith("YBR") or self.codec == "jpeg-xl":
            return False
        if self.codec in ("jpeg2000", "htj2k"):
            return not _has_component_transform(data)
        return not (self.codec == "jpeg-lossless" and jpeg.header(data, any_bits=True).evidence == "RGB")

    def _native(self, data: bytes) -> NDArray[Any]:
        samples = np.frombuffer(data, dtype="<u2" if self.bits_allocated == 16 else "u1")
        count = self.rows * self.columns * self.samples
        if samples.size < count:
            raise BadInput(Reason.TRUNCATED)
        if self.planes:
            return np.moveaxis(samples[:count].reshape(self.samples, self.rows, self.columns), 0, 2)
        return samples[:count].reshape(self.rows, self.columns, self.samples)

    def _decoded(self, data: bytes) -> NDArray[Any]:
        try:
            if self.codec == "rle":
                return self._rle(data)
            check_size(data, self.columns, self.rows)
            samples = np.asarray(_DECODERS[self.codec](data))
        except (RuntimeError, ValueError, MemoryError, TypeError):
            raise BadInput(Reason.UNREADABLE) from None
        shape = samples.shape if samples.ndim == 3 else (*samples.shape, 1)
        if shape == (self.samples, self.rows, self.columns) != (self.rows, self.columns, self.samples):
            return np.moveaxis(samples, 0, 2)
        if shape != (self.rows, self.columns, self.samples):
            raise BadInput(Reason.UNREADABLE)
        return samples

    def _rle(self, data: bytes) -> NDArray[Any]:
        """Segments hold one byte of one sample each, most significant first (PS3.5 annex G)."""
        kind = np.dtype("<u2" if self.bits_allocated == 16 else "u1")
        _check_segments(data, self.samples * kind.itemsize)
        samples = np.frombuffer(imagecodecs.dicomrle_decode(data, kind), kind)
        return np.moveaxis(samples.reshape(self.samples, self.rows, self.columns), 0, 2)


def _check_segments(data: bytes, count: int) -> None:
    """Raise UNREADABLE unless the segments of RLE lie in the data, one behind the other."""
    if len(data) < _RLE_HEADER.size:
        raise BadInput(Reason.UNREADABLE)
    stated, *starts = _RLE_HEADER.unpack_from(data)
    places = [*starts[:count], len(data)]
    if stated != count or places[0] < _RLE_HEADER.size or places != sorted(set(places)):
        raise BadInput(Reason.UNREADABLE)


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
        and decoder.samples == (1 if decoder.photometric in _GREY else 3)
        and decoder.bits_allocated in (8, 16)
        and 8 <= decoder.bits_stored <= decoder.bits_allocated
        and not int(dataset.get("PixelRepresentation") or 0)
    )
    if not known:
        raise BadInput(Reason.UNREADABLE)
    return decoder


def _has_component_transform(data: bytes) -> bool:
    """Whether a JPEG 2000 codestream codes its colours by the RCT or ICT (ISO/IEC 15444-1 A.6.1, SGcod)."""
    place = data.find(b"\xff\x52")
    return 0 <= place < len(data) - 8 and data[place + 8] == 1
