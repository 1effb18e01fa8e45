"""Aperio SVS and other tiled TIFF slides: only the levels of the pyramid, and of the description only
numbers.

The label, the macro and the thumbnail are pages of the same file; a page is a level when it is tiled and is
level 0 made smaller by one factor in both directions. Aperio's ImageDescription is
`<library>\\r\\n<geometry>|key = value|…`.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime, timedelta
from typing import BinaryIO

from jobs.deidentify.tiff import (
    DESCRIPTION,
    ICC,
    JPEG_TABLES,
    NUMBERS,
    STRIP_COUNTS,
    STRIP_OFFSETS,
    SUB_IFDS,
    TILE_COUNTS,
    TILE_OFFSETS,
    CannotRewrite,
    Page,
    Tiff,
    read_tiff,
    write_tiff,
)
from jobs.dicom import log
from jobs.dicom.codestream import DamagedStream
from jobs.dicom.log import LogEntry
from jobs.dicom.walker import Pseudonymiser
from jobs.errors import BadInput
from schemas.reasons import Reason

_NUMBER = re.compile(r"-?\d{1,6}(\.\d{1,8})?")
_GEOMETRY = re.compile(
    r"\d{1,7}x\d{1,7}|\[\d{1,7},\d{1,7}|\d{1,7}x\d{1,7}\]|\(\d{1,5}x\d{1,5}\)|->|-"
    r"|(JPEG|J2K)/[A-Z0-9]{3,5}|Q=\d{1,3}(;q=\d{1,3})?"
)
_LIBRARY = re.compile(r"Aperio (?:Image Library|Leica Biosystems GT450)(?: [vV]\d{1,3}(?:\.\d{1,3}){0,3})?")
_DATE = re.compile(r"(\d{2})/(\d{2})/(\d{2}|\d{4})")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")

NUMBER_KEYS = frozenset(
    {
        "AppMag", "MPP", "StripeWidth", "Left", "Top", "LineCameraSkew", "LineAreaXOffset", "LineAreaYOffset",
        "Focus Offset", "OriginalWidth", "OriginalHeight", "Originalheight", "Filtered", "DisplayColor",
        "Exposure Time", "Exposure Scale", "Gamma", "OffsetX", "OffsetY",
    }
)  # fmt: skip
"""Keys of Aperio's description whose value is a number."""
_OTHER_KEYS = frozenset(
    {
        "ScanScope ID", "Filename", "Title", "Time", "Time Zone", "User", "Parmset", "ImageID", "ICC Profile",
        "Barcode", "Patient", "Accession", "SessonMode", "SessionMode", "CaseID", "BlockID", "SlideID",
        "Slide", "Rack", "Collection",
    }
)  # fmt: skip
"""Keys that Aperio writes and that may be named in a log; any other could hold an identifier itself."""


def deidentify_svs(
    source: BinaryIO, target: BinaryIO, pseudonyms: Pseudonymiser, patient_id: str, shift_days: int
) -> list[LogEntry]:
    """De-identify a tiled TIFF slide, or a TIFF of a single image.

    Raises `BadInput`: NOT_REWRITABLE where there is no page to keep, TRUNCATED, UNREADABLE.
    """
    try:
        tiff = read_tiff(source)
        levels = _levels(tiff)
        entries = _page_entries(tiff, levels)
        pages = [(page, _description(page, shift_days, f"page[{n}]", entries)) for n, page in levels]
        write_tiff(source, target, tiff, pages)
    except CannotRewrite:
        raise BadInput(Reason.NOT_REWRITABLE) from None
    except DamagedStream as damage:
        raise BadInput(Reason.TRUNCATED if damage.truncated else Reason.UNREADABLE) from None
    except (struct.error, ValueError, IndexError, OverflowError):
        raise BadInput(Reason.UNREADABLE) from None
    return entries


def _levels(tiff: Tiff) -> list[tuple[int, Page]]:
    """Return the pages that are proven levels, with their place in the file, largest first."""
    if not tiff.pages or any(SUB_IFDS in page.entries for page in tiff.pages):
        raise CannotRewrite
    if len(tiff.pages) == 1:
        return [(0, tiff.pages[0])]
    tiled = [(n, page) for n, page in enumerate(tiff.pages) if page.tiled and min(page.size) > 0]
    if not tiled:
        raise CannotRewrite
    whole = max(tiled, key=lambda entry: entry[1].size[0] * entry[1].size[1])[1]
    return [(n, page) for n, page in tiled if page is whole or _is_reduced(whole, page)]


