"""TIFF slides: Aperio SVS, OME-TIFF and generic pyramids, in tiles or strips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from jobs.errors import BadInput
from jobs.pixels import jpeg, tiff_pages
from jobs.pixels.reader import PIXELS_MOST, Level, ScanInfo, Tile, grid_tile, tile_count
from jobs.pixels.rgb import to_rgb
from jobs.pixels.source import length, read_at
from jobs.pixels.stated import check_size
from jobs.pixels.tiff_facts import aperio, magnification, mpp, tag, text
from jobs.pixels.tiff_pages import (
    JPEG,
    JPEG_COLOURS,
    JPEG_XL,
    PALETTE,
    PICTURES,
    WHITE_IS_ZERO,
    check_length,
    pages,
    pyramid,
)
from schemas.reasons import Reason

_LOSSY = frozenset({6, JPEG, 33003, 33005, 33007, 34892, 50001})
"""Compressions (tag 259) that lose information; some of them can also be told not to."""


_PADDING = 64
"""Pixels by which a tile's own picture may be larger than the tile, as encoders fill up their last blocks."""


class TiffReader:
    """A TIFF pyramid: its first page and those that show the same in less pixels, not label or macro.

    Tags that contradict the stream are believed, as libtiff does (TIFF Technical Note 2).
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read the page directories.

        Raises:
            BadInput: UNREADABLE for what is not an 8-bit or 16-bit RGB, YCbCr, palette or grey image; TRUNCATED;
                TOO_LARGE.
        """
        self._file = file
        found = pages(file)
        self._pages = pyramid(found)
        check_length(found, length(file))
        width = self._pages[0].imagewidth
        self.levels = tuple(_level(page, width) for page in self._pages)
        self.size = (self.levels[0].width, self.levels[0].height)
        page = self._pages[0]
        self.turned = not page.is_tiled and tag(page, 274) not in (None, 1)
        """Whether the Orientation tag of a picture in strips asks for a turn, which is not done here."""
        facts = aperio(page)
        self.mpp, self.mpp_missing = mpp(page, facts)
        self.info = ScanInfo(
            codec=str(getattr(page.compression, "name", page.compression)).lower(),
            lossy=int(page.compression) in _LOSSY,
            objective=magnification(page, facts),
            vendor="Aperio" if facts else text(page, 271),
            model=text(page, 272),
            icc_profile=tag(page, 34675),
            notes=tuple(_notes(page, found)),
        )

    def tiles(self, level: int) -> Iterator[Tile]:
        """All tiles of a level, row by row; those without bytes are marked as absent."""
        return (self.tile(level, index) for index in range(tile_count(self.levels[level])))

    def tile(self, level: int, index: int) -> Tile:
        """One tile; absent where the file gives it no bytes."""
        absent = self._pages[level].databytecounts[index] == 0
        return grid_tile(level, self.levels[level], index, absent=absent)

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """Pixels of a tile."""
        page = self._pages[tile.level]
        count = page.databytecounts[tile.index]
        if count == 0:
            return np.full((tile.height, tile.width, 3), self.info.background, dtype=np.uint8)
        if page.compression == JPEG:
            data = read_at(self._file, page.dataoffsets[tile.index], count)
            width, height = tiff_pages.tile_size(page)
            pixels = jpeg.decode(
                jpeg.with_tables(data, page.jpegtables),
                JPEG_COLOURS[page.photometric],
                evidence_first=False,
                most=(width + _PADDING, height + _PADDING),
            )
        else:
            pixels = self._decode_other(page, tile.index, tile_count(self.levels[tile.level]))
        if pixels.shape[0] < tile.height or pixels.shape[1] < tile.width:
            raise BadInput(Reason.UNREADABLE)
        return pixels[: tile.height, : tile.width]

    def _decode_other(self, page: Any, index: int, tiles: int) -> NDArray[np.uint8]:
        """A tile of any codec but JPEG, by tifffile; planes that lie one behind the other are put together."""
        if page.planarconfig == 2:
            planes = [self._samples(page, index + plane * tiles) for plane in range(page.samplesperpixel)]
            if len({plane.shape for plane in planes}) > 1:
                raise BadInput(Reason.UNREADABLE)
            samples = np.concatenate(planes, axis=2)
        else:
            samples = self._samples(page, index)
        if page.photometric == PALETTE:
            return _from_palette(page, samples)
        kind, colours = tiff_pages.alpha(page), tiff_pages.colours(page)
        kept = samples[..., : colours + (kind != "none")]
        return to_rgb(kept, white_is_zero=page.photometric == WHITE_IS_ZERO, premultiplied=kind == "premultiplied")

    def _samples(self, page: Any, index: int) -> NDArray[Any]:
        """Samples (height, width, n) of one tile or plane."""
        data = read_at(self._file, page.dataoffsets[index], page.databytecounts[index])
        if page.compression in PICTURES:
            check_size(data, *tiff_pages.tile_size(page), spare=_PADDING)
        try:
            if page.compression in JPEG_XL:
                # Of an animation, the first picture: the others could be without number.
                return np.atleast_3d(imagecodecs.jpegxl_decode(data, index=0))
            samples = page.decode(data, index)[0]
        except Exception:  # each codec has its own errors
            raise BadInput(Reason.UNREADABLE) from None
        if samples is None:
            raise BadInput(Reason.UNREADABLE)
        return np.asarray(samples[0])


def _level(page: Any, full_width: int) -> Level:
    width, height = tiff_pages.tile_size(page)
    return Level(page.imagewidth, page.imagelength, full_width / page.imagewidth, width, height)


def _from_palette(page: Any, samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours of 16 bits by index (tag 320): their high bytes."""
    table = page.colormap
    if table is None or np.shape(table)[0] != 3 or samples.max(initial=0) >= np.shape(table)[1]:
        raise BadInput(Reason.UNREADABLE)
    shown: NDArray[np.uint8] = (np.asarray(table).T[samples[..., 0]] >> 8).astype(np.uint8)
    return shown


def _notes(page: Any, pages: list[Any]) -> Iterator[str]:
    planes = sum(each.shape == page.shape for each in pages)
    if page.is_ome and planes > 1:
        yield f"one of {planes} planes, of focus or of colour, is shown"
    large = page.imagewidth * page.imagelength > PIXELS_MOST
    if (page.is_tiled or large) and tag(page, 274) not in (None, 1):
        yield "the Orientation tag asks for a turn, which is not done to tiles and large pictures"
    if page.bitspersample > 8:
        yield f"{page.bitspersample} bits to 8: the high ones"
    if page.photometric != PALETTE and tiff_pages.alpha(page) != "none":
        yield "transparency is laid on white"
    absent = sum(count == 0 for count in page.databytecounts)
    if absent:
        yield f"{absent} of {len(page.databytecounts)} tiles are absent; they take the background"
