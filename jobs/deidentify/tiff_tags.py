"""The tags of a TIFF directory that are written again, each with its types, count and range (TIFF 6.0, TIFF/EP).

A tag passes by its value, never by its number alone: a number whose bytes spell a text is out of range.
Hamamatsu's private tags are those that OpenSlide and tifffile read the pyramid from.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from jobs.deidentify.tiff import (
    BITS,
    COMPRESSION,
    DATE_TIME,
    DESCRIPTION,
    ICC,
    JPEG_TABLES,
    LENGTH,
    MAKE,
    MODEL,
    NDPI_FLAG,
    NDPI_LENS,
    NDPI_PLANE,
    NDPI_STARTS,
    NDPI_STARTS_HIGH,
    PHOTOMETRIC,
    PLANAR,
    ROWS,
    SAMPLES,
    STRIP_COUNTS,
    STRIP_OFFSETS,
    SUB_IFDS,
    SUBFILE,
    TILE_COUNTS,
    TILE_LENGTH,
    TILE_OFFSETS,
    TILE_WIDTH,
    WIDTH,
    CannotRewrite,
    Page,
)
from jobs.dicom.codestream import clean_jpeg
from jobs.dicom.icc import clean_profile
from jobs.dicom.values import is_public_device

Value = tuple[int, int, bytes]
"""TIFF type, count and bytes of a tag that is written."""


class _Integers(NamedTuple):
    """Which whole numbers a tag may hold."""

    most: int
    """How many."""
    highest: int
    lowest: int = 0
    needed: bool = True
    """Whether pixels decode otherwise without it, so that a tag out of range is not just left out."""


_SIDE = (1 << 24) - 1
"""Pixels; four letters would be a larger number."""
_WHOLE = 0xFFFFFFFF
_CENTRE = 200_000_000
"""nm; a slide is 76 mm long."""
_INTEGERS = {
    SUBFILE: _Integers(1, 31, needed=False), WIDTH: _Integers(1, _SIDE, 1), LENGTH: _Integers(1, _SIDE, 1),
    BITS: _Integers(64, 64, 1), COMPRESSION: _Integers(1, 0xFFFF, 1), PHOTOMETRIC: _Integers(1, 0xFFFF),
    266: _Integers(1, 2, 1), 274: _Integers(1, 8, 1), SAMPLES: _Integers(1, 64, 1), ROWS: _Integers(1, _WHOLE, 1),
    PLANAR: _Integers(1, 2, 1), 296: _Integers(1, 3, 1, needed=False), 317: _Integers(1, 34894, 1),
    TILE_WIDTH: _Integers(1, _SIDE, 1), TILE_LENGTH: _Integers(1, _SIDE, 1), 338: _Integers(64, 2),
    339: _Integers(64, 6, 1), 530: _Integers(2, 4, 1), 531: _Integers(1, 2, 1, needed=False),
    32997: _Integers(1, 1, 1), 32998: _Integers(1, 1, 1), NDPI_FLAG: _Integers(1, 1, 1),
    65422: _Integers(1, _CENTRE, -_CENTRE, needed=False), 65423: _Integers(1, _CENTRE, -_CENTRE, needed=False),
    NDPI_PLANE: _Integers(1, 10_000_000, -10_000_000),
}  # fmt: skip
_NDPI = frozenset({NDPI_FLAG, NDPI_LENS, NDPI_PLANE, 65422, 65423})
_RATIOS = {282: 1, 283: 1, 286: 1, 287: 1, 529: 3, 532: 6}
"""Resolution, position, coefficients and reference levels: how many rationals."""
_SPELLS = re.compile(rb"[0-9A-Za-z]{4}|(?:[0-9A-Za-z]\0){2}|(?:\0[0-9A-Za-z]){2}")
_COLOUR_MAP, _PALETTE = 320, 3
_INTEGER_TYPES = frozenset({3, 4, 8, 9, 16})
_HIGHEST_LENS = 200.0
_REWRITTEN = frozenset(
    {TILE_OFFSETS, TILE_COUNTS, STRIP_OFFSETS, STRIP_COUNTS, SUB_IFDS, DESCRIPTION, NDPI_STARTS, NDPI_STARTS_HIGH}
)


def clean_tags(page: Page, *, ndpi: bool, shift_days: int) -> dict[int, Value]:
    """The tags of a page that are written as they are or cleaned; raises `CannotRewrite`, `DamagedStream`.

    DateTime moves by the patient's offset and loses its minutes. Make and model pass when they are on the market.
    """
    tags: dict[int, Value] = {}
    for tag, rule in _INTEGERS.items():
        if tag in page.entries and (ndpi or tag not in _NDPI) and _is_integer(page, tag, rule):
            entry = page.entries[tag]
            tags[tag] = (entry.kind, entry.count, page.raw(tag))
    if WIDTH not in tags or LENGTH not in tags:
        raise CannotRewrite
    for tag in (ROWS,) if page.tiled else (TILE_WIDTH, TILE_LENGTH):
        tags.pop(tag, None)
    if ROWS in tags and page.number(ROWS) > page.number(LENGTH):
        tags[ROWS] = tags[LENGTH]
    for tag, count in _RATIOS.items():
        ratios = _ratios(page, tag, count)
        if ratios:
            tags[tag] = ratios
    for tag in (MAKE, MODEL):
        text = page.text(tag)
        if text and is_public_device(text):
            tags[tag] = ascii_value(text)
    moved = shifted(page.text(DATE_TIME), shift_days, "%Y:%m:%d %H:%M:%S")
    if moved:
        tags[DATE_TIME] = ascii_value(moved)
    tags |= _colours(page)
    lens = page.real(NDPI_LENS)
    if ndpi and lens is not None and 0 < lens <= _HIGHEST_LENS:
        tags[NDPI_LENS] = (page.entries[NDPI_LENS].kind, 1, page.raw(NDPI_LENS))
    return tags


def dropped_tags(page: Page, written: dict[int, Value]) -> list[int]:
    """The tags of a page that are not among those written."""
    return sorted(set(page.entries) - set(written) - _REWRITTEN)


def ascii_value(text: str) -> Value:
    """A text as a tag's value."""
    data = text.encode("ascii", "ignore") + b"\0"
    return 2, len(data), data