def _is_reduced(whole: Page, page: Page) -> bool:
    """Whether a page is `whole` made smaller by one factor, up to the rounding of its sides to pixels."""
    words = page.description.lower()
    if b"label" in words or b"macro" in words or page.size >= whole.size:
        return False
    (width, height), (w, h) = whole.size, page.size
    same_kind = all(whole.numbers(tag) == page.numbers(tag) for tag in (258, 277))
    low, high = (
        max((width - 1) / (w + 1), (height - 1) / (h + 1)),
        min((width + 1) / max(w - 1, 1), (height + 1) / max(h - 1, 1)),
    )
    return same_kind and low <= high


def _description(page: Page, shift_days: int, path: str, entries: list[LogEntry]) -> bytes:
    """Rebuild Aperio's description from what is known to be harmless; any other description is dropped."""
    text = page.description.decode("latin-1")
    if not text:
        return b""
    if not text.startswith("Aperio"):
        entries.append(LogEntry(f"{path}.ImageDescription", log.REMOVED, "description that is not Aperio's"))
        return b""
    head, *pairs = text.split("|")
    library, _, geometry = head.partition("\n")
    match = _LIBRARY.match(library)
    words = [word for word in geometry.split() if _GEOMETRY.fullmatch(word)]
    kept = [(match[0] if match else "Aperio Image Library") + "\r\n" + " ".join(words)]
    for pair in pairs:
        key, _, value = (part.strip() for part in pair.partition("="))
        clean = _value(key, value, shift_days)
        named = key if key in NUMBER_KEYS | _OTHER_KEYS or key == "Date" else "other"
        if clean is None:
            entries.append(LogEntry(f"{path}.ImageDescription.{named}", log.REMOVED, "value of the description"))
            continue
        if clean != value:
            done = log.SHIFTED if key == "Date" else log.GENERALISED
            entries.append(LogEntry(f"{path}.ImageDescription.{named}", done, "dates move, times lose minutes"))
        kept.append(f"{key} = {clean}")
    return "|".join(kept).encode("ascii", "ignore")


def _value(key: str, value: str, shift_days: int) -> str | None:
    """Return the value as it may be written, None when it may not."""
    if key == "Date":
        return _shift(value, shift_days)
    if key == "Time":
        match = _TIME.fullmatch(value)
        return f"{match[1]}:00:00" if match else None
    return value if key in NUMBER_KEYS and _NUMBER.fullmatch(value) else None


def _shift(value: str, days: int) -> str | None:
    """Move Aperio's MM/DD/YY or MM/DD/YYYY by whole days."""
    if not _DATE.fullmatch(value):
        return None
    form = "%m/%d/%y" if len(value) == 8 else "%m/%d/%Y"
    try:
        return (datetime.strptime(value, form) + timedelta(days=days)).strftime(form)
    except (ValueError, OverflowError):
        return None


def _page_entries(tiff: Tiff, levels: list[tuple[int, Page]]) -> list[LogEntry]:
    """Say which pages and tags are not written again."""
    kept = {n for n, _ in levels}
    written = {
        *NUMBERS,
        DESCRIPTION,
        ICC,
        JPEG_TABLES,
        STRIP_OFFSETS,
        STRIP_COUNTS,
        TILE_OFFSETS,
        TILE_COUNTS,
        320,
    }
    entries = []
    for n, page in enumerate(tiff.pages):
        if n not in kept:
            entries.append(LogEntry(f"page[{n}]", log.REMOVED, "label, macro, thumbnail: not a level"))
            continue
        entries += [
            LogEntry(f"page[{n}].tag {tag}", log.REMOVED, "TIFF tag outside of the allow-list")
            for tag in sorted(set(page.entries) - written)
        ]
        if ICC in page.entries:
            entries.append(LogEntry(f"page[{n}].tag {ICC}", log.GENERALISED, "text, date and device taken out"))
    return entries
