"""TIFF slides: Aperio SVS and generic pyramids, in tiles or strips."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from jobs.errors import BadInput
from jobs.pixels import jpeg
from jobs.pixels.reader import PIXELS_MOST, Level, Mpp, ScanInfo, Tile, grid, plausible_mpp
from jobs.pixels.rgb import to_rgb
from jobs.pixels.source import length, read_at
from schemas.reasons import Reason

_JPEG = 7
_APERIO_J2K_YCBCR = 33003
_LOSSY = frozenset({6, _JPEG, 33003, 33005, 33007, 34892, 50001})
_JPEG_COLOURS: dict[int, jpeg.Colour] = {1: "GRAY", 2: "RGB", 6: "YCBCR"}
_WHITE_IS_ZERO = 0
_PHOTOMETRICS = frozenset({_WHITE_IS_ZERO, *_JPEG_COLOURS})
_MICROMETRES = {2: 25_400.0, 3: 10_000.0}
"""µm in a ResolutionUnit (tag 296): inch or centimetre."""


class TiffReader:
    """A TIFF pyramid: its finest page and those that show the same in less pixels; label and macro are no part of it.

    Tags that contradict the stream are believed, as libtiff does (TIFF Technical Note 2).
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read the page directories.

        Raises:
            BadInput: UNREADABLE for what is not an 8-bit or 16-bit RGB, YCbCr or grey image; TRUNCATED.
        """
        self._file = file
        self._pages = _pyramid(_pages(file))
        width = self._pages[0].imagewidth
        self.levels = tuple(_level(page, width) for page in self._pages)
        self.size = (self.levels[0].width, self.levels[0].height)
        _check_length(self._pages, length(file))
        page = self._pages[0]
        aperio = _aperio(page)
        self.mpp, self.mpp_missing = _mpp(page, aperio)
        self.info = ScanInfo(
            codec=str(getattr(page.compression, "name", page.compression)).lower(),
            lossy=int(page.compression) in _LOSSY,
            objective=_number(aperio.get("AppMag")),
            vendor="Aperio" if aperio else _tag_text(page, 271),
            model=_tag_text(page, 272),
            icc_profile=_tag(page, 34675),
        )

    def tiles(self, level: int) -> Iterator[Tile]:
        """All tiles of a level, row by row; those without bytes are marked as absent."""
        counts = self._pages[level].databytecounts
        for tile in grid(level, self.levels[level]):
            if counts[tile.index]:
                yield tile
            else:
                yield Tile(level, tile.index, tile.x, tile.y, tile.width, tile.height, absent=True)

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """Pixels of a tile."""
        page = self._pages[tile.level]
        count = page.databytecounts[tile.index]
        if count == 0:
            return np.full((tile.height, tile.width, 3), 255, dtype=np.uint8)
        data = read_at(self._file, page.dataoffsets[tile.index], count)
        if page.compression == _JPEG:
            whole = jpeg.with_tables(data, page.jpegtables)
            pixels = jpeg.decode(whole, _JPEG_COLOURS[page.photometric], evidence_first=False)
        else:
            pixels = _decode_other(page, data, tile.index)
        if pixels.shape[0] < tile.height or pixels.shape[1] < tile.width:
            raise BadInput(Reason.UNREADABLE)
        return pixels[: tile.height, : tile.width]


def _pages(file: BinaryIO) -> list[Any]:
    """All pages of the file, and the reduced ones below its first."""
    file.seek(0)
    try:
        tif = tifffile.TiffFile(file)
        pages: list[Any] = list(tif.pages)
        # A cut file can end in the middle of the chain of pages, which tifffile only logs.
        if not pages:
            raise BadInput(Reason.TRUNCATED if _first_page(file) >= length(file) else Reason.UNREADABLE)
        return pages[:1] + list(pages[0].pages or []) + pages[1:]
    except (tifffile.TiffFileError, ValueError, struct.error, IndexError, KeyError, TypeError, OSError):
        cut = _first_page(file) >= length(file)
        raise BadInput(Reason.TRUNCATED if cut else Reason.UNREADABLE) from None


def _first_page(file: BinaryIO) -> int:
    """Where the first page directory is, by the file's header (TIFF 6.0 section 2, BigTIFF)."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    try:
        offset: int = struct.unpack_from(f"{order}Q" if big else f"{order}I", head, 8 if big else 4)[0]
    except struct.error:
        return len(head)
    return offset


