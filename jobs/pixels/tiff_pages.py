"""The pages of a TIFF that make up its pyramid, checked before anything is read of their pixels."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal

import numpy as np
import tifffile

from jobs.errors import BadInput
from jobs.pixels import jpeg
from jobs.pixels.reader import PIXELS_MOST, TILES_MOST
from jobs.pixels.source import length, read_at
from schemas.reasons import Reason

JPEG = 7
WHITE_IS_ZERO, PALETTE = 0, 3
JPEG_COLOURS: dict[int, jpeg.Colour] = {1: "GRAY", 2: "RGB", 6: "YCBCR"}
"""Photometric interpretation (tag 262) to what the components of a JPEG are."""
_YCBCR = 6
_COLOURS = {WHITE_IS_ZERO: 1, 1: 1, 2: 3, PALETTE: 1, _YCBCR: 3}
"""Photometric interpretation to the number of samples that carry it; more are alpha or other extra samples."""
JPEG_XL = (50002, 52546)
PICTURES = frozenset({33004, 33005, 33007, 34712, 34892, 34927, 34933, 50001, *JPEG_XL})
"""Compressions (tag 259) whose tiles are pictures with a header of their own: JPEG 2000 and XL, WebP, PNG."""
_PLAIN = frozenset({1, 5, 8, 32773, 32946, 34925, 34926, 50000})
"""Compressions of bare samples, of which no more are decoded than a tile has: LZW, deflate, PackBits, LZMA, ZSTD."""
_REDUCED_MOST = 256
"""Pages below the first one; tifffile takes time and memory with the square of their number."""
_SAMPLES_MOST = 4 * PIXELS_MOST
_FOREIGN = ("is_ndpi", "is_scn", "is_bif", "is_philips")
"""Flags of tifffile for slides whose tiles lie by other rules than those of TIFF: OpenSlide knows them."""
_TRESTLE = "MedScan"
"""Software (tag 305) of Trestle's slides, whose tiles overlap; tifffile has no flag for them."""


def pages(file: BinaryIO) -> list[Any]:
    """All pages of the file, and the reduced ones below its first.

    Raises:
        BadInput: TRUNCATED or UNREADABLE.
    """
    file.seek(0)
    try:
        with quiet_tifffile():
            tif = tifffile.TiffFile(file)
            found: list[Any] = list(tif.pages)
            # Where the chain of pages leads nowhere, tifffile logs it and stops.
            if not found or _pointer(file, tif.pages.next_page_offset):
                raise BadInput(Reason.TRUNCATED)
            if len(found[0].subifds or ()) > _REDUCED_MOST:
                raise BadInput(Reason.TOO_LARGE)
            return found[:1] + list(found[0].pages or []) + found[1:]
    except BadInput:
        raise
    except Exception:  # broken tags fail anywhere in the parser
        cut = _pointer(file, 8 if _is_big(file) else 4) >= length(file)
        raise BadInput(Reason.TRUNCATED if cut else Reason.UNREADABLE) from None


@contextmanager
def quiet_tifffile() -> Iterator[None]:
    """Hold back tifffile's warnings, which quote file names and values of tags."""
    logger = logging.getLogger("tifffile")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled


def _is_big(file: BinaryIO) -> bool:
    """Whether it is BigTIFF, whose pointers have 64 bits."""
    return read_at(file, 2, 2) in (b"+\0", b"\0+")


def _pointer(file: BinaryIO, place: int) -> int:
    """The pointer to a page that lies at a place in the file; 0 ends the chain (TIFF 6.0 section 2)."""
    order: Literal["little", "big"] = "little" if read_at(file, 0, 2) == b"II" else "big"
    return int.from_bytes(read_at(file, place, 8 if _is_big(file) else 4), order)


def pyramid(pages: list[Any]) -> list[Any]:
    """The first page, and the tiled ones that are the same picture in less pixels and can be shown."""
    first = pages[0]
    if any(getattr(first, flag) for flag in _FOREIGN) or str(first.software).startswith(_TRESTLE):
        raise BadInput(Reason.UNREADABLE)
    check(first)
    found = [first]
    for page in pages[1:]:
        smaller = page.imagewidth < found[-1].imagewidth and page.imagelength < found[-1].imagelength
        if page.is_tiled and smaller and min(page.imagewidth, page.imagelength) > 0 and _same_picture(first, page):
            try:
                check(page)
            except BadInput:
                continue
            found.append(page)
    return found


