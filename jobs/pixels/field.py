"""A smear field in one picture: JPEG, PNG, BMP or a plain TIFF, read by Pillow as one level of one tile."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from jobs.errors import BadInput, HemalakeError
from jobs.pixels import jpeg
from jobs.pixels.reader import PIXELS_MOST, Level, Mpp, ScanInfo, Tile, grid, grid_tile
from jobs.pixels.rgb import on_white, to_rgb
from schemas.reasons import Reason

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF")
_JPEGS = ("JPEG", "MPO")
_BITS_PER_SAMPLE = 258
"""Tag of TIFF."""
_TURNED = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""
_KEPT_MOST = 64 << 20
"""Bytes of a decoded picture that is kept while its reader is."""


class FieldReader:
    """A picture, turned as its EXIF orientation says; alpha on white, 16 bits by their high byte.

    Resolution tags of pictures (dpi) tell of screens and printers, so a field has no µm per pixel of its own.
    """

    mpp: Mpp | None = None
    mpp_missing: str | None = "a picture's dots per inch say nothing of the microscope"

    def __init__(self, file: BinaryIO) -> None:
        """Read the header.

        Raises:
            BadInput: UNREADABLE; TOO_LARGE for a picture of more than `PIXELS_MOST`; TRUNCATED.
        """
        self._file = file
        self._pixels: NDArray[np.uint8] | None = None
        with self._opened() as picture:
            width, height = picture.size
            exif = picture.getexif()
            turn = exif.get(ExifTags.Base.Orientation, 1)
            # Of a TIFF, Pillow gives the size as it is shown.
            if turn in _TURNED and picture.format != "TIFF":
                width, height = height, width
            codec = str(picture.format).lower()
            profile = picture.info.get("icc_profile")
            self.info = ScanInfo(
                codec=codec,
                lossy=picture.format in _JPEGS,
                vendor=_text(exif.get(ExifTags.Base.Make)),
                model=_text(exif.get(ExifTags.Base.Model)),
                icc_profile=profile if isinstance(profile, bytes) else None,
                notes=tuple(_notes(picture, turn)),
            )
        self.size = (width, height)
        self.levels = (Level(width, height, 1.0, width, height),)

    def tiles(self, level: int) -> Iterator[Tile]:
        """The one tile."""
        return grid(level, self.levels[level])

    def tile(self, level: int, index: int) -> Tile:
        """The one tile."""
        return grid_tile(level, self.levels[level], index)

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """The whole picture; one of usual size is decoded once."""
        if self._pixels is not None:
            return self._pixels
        with self._opened() as picture:
            pixels = self._decoded(picture)
        if pixels.shape[:2] != (tile.height, tile.width):
            raise BadInput(Reason.UNREADABLE)
        pixels.flags.writeable = False
        self._pixels = pixels if pixels.nbytes <= _KEPT_MOST else None
        return pixels

    def _decoded(self, picture: Image.Image) -> NDArray[np.uint8]:
        """Pixels as they are to be seen; Pillow would make up what a damaged JPEG lacks."""
        if picture.format in _JPEGS and picture.mode in ("L", "RGB"):
            self._file.seek(0)
            try:
                pixels = jpeg.decode(self._file.read(), "YCBCR", evidence_first=True)
            except BadInput:
                picture.load()  # which says so where the file ends too early
                raise
            picture = _turned_as(picture, pixels)
        return _rgb(ImageOps.exif_transpose(picture), _bits(picture))

    @contextmanager
    def _opened(self) -> Iterator[Image.Image]:
        """The picture, not loaded yet; whatever Pillow says of a bad one becomes `BadInput`."""
        self._file.seek(0)
        try:
            with warnings.catch_warnings():
                # Pillow only warns up to twice its limit; ours is checked below.
                warnings.simplefilter("ignore")
                picture = Image.open(self._file, formats=_FORMATS)
                if picture.width * picture.height > PIXELS_MOST:
                    raise BadInput(Reason.TOO_LARGE)
                if min(picture.size) < 1:
                    raise BadInput(Reason.UNREADABLE)
                yield picture
        except UnidentifiedImageError:
            raise BadInput(Reason.UNREADABLE) from None
        except OSError as problem:
            cut = "truncated" in str(problem)
            raise BadInput(Reason.TRUNCATED if cut else Reason.UNREADABLE) from None
        except Image.DecompressionBombError:
            raise BadInput(Reason.TOO_LARGE) from None
        except HemalakeError:
            raise
        except Exception:  # each of Pillow's formats has its own errors
            raise BadInput(Reason.UNREADABLE) from None


def _turned_as(picture: Image.Image, pixels: NDArray[np.uint8]) -> Image.Image:
    """Pixels of the picture, to be turned as it is."""
    decoded, turn = Image.fromarray(pixels), Image.Exif()
    turn[ExifTags.Base.Orientation] = picture.getexif().get(ExifTags.Base.Orientation, 1)
    decoded.info["exif"] = turn.tobytes()
    return decoded


def _rgb(picture: Image.Image, bits: int) -> NDArray[np.uint8]:
    if picture.mode.startswith("I;16"):
        return to_rgb(np.asarray(picture).astype(np.uint16), bits=bits)
    if picture.mode in ("I", "F", "LAB", "HSV"):
        raise BadInput(Reason.UNREADABLE)
    if picture.has_transparency_data:
        return on_white(picture)
    return np.asarray(picture.convert("RGB"))


def _bits(picture: Image.Image) -> int:
    """Bits of a sample that are used: Pillow puts twelve of a TIFF's into sixteen."""
    return int(picture.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0]) if isinstance(picture, TiffImageFile) else 16


def _notes(picture: Image.Image, turn: object) -> Iterator[str]:
    if turn != 1:
        yield "turned as EXIF says"
    if picture.mode.startswith("I;16"):
        yield f"{_bits(picture)} bits to 8: the high ones"
    if picture.has_transparency_data:
        yield "transparency is laid on white"


def _text(value: object) -> str | None:
    return str(value).strip("\0 ") or None if value else None
