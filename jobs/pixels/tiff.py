"""TIFF slides: Aperio SVS and generic pyramids, in tiles or strips."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from jobs.errors import BadInput
from jobs.pixels import jpeg
from jobs.pixels.reader import Level, Mpp, ScanInfo, Tile, grid, plausible_mpp
from jobs.pixels.rgb import to_rgb
from jobs.pixels.source import length, read_at
from jobs.pixels.tiff_pages import JPEG, JPEG_COLOURS, WHITE_IS_ZERO, check_length, pages, pyramid, tile_size
from schemas.reasons import Reason

_LOSSY = frozenset({6, JPEG, 33003, 33005, 33007, 34892, 50001})
"""Compressions (tag 259) that lose information; some of them can also be told not to."""
_MICROMETRES = {2: 25_400.0, 3: 10_000.0}
"""µm in a ResolutionUnit (tag 296): inch or centimetre."""
_NDPI_LENS = 65421
_OME_NUMBERS = re.compile(r'(PhysicalSize[XY](?:Unit)?|NominalMagnification)="([^"]*)"')
_OME_MICROMETRE = frozenset({"µm", "μm", "&#181;m"})


class TiffReader:
    """A TIFF pyramid: its first page and those that show the same in less pixels, not label or macro.

    Tags that contradict the stream are believed, as libtiff does (TIFF Technical Note 2).
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read the page directories.

        Raises:
            BadInput: UNREADABLE for what is not an 8-bit or 16-bit RGB, YCbCr or grey image; TRUNCATED.
        """
        self._file = file
        found = pages(file)
        self._pages = pyramid(found)
        check_length(found, length(file))
        width = self._pages[0].imagewidth
        self.levels = tuple(_level(page, width) for page in self._pages)
        self.size = (self.levels[0].width, self.levels[0].height)
        page = self._pages[0]
        aperio = _aperio(page)
        ome = _ome(page)
        self.mpp, self.mpp_missing = _mpp(page, aperio, ome)
        self.info = ScanInfo(
            codec=str(getattr(page.compression, "name", page.compression)).lower(),
            lossy=int(page.compression) in _LOSSY,
            objective=_number(aperio.get("AppMag") or ome.get("NominalMagnification")) or _lens(page),
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
        if page.compression == JPEG:
            whole = jpeg.with_tables(data, page.jpegtables)
            pixels = jpeg.decode(whole, JPEG_COLOURS[page.photometric], evidence_first=False)
        else:
            pixels = _decode_other(page, data, tile.index)
        if pixels.shape[0] < tile.height or pixels.shape[1] < tile.width:
            raise BadInput(Reason.UNREADABLE)
        return pixels[: tile.height, : tile.width]


def _level(page: Any, full_width: int) -> Level:
    width, height = tile_size(page)
    return Level(page.imagewidth, page.imagelength, full_width / page.imagewidth, width, height)


def _decode_other(page: Any, data: bytes, index: int) -> NDArray[np.uint8]:
    """A tile of any codec but JPEG, by tifffile."""
    try:
        samples = page.decode(data, index)[0]
    except Exception:  # each codec has its own errors
        raise BadInput(Reason.UNREADABLE) from None
    if samples is None:
        raise BadInput(Reason.UNREADABLE)
    return to_rgb(samples[0], white_is_zero=page.photometric == WHITE_IS_ZERO)


def _aperio(page: Any) -> dict[str, str]:
    """What Aperio writes into ImageDescription: `key = value` between bars; empty for other makers."""
    text = str(page.description or "")
    if not text.startswith("Aperio"):
        return {}
    parts = (part.split("=", 1) for part in text.split("|")[1:] if "=" in part)
    return {"": "Aperio"} | {key.strip(): value.strip() for key, value in parts}


def _ome(page: Any) -> dict[str, str]:
    """Size of a pixel in µm and magnification, which OME-XML states of the first image; empty for other makers."""
    text = str(page.description or "")
    if not text.endswith("OME>"):
        return {}
    found = dict(reversed(_OME_NUMBERS.findall(text)))
    return {name: value for name, value in found.items() if found.get(f"{name}Unit", "µm") in _OME_MICROMETRE}


def _lens(page: Any) -> float | None:
    """The magnification of Hamamatsu's objective."""
    lens = _tag(page, _NDPI_LENS)
    return float(lens) if isinstance(lens, (int, float)) and lens > 0 else None


def _mpp(page: Any, aperio: dict[str, str], ome: dict[str, str]) -> tuple[Mpp | None, str | None]:
    stated = _number(aperio.get("MPP"))
    if stated is not None:
        return plausible_mpp(stated, stated, "Aperio MPP")
    wide, high = _number(ome.get("PhysicalSizeX")), _number(ome.get("PhysicalSizeY"))
    if wide and high:
        return plausible_mpp(wide, high, "OME PhysicalSize")
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
