"""The DICOM confidentiality profile as data: what PS3.15 asks to be done to each attribute.

`confidentiality_profile.csv` holds the facts of DICOM PS3.15 Table E.1-1: the basic action of each attribute
and the options' actions. Basic actions and most options are those of edition 2026d (read from the table that
openmed 3.1.0, Apache-2.0, carries); option columns that it lacks are of edition 2024b
(innolitics/dicom-standard, MIT). The two agree on every row that both have. `x` in a tag stands for any digit
of a repeating group. A row without an entry for a chosen option takes its basic action.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path

from jobs.dicom.log import Why
from jobs.dicom.values import OLDEST
from jobs.errors import SettingsError

FULL_DATES = "retain_full_dates"
DATES = "retain_modified_dates"
PATIENT = "retain_patient_characteristics"
DEVICE = "retain_device_identity"
INSTITUTION = "retain_institution_identity"
UIDS = "retain_uids"
PRIVATE = "retain_safe_private"
STRUCTURE = "clean_structured_content"
DESCRIPTORS = "clean_descriptors"
GRAPHICS = "clean_graphics"

DEFAULT_OPTIONS = (DESCRIPTORS, STRUCTURE, DATES, PATIENT, PRIVATE)
"""Options of a release."""

BASIC_CODE = ("113100", "Basic Application Confidentiality Profile")
METHOD_CODES = {
    GRAPHICS: ("113103", "Clean Graphics Option"),
    STRUCTURE: ("113104", "Clean Structured Content Option"),
    DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    PATIENT: ("113108", "Retain Patient Characteristics Option"),
    DEVICE: ("113109", "Retain Device Identity Option"),
    UIDS: ("113110", "Retain UIDs Option"),
    PRIVATE: ("113111", "Retain Safe Private Option"),
    INSTITUTION: ("113112", "Retain Institution Identity Option"),
}
"""DICOM codes (PS3.16 CID 7050) that say which options were applied."""


class Do(StrEnum):
    """What an action asks for, with the options resolved."""

    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    BY_TYPE = "by type"
    """Remove, empty or fill in, whichever the attribute's type in its object demands."""
    UID = "uid"
    KEEP = "keep"
    """Leave unchanged; a sequence is entered and cleaned."""
    CLEAN = "clean"
    """Keep what is public by its value; dates as the profile says; a sequence is entered and cleaned."""


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the table, resolved for a profile."""

    do: Do
    why: Why


_BASIC = {"X": Do.REMOVE, "Z": Do.EMPTY, "D": Do.DUMMY, "U": Do.UID}
_OPTIONS: dict[str, Do] = {
    FULL_DATES: Do.KEEP,
    DATES: Do.CLEAN,
    PATIENT: Do.CLEAN,
    STRUCTURE: Do.CLEAN,
    DEVICE: Do.KEEP,
    INSTITUTION: Do.KEEP,
    UIDS: Do.KEEP,
    DESCRIPTORS: Do.CLEAN,
    GRAPHICS: Do.CLEAN,
    PRIVATE: Do.CLEAN,
}
"""What K of an option's column asks for; C is always to clean. The option that stands first wins.

Patient characteristics pass by their value, since free text and ages above the oldest lie among them.
"""


class Profile:
    """Actions by tag under a set of options, and from which age on patients are one group.

    Raises `ValueError` for an unknown option and for full dates together with modified dates.
    """

    def __init__(self, options: Iterable[str] = DEFAULT_OPTIONS, oldest_age: int = OLDEST) -> None:
        self.options = frozenset(options)
        self.oldest_age = oldest_age
        unknown = self.options - set(_OPTIONS)
        if unknown:
            raise ValueError(f"Unknown options: {', '.join(sorted(unknown))}. Known are: {', '.join(_OPTIONS)}.")
        if {FULL_DATES, DATES} <= self.options:
            raise ValueError(f"{FULL_DATES} and {DATES} contradict each other. Choose one of them.")
        if not 0 < oldest_age < 999:
            raise ValueError("oldest_age is not between 1 and 998 years.")
        self._actions: dict[int, Action] = {}
        self._repeating: list[tuple[str, Action]] = []
        for row in rows():
            action = self._resolve(row)
            if "x" in row["tag"]:
                self._repeating.append((row["tag"], action))
            elif row["tag"] != "private":
                self._actions[int(row["tag"], 16)] = action

    @classmethod
    def from_file(cls, path: str | Path) -> Profile:
        """Read a profile from TOML: `options`, a list of option names, and `oldest_age`, in years.

        Raises `SettingsError`.
        """
        try:
            table = tomllib.loads(Path(path).read_text("utf-8"))
        except OSError:
            raise SettingsError("The profile file cannot be read. Check its path and permissions.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"The profile file is not TOML: {error}. Correct it there.") from None
        unknown = set(table) - {"options", "oldest_age"}
        if unknown:
            raise SettingsError(f"The profile file sets {', '.join(sorted(unknown))}; it may set options, oldest_age.")
        options, oldest = table.get("options", list(DEFAULT_OPTIONS)), table.get("oldest_age", OLDEST)
        if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
            raise SettingsError("options in the profile file is not a list of names. Write it as options = [...].")
        if not isinstance(oldest, int) or isinstance(oldest, bool):
            raise SettingsError("oldest_age in the profile file is not a whole number of years.")
        try:
            return cls(options, oldest)
        except ValueError as error:
            raise SettingsError(f"The profile file cannot be used: {error}") from None

    def action(self, tag: int) -> Action | None:
        """Return what is due to an attribute, None where the table does not list it."""
        listed = self._actions.get(tag)
        if listed is None and (tag >> 24) in (0x50, 0x60):
            text = f"{tag:08X}"
            return next((a for pattern, a in self._repeating if _matches(pattern, text)), None)
        return listed

    def method_codes(self) -> Iterator[tuple[str, str]]:
        """Yield (code value, meaning) of the profile and its options, for (0012,0064)."""
        yield BASIC_CODE
        yield from sorted(METHOD_CODES[option] for option in self.options)

    @property
    def dates(self) -> str:
        """What (0028,0303) says of dates: UNMODIFIED, MODIFIED or REMOVED."""
        if FULL_DATES in self.options:
            return "UNMODIFIED"
        return "MODIFIED" if DATES in self.options else "REMOVED"

    def _resolve(self, row: dict[str, str]) -> Action:
        for option, do in _OPTIONS.items():
            code = row[option] if option in self.options else ""
            if code:
                why = Why(f"PS3.15 E.1-1, {option.replace('_', ' ')}", code)
                return Action(do if code == "K" else Do.CLEAN, why)
        code = row["basic"]
        do = Do.CLEAN if "U*" in code else _BASIC.get(code, Do.BY_TYPE)
        return Action(do, Why("PS3.15 E.1-1, basic profile", code))


@cache
def default_profile() -> Profile:
    """The profile of a release, built once."""
    return Profile()


def _matches(pattern: str, text: str) -> bool:
    return all(p in ("x", t) for p, t in zip(pattern, text, strict=True))


@cache
def rows() -> tuple[dict[str, str], ...]:
    """The table as it lies in the file: `tag`, `name`, `basic` and a column for each option."""
    table = resources.files("jobs.dicom").joinpath("confidentiality_profile.csv").read_text("utf-8")
    return tuple(csv.DictReader(table.splitlines()))
