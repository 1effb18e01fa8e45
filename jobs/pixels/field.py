"""A smear field in one picture: JPEG, PNG or BMP, read by Pillow as one level of one tile."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from jobs.errors import BadInput
from jobs.pixels.reader import PIXELS_MOST, Level, Mpp, ScanInfo, Tile, grid
from jobs.pixels.rgb import on_white, to_rgb
from schemas.reasons import Reason

_FORMATS = ("JPEG", "PNG", "BMP")
_TURNED = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""


class FieldReader:
    """A picture, turned as its EXIF orientation says; alpha on white, 16 bits by their high byte.

    Resolution tags of pictures (dpi) tell of screens and printers, so a field has no µm per pixel of its own.
    """

    mpp: Mpp | None = None
    mpp_missing: str | None = "a picture's dots per inch say nothing of the microscope"

    def __init__(self, file: BinaryIO) -> None:
        """Read the header.

        Raises:
            BadInput: UNREADABLE, also for a picture of more than `PIXELS_MOST`; TRUNCATED.
        """
        self._file = file
        with self._opened() as picture:
            width, height = picture.size
            exif = picture.getexif()
            if exif.get(ExifTags.Base.Orientation) in _TURNED:
                width, height = height, width
            codec = str(picture.format).lower()
            profile = picture.info.get("icc_profile")
            self.info = ScanInfo(
                codec=codec,
                lossy=codec == "jpeg",
                vendor=_text(exif.get(ExifTags.Base.Make)),
                model=_text(exif.get(ExifTags.Base.Model)),
                icc_profile=profile if isinstance(profile, bytes) else None,
            )
        self.size = (width, height)
        self.levels = (Level(width, height, 1.0, width, height),)

    def tiles(self, level: int) -> Iterator[Tile]:
        """The one tile."""
        return grid(level, self.levels[level])

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """The whole picture."""
        with self._opened() as picture:
            pixels = _rgb(ImageOps.exif_transpose(picture))
        if pixels.shape[:2] != (tile.height, tile.width):
            raise BadInput(Reason.UNREADABLE)
        return pixels

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
                    raise BadInput(Reason.UNREADABLE)
                yield picture
        except UnidentifiedImageError:
            raise BadInput(Reason.UNREADABLE) from None
        except OSError as problem:
            cut = "truncated" in str(problem)
            raise BadInput(Reason.TRUNCATED if cut else Reason.UNREADABLE) from None
        except (Image.DecompressionBombError, ValueError, SyntaxError, EOFError, LookupError, TypeError):
            raise BadInput(Reason.UNREADABLE) from None


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode.startswith("I;16"):
        return to_rgb(np.asarray(picture).astype(np.uint16))
    if picture.mode in ("I", "F"):
        raise BadInput(Reason.UNREADABLE)
    if picture.has_transparency_data:
        return on_white(picture)
    return np.asarray(picture.convert("RGB"))


def _text(value: object) -> str | None:
    return str(value).strip("\0 ") or None if value else None
