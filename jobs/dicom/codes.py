"""Coded entries (PS3.3 section 8.8): a code passes when the public dictionary of its scheme knows it.

The dictionary is the one of pydicom (codes of the DICOM context groups, PS3.16). Its meaning replaces the one
in the file, where a name can stand. A SNOMED CT identifier outside of it passes when its check digit and
partition are right, a LOINC code when its check digit is. Any other code may be a local one, which can say
anything: it becomes a keyed HMAC, so that equal codes stay equal.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import resources
from itertools import islice, takewhile
from typing import NamedTuple

from jobs.dicom.dictionary import uids

CODE_MEANINGS = resources.files("jobs.dicom").joinpath("code_meanings.tsv")
"""Scheme, code and meaning a line, written by `tools/code_meanings.py`."""

_SNOMED = re.compile(r"[1-9]\d{5,17}")
_LOINC = re.compile(r"\d{1,7}-\d")
SCHEMES = frozenset(
    {
        "BARI", "DCM", "FMA", "I10", "I10P", "IBSI", "ITIS_TSN", "LN", "MDC", "MSH", "NCIt", "NDC", "NEU",
        "PUBCHEM_CID", "RADLEX", "RXNORM", "SCT", "SNM3", "SRT", "UCUM", "UMLS", "99SDM",
    }
)  # fmt: skip
"""Designators that are public."""

SCHEME_UIDS = frozenset(
    f"2.16.840.1.113883.{arc}"
    for arc in (
        "6.1",
        "6.3",
        "6.4",
        "6.8",
        "6.24",
        "6.51",
        "6.86",
        "6.88",
        "6.96",
        "6.119",
        "6.177",
        "6.256",
        "3.26.1.1",
    )
)
"""UIDs of public coding schemes (PS3.16 table 8-1)."""


class Code(NamedTuple):
    """A code that may pass."""

    value: str
    scheme: str
    meaning: str
    public: bool


def is_registered(uid: str) -> bool:
    """Whether a UID names something public: a class, a transfer syntax, a coding scheme, never an
    instance."""
    return uid in uids() or uid in SCHEME_UIDS


def clean_code(value: str, scheme: str, key_for: Callable[..., str]) -> Code:
    """Return the code with its public meaning, or a keyed stand-in for a code that no dictionary knows."""
    meaning = public_meaning(value, scheme)
    if meaning is not None:
        return Code(value, scheme, meaning, True)
    return Code(key_for("code", scheme, value)[:16], "99LOCAL", "Local code", False)


def public_meaning(value: str, scheme: str) -> str | None:
    """Return the meaning of a public code, the code itself where only its form is known to be right, or
    None."""
    known = _meaning(scheme, value)
    if known is not None:
        return known
    if scheme == "SCT" and _SNOMED.fullmatch(value) and value[-3:-1] in ("00", "10"):
        from stdnum import verhoeff  # late: few files have codes that the dictionary does not know

        return value if verhoeff.is_valid(value) else None
    if scheme == "LN" and _LOINC.fullmatch(value):
        from stdnum import luhn

        return value if luhn.is_valid(value.replace("-", "")) else None
    return None


def public_meanings() -> list[str]:
    """Every public meaning of a code, and the units of measurement themselves."""
    lines = _lines()
    units = lines[bisect_left(lines, "UCUM\t") : bisect_left(lines, "UCUM\n")]
    return [line.rpartition("\t")[2] for line in lines] + list({line.split("\t")[1] for line in units})


@lru_cache(maxsize=1 << 14)
def _meaning(scheme: str, code: str) -> str | None:
    """The meaning of a code that the dictionary has; of several the shortest, which is the one that PS3.16 prints."""
    lines, start = _lines(), f"{scheme}\t{code}\t"
    at = bisect_left(lines, start)
    same = takewhile(lambda line: line.startswith(start), islice(lines, at, None))
    meaning = min((line[len(start) :] for line in same), key=len, default=None)
    return None if meaning is None else meaning[:64].strip()


@cache
def _lines() -> list[str]:
    """Scheme, code and meaning, parted by tabs, in ASCII and in order."""
    return sorted(CODE_MEANINGS.read_text("ascii").splitlines())
