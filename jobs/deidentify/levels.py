"""Which pages of a slide are levels of its pyramid: proven by their shape and by what they show.

A page is a level when it is level 0 made smaller by one factor, and its pixels are those of a level that is
proven already, averaged or thinned out. A label, a macro image or a thumbnail of another crop fails, whatever
its tags say. A few tiles are compared, among them those of the most bytes, for they show the most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jobs.deidentify.tiff import (
    BITS,
    DESCRIPTION,
    PAGE_NAME,
    PLANAR,
    SAMPLES,
    SUBFILE,
    Page,
)
from jobs.deidentify.tiff_pixels import TileDecoder

_NOT_A_LEVEL = re.compile(r"(?<![a-z])(label|macro|overview|barcode)(?![a-z])", re.IGNORECASE)
_DNG_PREVIEW = 8
"""Bit of NewSubfileType that Aperio sets for the macro image."""
_RICHEST, _SPREAD = 8, 8
"""Tiles that are compared: those of the most bytes, and others evenly over the page."""
_ALIKE = 0.6
"""Least correlation of the pixels of a level and those it was made of; other pictures stay below 0.3."""
_FLAT = 4.0
"""Grey values of 255: both pages are empty alike when they differ by less than this, and nowhere by much more."""
_FLAT_MOST = 24.0

Factor = tuple[float, float]
"""How many pixels of level 0 one pixel is, across and down."""


@dataclass(frozen=True)
class Level:
    """A page that is proven, with how many times smaller than level 0 it is."""

    page: Page
    factor: Factor


def describes_other(page: Page) -> bool:
    """Whether the page itself says that it is a label or a macro image."""
    if page.number(SUBFILE) & _DNG_PREVIEW:
        return True
    text = page.text(DESCRIPTION)
    head = "" if text.startswith("<") else text.partition("|")[0]
    return bool(_NOT_A_LEVEL.search(head) or _NOT_A_LEVEL.search(page.text(PAGE_NAME)))


def same_samples(one: Page, other: Page) -> bool:
    """Whether pixels of both pages are made alike."""
    return all(
        one.number(tag, 1) == other.number(tag, 1) and one.numbers(tag).tolist() == other.numbers(tag).tolist()
        for tag in (BITS, SAMPLES, PLANAR)
    )


def factor_of(whole: Page, page: Page) -> Factor | None:
    """How many times smaller a page is than `whole`; None where the sides say that it is another picture.

    Sides are rounded to pixels, or up to whole tiles (Philips) with a factor that is a power of two.
    """
    (width, height), (w, h) = whole.size, page.size
    if min(width, height, w, h) <= 0 or w > width or h > height or (w, h) == (width, height):
        return None
    low = max((width - 1) / (w + 1), (height - 1) / (h + 1))
    high = min((width + 1) / max(w - 1, 1), (height + 1) / max(h - 1, 1))
    if low <= high:
        return width / w, height / h
    across, down = page.tile
    for power in range(1, 16):
        factor = 1 << power
        fits = all(
            -(-side // factor) <= small < -(-side // factor) + tile and small % tile == 0
            for side, small, tile in ((width, w, across), (height, h, down))
            if tile > 0
        )
        if page.tiled and min(across, down) > 0 and fits:
            return factor, factor
    return None


@dataclass
class Pyramid:
    """Level 0, and the levels that were proven to show the same."""

    decoder: TileDecoder
    whole: Page
    levels: list[Level] = field(init=False)

    def __post_init__(self) -> None:
        self.levels = [Level(self.whole, (1.0, 1.0))]

    def prove(self, page: Page) -> bool:
        """Whether the page is a level; it then joins the pyramid. Larger pages are to be asked for first."""
        if describes_other(page) or not same_samples(self.whole, page):
            return False
        factor = factor_of(self.whole, page)
        if min(page.tile) <= 0:
            return False
        if factor is None or not self._shown_by_any(page, factor):
            return False
        self.levels.append(Level(page, factor))
        return True

    def _shown_by_any(self, page: Page, factor: Factor) -> bool:
        """Compare with the nearest larger level, and where that is too sparse with the others."""
        larger = [lv for lv in reversed(self.levels) if lv.factor[0] < factor[0] and lv.factor[1] < factor[1]]
        return any(shows_same(self.decoder, page, factor, level) for level in larger[:2])


def shows_same(decoder: TileDecoder, page: Page, factor: Factor, level: Level) -> bool:
    """Whether a page shows what a level shows, by the pixels of some tiles.

    `factor` is the page's against level 0; the same as the level's for another plane or channel of it.
    """
    ratio = factor[0] / level.factor[0], factor[1] / level.factor[1]
    pairs = [pair for index in _samples(decoder, page) for pair in _compare(decoder, page, index, level.page, ratio)]
    if not pairs:
        return False
    ours = np.concatenate([small.ravel() for small, _ in pairs])
    ways = len(pairs[0][1])
    theirs = [np.concatenate([made[way].ravel() for _, made in pairs]) for way in range(ways)]
    return any(_alike(ours, other) for other in theirs)


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    difference = np.abs(one - other)
    if difference.mean() < _FLAT and difference.max() < _FLAT_MOST:
        return True
    if one.std() < 1e-3 or other.std() < 1e-3:
        return False
    return float(np.corrcoef(one, other)[0, 1]) >= _ALIKE


def _samples(decoder: TileDecoder, page: Page) -> list[int]:
    """Tiles of a page to look at."""
    sizes = decoder.sizes(page)
    full = np.flatnonzero(sizes)
    if full.size <= _RICHEST + _SPREAD:
        return [int(index) for index in full]
    richest = full[np.argsort(sizes[full], kind="stable")[-_RICHEST:]]
    spread = full[np.linspace(0, full.size - 1, _SPREAD).astype(int)]
    return sorted({int(index) for index in (*richest, *spread)})


def _compare(
    decoder: TileDecoder, page: Page, index: int, larger: Page, ratio: Factor
) -> Iterator[tuple[NDArray[np.float32], list[NDArray[np.float32]]]]:
    """The part of a tile that one tile of the larger page shows, and that tile made as small in each usual way."""
    x, y, right, bottom = decoder.box(page, index)
    centre = (x + right) / 2 * ratio[0], (y + bottom) / 2 * ratio[1]
    other = decoder.index_at(larger, *centre)
    if other is None:
        return
    left, top, far, low = decoder.box(larger, other)
    x0, x1 = max(x, -(-left // ratio[0])), min(right, far // ratio[0])
    y0, y1 = max(y, -(-top // ratio[1])), min(bottom, low // ratio[1])
    if x1 <= x0 or y1 <= y0:
        return
    tile, source = decoder.grey(page, index), decoder.grey(larger, other)
    if tile is None or source is None:
        return
    columns = (np.arange(x0, x1 + 1) * ratio[0] - left).astype(int)
    rows = (np.arange(y0, y1 + 1) * ratio[1] - top).astype(int)
    small = tile[int(y0 - y) : int(y1 - y), int(x0 - x) : int(x1 - x)]
    if min(columns[0], rows[0]) < 0 or columns[-1] > source.shape[1] or rows[-1] > source.shape[0]:
        return
    yield small, _made_smaller(source, rows, columns)


def _made_smaller(
    source: NDArray[np.float32], rows: NDArray[np.int_], columns: NDArray[np.int_]
) -> list[NDArray[np.float32]]:
    """Averaged, and thinned out to the first, the middle and the last pixel."""
    shown = source[: rows[-1], : columns[-1]]
    sums = np.add.reduceat(np.add.reduceat(shown, rows[:-1], 0), columns[:-1], 1)
    area = np.outer(np.diff(rows), np.diff(columns))
    made: list[NDArray[np.float32]] = [(sums / area).astype(np.float32)]
    edges = (rows, columns)
    for share in (0.0, 0.5, 1.0):
        at = [edge[:-1] + ((np.diff(edge) - 1) * share).astype(int) for edge in edges]
        made.append(source[np.ix_(*at)])
    return made
