"""The pages of a TIFF that make up its pyramid, checked before anything is read of their pixels."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, Literal

import numpy as np
import tifffile

from jobs.errors import BadInput
from jobs.pixels import jpeg
from jobs.pixels.reader import PIXELS_MOST
from jobs.pixels.source import length, read_at
from schemas.reasons import Reason

JPEG = 7
WHITE_IS_ZERO = 0
JPEG_COLOURS: dict[int, jpeg.Colour] = {1: "GRAY", 2: "RGB", 6: "YCBCR"}
"""Photometric interpretation (tag 262) to what the components of a JPEG are."""
_YCBCR = 6
_PHOTOMETRICS = frozenset({WHITE_IS_ZERO, *JPEG_COLOURS})
_APERIO_J2K_YCBCR = 33003


def pages(file: BinaryIO) -> list[Any]:
    """All pages of the file, and the reduced ones below its first."""
    file.seek(0)
    try:
        tif = tifffile.TiffFile(file)
        found: list[Any] = list(tif.pages)
        # Where the chain of pages leads nowhere, tifffile logs it and stops.
        if not found or _pointer(file, tif.pages.next_page_offset):
            raise BadInput(Reason.TRUNCATED)
        return found[:1] + list(found[0].pages or []) + found[1:]
    except (tifffile.TiffFileError, ValueError, struct.error, LookupError, TypeError, OSError):
        cut = _pointer(file, 8 if _is_big(file) else 4) >= length(file)
        raise BadInput(Reason.TRUNCATED if cut else Reason.UNREADABLE) from None


def _is_big(file: BinaryIO) -> bool:
    """Whether it is BigTIFF, whose pointers have 64 bits."""
    return read_at(file, 2, 2) in (b"+\0", b"\0+")


def _pointer(file: BinaryIO, place: int) -> int:
    """The pointer to a page that lies at a place in the file; 0 ends the chain (TIFF 6.0 section 2)."""
    order: Literal["little", "big"] = "little" if read_at(file, 0, 2) == b"II" else "big"
    return int.from_bytes(read_at(file, place, 8 if _is_big(file) else 4), order)


def pyramid(pages: list[Any]) -> list[Any]:
    """The first page, and the tiled ones that are the same picture in less pixels."""
    first = pages[0]
    _check(first)
    found = [first]
    for page in pages[1:]:
        smaller = page.imagewidth < found[-1].imagewidth and page.imagelength < found[-1].imagelength
        if page.is_tiled and smaller and min(page.imagewidth, page.imagelength) > 0 and _same_picture(first, page):
            _check(page)
            found.append(page)
    return found


def _same_picture(first: Any, page: Any) -> bool:
    """Whether the sides of both have the same ratio, but for rounding to whole pixels."""
    across, down = first.imagewidth / page.imagewidth, first.imagelength / page.imagelength
    rounding = 1 / page.imagewidth + 1 / page.imagelength
    return bool(abs(across / down - 1) <= 0.01 + rounding)


def _check(page: Any) -> None:
    """Refuse what cannot be shown as RGB, and sizes that no honest file has."""
    width, height = tile_size(page)
    samples = page.samplesperpixel
    fits = (
        page.imagewidth > 0
        and page.imagelength > 0
        and 0 < width * height <= PIXELS_MOST
        and page.imagedepth == 1
        and (page.planarconfig == 1 or samples == 1)
        and page.bitspersample in (8, 16)
        and page.photometric in _PHOTOMETRICS
        and page.compression != _APERIO_J2K_YCBCR
        and (page.photometric != _YCBCR or page.compression == JPEG)
    )
    if page.compression == JPEG:
        expected = 1 if JPEG_COLOURS.get(page.photometric) == "GRAY" else 3
        fits = fits and page.photometric in JPEG_COLOURS and page.bitspersample == 8 and samples == expected
    if not fits:
        raise BadInput(Reason.UNREADABLE)
    tiles = -(-page.imagewidth // width) * -(-page.imagelength // height)
    if len(page.dataoffsets) < tiles or len(page.databytecounts) < tiles:
        raise BadInput(Reason.UNREADABLE)


def tile_size(page: Any) -> tuple[int, int]:
    """Width and height of a tile; a strip is a tile as wide as the image."""
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, min(page.rowsperstrip, page.imagelength)


def check_length(pages: list[Any], size: int) -> None:
    """Raise TRUNCATED where a tile of any page lies beyond the end of the file."""
    for page in pages:
        if len(page.dataoffsets) != len(page.databytecounts) or not page.dataoffsets:
            raise BadInput(Reason.UNREADABLE)
        ends = np.asarray(page.dataoffsets, dtype=np.int64) + np.asarray(page.databytecounts, dtype=np.int64)
        if ends.max() > size:
            raise BadInput(Reason.TRUNCATED)
