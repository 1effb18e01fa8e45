"""What only OpenSlide reads (MRXS, NDPI, SCN, BIF, VMS, Philips and Sakura …), in tiles of our own choice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from jobs.errors import BadInput
from jobs.pixels.reader import TILES_MOST, Level, Mpp, ScanInfo, Tile, grid_tile, plausible_mpp, tile_count
from schemas.reasons import Reason

OWN = frozenset({"aperio", "dicom", "generic-tiff"})
"""Formats that the project's own readers read, tile by tile, faster and by ranges."""
_TILE = 256
"""Side of a tile, in pixels, where the file states none that is handy."""
_HANDY = (128, 2048)


def detect(path: Path) -> str | None:
    """OpenSlide's name for the format of a file, or None where it does not know it."""
    import openslide

    try:
        found: str | None = openslide.OpenSlide.detect_format(path)
    except openslide.OpenSlideError:
        return None
    return found


class OpenSlideReader:
    """A slide by OpenSlide, whose regions are cut into tiles that lie as those of the file where it says how."""

    def __init__(self, path: Path, keep: IO[bytes] | Path | None = None) -> None:
        """Open the slide.

        Args:
            path: a local file, with those that belong to it beside it.
            keep: a temporary file that shall live as long as the reader.

        Raises:
            BadInput: UNKNOWN_FORMAT, UNREADABLE or TOO_LARGE.
        """
        import openslide

        self._keep, self._path = keep, path
        try:
            self._open()
        except openslide.OpenSlideUnsupportedFormatError:
            raise BadInput(Reason.UNKNOWN_FORMAT) from None
        except (openslide.OpenSlideError, OSError):
            raise BadInput(Reason.UNREADABLE) from None
        facts = dict(self._slide.properties)
        self.levels = tuple(
            Level(width, height, self._slide.dimensions[0] / width, *_tile_size(facts, number))
            for number, (width, height) in enumerate(self._slide.level_dimensions)
        )
        if not self.levels or min(self.levels[0].width, self.levels[0].height) < 1:
            raise BadInput(Reason.UNREADABLE)
        if max(map(tile_count, self.levels)) > TILES_MOST:
            raise BadInput(Reason.TOO_LARGE)
        self.size = (self.levels[0].width, self.levels[0].height)
        self.mpp, self.mpp_missing = _mpp(facts)
        self.info = _info(facts)

    def _open(self) -> None:
        import openslide

        self._slide = openslide.OpenSlide(self._path)
        self._slide.set_cache(openslide.OpenSlideCache(1 << 25))

    def tiles(self, level: int) -> Iterator[Tile]:
        """All tiles of a level, row by row."""
        return (self.tile(level, index) for index in range(tile_count(self.levels[level])))

    def tile(self, level: int, index: int) -> Tile:
        """One tile; which parts of it the scanner left out is known only when it is decoded."""
        return grid_tile(level, self.levels[level], index)

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """Pixels of a tile; what the scanner left out takes the background."""
        import openslide

        try:
            scale = self._slide.level_downsamples[tile.level]
            corner = (round(tile.x * scale), round(tile.y * scale))
            region = self._slide.read_region(corner, tile.level, (tile.width, tile.height))
        except openslide.OpenSlideError:
            self._reopen()
            raise BadInput(Reason.UNREADABLE) from None
        pixels = np.asarray(region)
        colours, alpha = pixels[..., :3], pixels[..., 3:]
        if alpha.min(initial=255) == 255:
            return np.ascontiguousarray(colours)
        ground = np.array(self.info.background, dtype=np.uint16)
        mixed = colours.astype(np.uint16) * alpha + ground * (255 - alpha.astype(np.uint16))
        laid: NDArray[np.uint8] = ((mixed + 127) // 255).astype(np.uint8)
        return laid

    def _reopen(self) -> None:
        """After an error OpenSlide refuses all that is asked of a slide, and not the broken tile alone."""
        import openslide

        self._slide.close()
        try:
            self._open()
        except (openslide.OpenSlideError, OSError):
            raise BadInput(Reason.UNREADABLE) from None


def _tile_size(facts: dict[str, str], number: int) -> tuple[int, int]:
    """The file's own tiles where they are of a handy size: then nothing is decoded twice."""
    sides = [facts.get(f"openslide.level[{number}].tile-{side}", "") for side in ("width", "height")]
    if all(side.isdigit() and _HANDY[0] <= int(side) <= _HANDY[1] for side in sides):
        return int(sides[0]), int(sides[1])
    return _TILE, _TILE


def _mpp(facts: dict[str, str]) -> tuple[Mpp | None, str | None]:
    def read(name: str) -> float | None:
        try:
            return float(facts[name])
        except (KeyError, ValueError):
            return None

    vendor = facts.get("openslide.vendor", "OpenSlide")
    return plausible_mpp(read("openslide.mpp-x"), read("openslide.mpp-y"), f"{vendor} by OpenSlide")


def _info(facts: dict[str, Any]) -> ScanInfo:
    power = str(facts.get("openslide.objective-power", ""))
    colour = str(facts.get("openslide.background-color", ""))
    known = len(colour) == 6 and all(each in "0123456789abcdefABCDEF" for each in colour)
    red, green, blue = bytes.fromhex(colour) if known else (255, 255, 255)
    return ScanInfo(
        codec=f"{facts.get('openslide.vendor', 'unknown')} by openslide",
        lossy=True,
        objective=float(power) if power.replace(".", "", 1).isdigit() else None,
        vendor=facts.get("openslide.vendor"),
        background=(red, green, blue),
    )
