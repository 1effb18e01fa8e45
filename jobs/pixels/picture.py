"""Any picture file of a folder to the samples it holds, and to the square by which it is compared."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from jobs.errors import BadInput
from jobs.pixels.reader import PIXELS_MOST
from jobs.pixels.square import square_of
from jobs.pixels.stated import stated_size
from schemas.reasons import Reason

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".tif", ".tiff", ".webp", ".jxl", ".gif"})
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8")
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_DEPTH_AT = 24
_BITS_PER_SAMPLE = 258
"""Tag of TIFF."""


@dataclass(frozen=True)
class Fingerprint:
    """What a picture is known by."""

    sha256: str
    """Of its decoded pixels: equal for equal pictures only, whatever the format."""
    width: int
    height: int
    square: NDArray[np.uint8]
    """Luma (64, 64), stretched to a square and to the range of 1 to 255; 0 where it is padding."""


def is_picture(path: Path) -> bool:
    """Whether a file claims to be a picture, by its name or by its first bytes.

    Raises:
        OSError: the file cannot be opened.
    """
    if path.suffix.lower() in SUFFIXES:
        return True
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith((*_STARTS[:2], *_STARTS[3:], *_JXL)) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def read_picture(path: Path) -> NDArray[Any]:
    """RGB (height, width, 3) of a picture, of 8 or 16 bits; alpha on white, turned as its EXIF orientation says.

    Of several pages or frames the first counts.

    Raises:
        BadInput: EMPTY_FILE, UNKNOWN_FORMAT, TRUNCATED, UNREADABLE, the latter also above `PIXELS_MOST` pixels.
    """
    try:
        data = path.read_bytes()
    except OSError:
        raise BadInput(Reason.UNREADABLE) from None
    if not data:
        raise BadInput(Reason.EMPTY_FILE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _samples(data)
    except BadInput:
        raise
    except UnidentifiedImageError:
        known = data.startswith(_STARTS) or data[:4] == b"RIFF"
        raise BadInput(Reason.UNREADABLE if known else Reason.UNKNOWN_FORMAT) from None
    except Exception as problem:  # decoders of damaged files fail in many ways, and their messages quote them
        raise BadInput(Reason.TRUNCATED if "truncated" in str(problem) else Reason.UNREADABLE) from None


def fingerprint(pixels: NDArray[Any]) -> Fingerprint:
    """What a picture (height, width, 3) of 8 or 16 bits is known by."""
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"{width}x{height} {pixels.dtype.str}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Fingerprint(digest.hexdigest(), width, height, square_of(pixels))


def _samples(data: bytes) -> NDArray[Any]:
    if data.startswith(_JXL):
        _check_size(*stated_size(data))
        return _rgb(imagecodecs.jpegxl_decode(data, index=0))
    if data.startswith(_STARTS[1]) and data[_PNG_DEPTH_AT : _PNG_DEPTH_AT + 1] == b"\x10":
        _check_size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
        return _rgb(imagecodecs.png_decode(data))
    try:
        return _by_pillow(data)
    except (UnidentifiedImageError, _NotForPillow):
        if not data.startswith(_TIFF):
            raise
    return _by_tifffile(data)


class _NotForPillow(Exception):
    """Pillow would lose bits of this picture."""


def _by_pillow(data: bytes) -> NDArray[Any]:
    from io import BytesIO

    picture: Image.Image = Image.open(BytesIO(data), formats=_FORMATS)
    _check_size(*picture.size)
    deep = isinstance(picture, TiffImageFile) and max(picture.tag_v2.get(_BITS_PER_SAMPLE, (8,))) > 8
    if picture.mode in ("F", "I") or picture.mode.startswith("I;") or deep:
        raise _NotForPillow
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))


def _by_tifffile(data: bytes) -> NDArray[Any]:
    from io import BytesIO

    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages[0]
        _check_size(page.imagewidth, page.imagelength)
        samples = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
            samples = samples.transpose(1, 2, 0)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            samples = np.iinfo(samples.dtype).max - samples
    return _rgb(samples)


def _check_size(width: int, height: int) -> None:
    if not 0 < width * height <= PIXELS_MOST:
        raise BadInput(Reason.UNREADABLE)


def _rgb(samples: NDArray[Any]) -> NDArray[Any]:
    """RGB of grey or RGB samples with or without alpha; floats by their range, 16 bits that are 8 as 8."""
    samples = samples[..., None] if samples.ndim == 2 else samples
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4 or not samples.size:
        raise BadInput(Reason.UNREADABLE)
    if samples.dtype.kind not in "u" or samples.dtype.itemsize > 2:
        finite = np.nan_to_num(samples.astype(np.float64))
        most = max(float(np.abs(finite).max()), 1e-9)
        samples = np.clip(np.rint(finite / most * 65535), 0, 65535).astype(np.uint16)
    if samples.dtype == np.uint16 and not (samples % 257).any():
        samples = (samples // 257).astype(np.uint8)
    white = np.iinfo(samples.dtype).max
    if samples.shape[2] in (2, 4):
        opaque = samples[..., -1:].astype(np.float64) / white
        mixed = samples[..., :-1] * opaque + white * (1 - opaque)
        samples = np.rint(mixed).astype(samples.dtype)
    return np.ascontiguousarray(np.broadcast_to(samples, (*samples.shape[:2], 3)))