def _pyramid(pages: list[Any]) -> list[Any]:
    """The first page, and the tiled ones that are the same picture in less pixels."""
    first = pages[0]
    _check(first)
    found = [first]
    for page in pages[1:]:
        smaller = page.imagewidth < found[-1].imagewidth and page.imagelength < found[-1].imagelength
        if page.is_tiled and smaller and _same_picture(first, page):
            _check(page)
            found.append(page)
    return found


def _same_picture(first: Any, page: Any) -> bool:
    """Whether the sides of both have the same ratio, but for rounding to whole pixels."""
    across, down = first.imagewidth / page.imagewidth, first.imagelength / page.imagelength
    rounding = 1 / page.imagewidth + 1 / page.imagelength
    return abs(across / down - 1) <= 0.01 + rounding


def _check(page: Any) -> None:
    """Refuse what cannot be shown as RGB, and sizes that no honest file has."""
    width, height = _tile_size(page)
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
        and (page.photometric != 6 or page.compression == _JPEG)
    )
    if page.compression == _JPEG:
        fits = fits and page.photometric in _JPEG_COLOURS and page.bitspersample == 8 and samples in (1, 3)
    if not fits:
        raise BadInput(Reason.UNREADABLE)
    tiles = -(-page.imagewidth // width) * -(-page.imagelength // height)
    if len(page.dataoffsets) < tiles or len(page.databytecounts) < tiles:
        raise BadInput(Reason.UNREADABLE)


def _tile_size(page: Any) -> tuple[int, int]:
    """Width and height of a tile; a strip is a tile as wide as the image."""
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, min(page.rowsperstrip, page.imagelength)


def _level(page: Any, full_width: int) -> Level:
    width, height = _tile_size(page)
    return Level(page.imagewidth, page.imagelength, full_width / page.imagewidth, width, height)


def _check_length(pages: list[Any], size: int) -> None:
    """Raise TRUNCATED where a tile lies beyond the end of the file."""
    for page in pages:
        ends = np.asarray(page.dataoffsets, dtype=np.int64) + np.asarray(page.databytecounts, dtype=np.int64)
        if ends.max() > size:
            raise BadInput(Reason.TRUNCATED)


def _decode_other(page: Any, data: bytes, index: int) -> NDArray[np.uint8]:
    """A tile of any codec but JPEG, by tifffile."""
    try:
        samples = page.decode(data, index)[0]
    except Exception:  # each codec has its own errors
        raise BadInput(Reason.UNREADABLE) from None
    if samples is None:
        raise BadInput(Reason.UNREADABLE)
    return to_rgb(samples[0], white_is_zero=page.photometric == _WHITE_IS_ZERO)


def _aperio(page: Any) -> dict[str, str]:
    """What Aperio writes into ImageDescription: `key = value` between bars; empty for other makers."""
    text = str(page.description or "")
    if not text.startswith("Aperio"):
        return {}
    parts = (part.split("=", 1) for part in text.split("|")[1:] if "=" in part)
    return {"": "Aperio"} | {key.strip(): value.strip() for key, value in parts}


def _mpp(page: Any, aperio: dict[str, str]) -> tuple[Mpp | None, str | None]:
    stated = _number(aperio.get("MPP"))
    if stated is not None:
        return plausible_mpp(stated, stated, "Aperio MPP")
    unit = _MICROMETRES.get(int(_tag(page, 296) or 2))
    across, down = _ratio(_tag(page, 282)), _ratio(_tag(page, 283))
    if unit is None or not across or not down:
        return plausible_mpp(None, None, "")
    return plausible_mpp(unit / across, unit / down, "TIFF resolution")


def _ratio(value: Any) -> float | None:
    """A TIFF rational as a number."""
    if isinstance(value, tuple) and len(value) == 2:
        return value[0] / value[1] if value[1] else None
    return float(value) if value else None


def _tag(page: Any, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _tag_text(page: Any, code: int) -> str | None:
    return str(_tag(page, code) or "").strip("\0 ") or None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