def shifted(text: str, days: int, form: str) -> str | None:
    """Move a time of the given form by whole days, without its minutes; None where it is of another form."""
    try:
        time = datetime.strptime(text, form)
        if time.strftime(form) != text:
            return None
        return (time.replace(minute=0, second=0) + timedelta(days=days)).strftime(form)
    except (ValueError, OverflowError):
        return None


def _is_integer(page: Page, tag: int, rule: _Integers) -> bool:
    entry = page.entries[tag]
    if entry.kind in _INTEGER_TYPES and 0 < entry.count <= rule.most:
        numbers = page.numbers(tag)
        if rule.lowest <= int(numbers.min()) and int(numbers.max()) <= rule.highest:
            return True
    if rule.needed:
        raise CannotRewrite
    return False


def _ratios(page: Page, tag: int, count: int) -> Value | None:
    """Rationals or a real number; rationals whose bytes spell something are written as others of nearly the value."""
    entry = page.entries.get(tag)
    if entry is None or entry.count != count:
        return None
    if entry.kind in (11, 12):
        real = page.real(tag)
        return (entry.kind, 1, page.raw(tag)) if count == 1 and real is not None and 1e-3 <= real <= 1e7 else None
    if entry.kind != 5:
        return None
    raw = page.raw(tag)
    words = struct.unpack(f"{page.order}{2 * count}I", raw)
    if not all(words[1::2]):
        return None
    if _SPELLS.search(raw):
        ratios = [Fraction(above, below).limit_denominator(255) for above, below in _pairs(words)]
        raw = b"".join(struct.pack(f"{page.order}II", r.numerator, r.denominator) for r in ratios)
    return None if _SPELLS.search(raw) else (5, count, raw)


def _pairs(words: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Numbers two by two."""
    return zip(words[::2], words[1::2], strict=True)


def _colours(page: Page) -> dict[int, Value]:
    """Colour map, JPEG tables and ICC profile."""
    tags: dict[int, Value] = {}
    colours = page.entries.get(_COLOUR_MAP)
    bits = page.number(BITS, 1)
    if page.number(PHOTOMETRIC) == _PALETTE:
        if colours is None or colours.kind != 3 or bits > 16 or colours.count != 3 << bits:
            raise CannotRewrite
        tags[_COLOUR_MAP] = (3, colours.count, page.raw(_COLOUR_MAP))
    tables = page.entries.get(JPEG_TABLES)
    if tables is not None and tables.length < 1 << 16:
        cleaned = clean_jpeg(page.raw(JPEG_TABLES))
        tags[JPEG_TABLES] = (7, len(cleaned), cleaned)
    profile = page.entries.get(ICC)
    cleaned_profile = clean_profile(page.raw(ICC)) if profile is not None and profile.length < 1 << 24 else None
    if cleaned_profile is not None:
        tags[ICC] = (7, len(cleaned_profile), cleaned_profile)
    return tags