def _same_picture(first: Any, page: Any) -> bool:
    """Whether the sides of both have the same ratio, but for rounding to whole pixels."""
    across, down = first.imagewidth / page.imagewidth, first.imagelength / page.imagelength
    rounding = 1 / page.imagewidth + 1 / page.imagelength
    return bool(abs(across / down - 1) <= 0.01 + rounding)


def check(page: Any) -> None:
    """Refuse what cannot be shown as RGB, and sizes that no honest file has.

    Raises:
        BadInput: UNREADABLE or TOO_LARGE.
    """
    width, height = tile_size(page)
    if min(page.imagewidth, page.imagelength, width, height) < 1:
        raise BadInput(Reason.UNREADABLE)
    tiles = -(-page.imagewidth // width) * -(-page.imagelength // height)
    samples = width * height * page.samplesperpixel
    if width * height > PIXELS_MOST or samples > _SAMPLES_MOST or tiles > TILES_MOST:
        raise BadInput(Reason.TOO_LARGE)
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    if not _is_shown(page) or min(len(page.dataoffsets), len(page.databytecounts)) < tiles * planes:
        raise BadInput(Reason.UNREADABLE)


def _is_shown(page: Any) -> bool:
    """Whether samples, depth and codec are of those that `TiffReader` turns into RGB."""
    colours = _COLOURS.get(page.photometric, 0)
    if page.compression == JPEG:
        known = page.photometric in JPEG_COLOURS and page.bitspersample == 8 and page.planarconfig == 1
        return known and page.samplesperpixel == colours
    codec = page.compression in _PLAIN or page.compression in PICTURES
    known = codec and page.photometric != _YCBCR and page.sampleformat in (None, 0, 1)
    depth = page.bitspersample in (8, 16) and (page.photometric != PALETTE or page.samplesperpixel == 1)
    # More than alpha has to be told what it is: it may be the colours of a picture whose tags are wrong.
    told = page.samplesperpixel <= colours + 1 or bool(page.extrasamples)
    return bool(known and told and depth and page.imagedepth == 1 and 1 <= colours <= page.samplesperpixel)


def check_whole(page: Any) -> None:
    """Raise UNREADABLE or TRUNCATED where tiles are missing or too short: Pillow would make something up."""
    width, height = tile_size(page)
    if min(page.imagewidth, page.imagelength, width, height) < 1:
        raise BadInput(Reason.UNREADABLE)
    across, down = -(-page.imagewidth // width), -(-page.imagelength // height)
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    count = across * down * planes
    if min(len(page.dataoffsets), len(page.databytecounts)) < count or 0 in page.databytecounts[:count]:
        raise BadInput(Reason.UNREADABLE)
    if page.compression != 1 or page.photometric == _YCBCR:
        return
    row = -(-width * page.bitspersample * (page.samplesperpixel // planes) // 8)
    for number, length_ in enumerate(page.databytecounts[:count]):
        left = page.imagelength - number // across % down * height
        if length_ < row * (height if page.is_tiled else min(height, left)):
            raise BadInput(Reason.TRUNCATED)


def tile_size(page: Any) -> tuple[int, int]:
    """Width and height of a tile; a strip is a tile as wide as the image."""
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, min(page.rowsperstrip, page.imagelength)


def alpha(page: Any) -> str:
    """What the first extra sample is (tag 338): `none`, `premultiplied` or `straight`; without the tag straight."""
    extra = page.samplesperpixel - _COLOURS[page.photometric]
    if extra < 1:
        return "none"
    stated = tuple(int(each) for each in page.extrasamples or ())
    return {0: "none", 1: "premultiplied"}.get(stated[0] if stated else 2, "straight")


def colours(page: Any) -> int:
    """How many samples of a pixel carry its colour."""
    return _COLOURS[page.photometric]


def check_length(pages: list[Any], size: int) -> None:
    """Raise TRUNCATED where a tile of any page lies beyond the end of the file."""
    for page in pages:
        if len(page.dataoffsets) != len(page.databytecounts) or not page.dataoffsets:
            raise BadInput(Reason.UNREADABLE)
        ends = np.asarray(page.dataoffsets, dtype=np.int64) + np.asarray(page.databytecounts, dtype=np.int64)
        if ends.max() > size:
            raise BadInput(Reason.TRUNCATED)
