"""What becomes of one value of a text-like element: its clean form, or nothing where it may not pass."""

from __future__ import annotations

from collections.abc import Callable

from jobs.dicom import values
from jobs.dicom.elements import TEXT
from jobs.dicom.profile import Profile

Cleaner = Callable[[str], str | None]


class Cleaners:
    """Cleaners by value representation, under a profile and the patient's date shift."""

    def __init__(self, profile: Profile, shift_days: int) -> None:
        self._oldest_age = profile.oldest_age
        self._dates = profile.dates
        self._made: dict[tuple[str, str, bool], Cleaner] = {}
        self._moves: dict[str, Cleaner] = {
            "DA": lambda text: values.shift_date(text, shift_days),
            "DT": lambda text: values.shift_datetime(text, shift_days),
            "TM": values.cut_time,
        }

    def of(self, vr: str, keyword: str = "", *, kept: bool = False) -> Cleaner:
        """Return what maps one value to its clean form, None when it may not pass.

        `kept` says that the profile retains the attribute unchanged.
        """
        key = vr, keyword, kept
        if key not in self._made:
            self._made[key] = self._make(vr, keyword, kept)
        return self._made[key]

    def _make(self, vr: str, keyword: str, kept: bool) -> Cleaner:
        if vr in self._moves:
            return self._of_dates(self._moves[vr], kept)
        if vr == "AS":
            return lambda text: values.group_age(text, self._oldest_age)
        if kept and vr not in ("PN", "UN"):
            return lambda text: text
        passes = _PASSES.get(keyword) or _PASSES_BY_VR.get(vr, _never)
        return lambda text: text if passes(text) else None

    def _of_dates(self, move: Cleaner, kept: bool) -> Cleaner:
        if kept or self._dates == "UNMODIFIED":
            return lambda text: text if move(text) is not None else None
        return move if self._dates == "MODIFIED" else lambda text: None


def _never(_: str) -> bool:
    return False


def is_short_number(text: str) -> bool:
    """Whether a text is a number of four digits at most."""
    return text.isascii() and text.isdigit() and len(text) < 5


def _is_scheme_version(text: str) -> bool:
    return values.is_version(text) or is_short_number(text)


_PASSES_BY_VR: dict[str, Callable[[str], bool]] = {
    "DS": values.is_decimal,
    "IS": values.is_integer,
    "CS": values.is_public_term,
    **dict.fromkeys(TEXT, values.is_public_text),
}
_PASSES: dict[str, Callable[[str], bool]] = {
    "CodingSchemeVersion": _is_scheme_version,
    "AlgorithmVersion": values.is_version,
    "ContextIdentifier": is_short_number,
    "SoftwareVersions": values.is_version,
    "TemplateIdentifier": is_short_number,
    "TimezoneOffsetFromUTC": values.is_offset,
}
"""What decides for single attributes; the parts of a code are decided together, after their item was
walked."""
