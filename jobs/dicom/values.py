"""Values of DICOM attributes: what is a valid date, number or age, what it becomes, and which words are
public.

Formats are those of DICOM PS3.5 section 6.2. A value passes only when the whole of it has the format; a name
behind a number does not.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources

from jobs.dicom.codes import public_meanings
from jobs.dicom.dictionary import entries

_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_DATETIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(?:\d{2})?(?:\d{2})?(?:\.\d{1,6})?([+-][01]\d[0-5]\d)?")
_TIME = re.compile(r"([01]\d|2[0-3])(?::?[0-5]\d(?::?[0-6]\d(?:\.\d{1,6})?)?)?")
_DECIMAL = re.compile(r"[+-]?(\d{1,16}\.?\d{0,16}|\.\d{1,16})([eE][+-]?\d{1,3})?")
_INTEGER = re.compile(r"[+-]?\d{1,12}")
_AGE = re.compile(r"(\d{3})([DWMY])")
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_LAST_NUMBER = re.compile(r"(?<=[A-Za-z])[ _]?#?\d{1,3}$")
"""As in `Segment 12`: too short to be the number of anything but a part."""
_PARTS = re.compile(r"[,;|\r\n]+")
_OFFSET = re.compile(r"[+-][01]\d[0-5]\d")
_VERSION = re.compile(r"[vV]?\d{1,3}(\.\d{1,5}){0,4}")

OLDEST = 89
"""Ages above this many years are given as one group, 090Y (HIPAA safe harbour, 45 CFR
164.514(b)(2)(i)(C))."""
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


@lru_cache(maxsize=1 << 12)
def shift_date(value: str, days: int) -> str | None:
    """Move a DA value by whole days; None when it is no date."""
    match = _DATE.fullmatch(value)
    if match is None:
        return None
    try:
        day = date(int(match[1]), int(match[2]), int(match[3])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def shift_datetime(value: str, days: int) -> str | None:
    """Move a DT value by whole days and cut it to the hour; None when it is no date and time.

    A value that states only its year or month keeps that precision.
    """
    match = _DATETIME.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, offset = match.groups()
    try:
        moved = datetime(int(year), int(month or 7), int(day or 1), int(hour or 0)) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    text = f"{moved.year:04d}"
    for part, given in ((moved.month, month), (moved.day, day), (moved.hour, hour)):
        text += f"{part:02d}" if given else ""
    return text + ("0000" if hour else "") + (offset or "")


def cut_time(value: str) -> str | None:
    """Cut a TM value to the hour; None when it is no time."""
    match = _TIME.fullmatch(value)
    return f"{match[1]}0000" if match else None


def group_age(value: str, oldest: int = OLDEST) -> str | None:
    """Return an AS value, one group for anyone above `oldest` years (090Y); None when it is no age."""
    match = _AGE.fullmatch(value)
    if match is None:
        return None
    return f"{oldest + 1:03d}Y" if int(match[1]) / _PER_YEAR[match[2]] >= oldest + 1 else value


def is_decimal(value: str) -> bool:
    """Whether a DS value is a number and nothing else."""
    return _DECIMAL.fullmatch(value) is not None


def is_integer(value: str) -> bool:
    """Whether an IS value is a number and nothing else."""
    return _INTEGER.fullmatch(value) is not None


def is_offset(value: str) -> bool:
    """Whether a value is an offset from UTC such as +0200."""
    return _OFFSET.fullmatch(value) is not None


def is_version(value: str) -> bool:
    """Whether a value is a version number such as 1.0.5."""
    return _VERSION.fullmatch(value) is not None


def is_uid(value: str) -> bool:
    """Whether a value has the form of a UID (PS3.5 section 9.1)."""
    return len(value) <= 64 and _UID.fullmatch(value) is not None


def is_public_term(value: str) -> bool:
    """Whether a value is a code string that anyone may use: a defined term of DICOM, or two signs at most."""
    return value in defined_terms() or (len(value) < 3 and value.isascii() and value.upper() == value)


def is_public_device(value: str) -> bool:
    """Whether a value is a manufacturer or model that is on the market."""
    return _folded(value) in _devices()


@lru_cache(maxsize=1 << 14)
def is_public_text(value: str) -> bool:
    """Whether a text is a phrase of a public vocabulary, or several, parted by commas, semicolons or bars."""
    parts = _PARTS.split(value)
    return _is_phrase(value) or (len(parts) > 1 and all(part.strip() and _is_phrase(part) for part in parts))


def _is_phrase(text: str) -> bool:
    return _is_listed(text) or (text.rstrip("\n")[-1:].isdigit() and _is_listed(_LAST_NUMBER.sub("", text)))


def _is_listed(text: str) -> bool:
    folded = _folded(text)
    return text.strip() in defined_terms() or folded in phrases() or folded in _devices()


@cache
def defined_terms() -> frozenset[str]:
    """Defined terms and enumerated values of DICOM.

    From `defined_terms.txt`: the terms that dicom3tools 1.00 (D. Clunie, BSD) validates against, the
    enumerations of highdicom 0.28.2 (MIT), short terms of PS3.3, code values of PS3.16, and a few
    terms of PS3.3 C.8.12 for whole slide microscopy.
    """
    return frozenset(_lines("defined_terms.txt"))


@cache
def _devices() -> frozenset[str]:
    """Manufacturers and models on the market: slide scanners and cell analysers by their makers' catalogues, and
    those that the filters of deid 0.4.13 (MIT) name."""
    return frozenset(map(_folded, _lines("devices.txt")))


@cache
def phrases() -> frozenset[str]:
    """Meanings of the codes of PS3.16, units of UCUM, names of attributes (PS3.6), and `specimen_terms.txt`.

    The last are names of stains (Biological Stain Commission; Bain et al., Dacie and Lewis Practical
    Haematology), fixatives, anticoagulants and preparations as laboratories write them.
    """
    attributes = (name for entry in entries().values() for name in (entry.name, entry.keyword) if name)
    terms = "\n".join((*public_meanings(), *attributes, *_lines("specimen_terms.txt")))
    return frozenset(terms.lower().replace("  ", " ").split("\n"))  # as `_folded` folds them, in half the time


def _lines(name: str) -> list[str]:
    lines = resources.files("jobs.dicom").joinpath(name).read_text("utf-8").split("\n")
    return [line for line in lines if line.strip()]


def _folded(text: str) -> str:
    return " ".join(text.lower().split())
