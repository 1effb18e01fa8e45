"""Codes made broader, one step up their tree, for patients who would stand out by the exact one.

Sources: ICD-10 (WHO, 2019), whose codes say their own tree down to the category, and its list of chapters.
SNOMED CT's tree is no part of its codes, so that there is no step up.
"""

from __future__ import annotations

import re

CHAPTERS = (
    ("A00-B99", "B99"), ("C00-D48", "D49"), ("D50-D89", "D90"), ("E00-E90", "E90"), ("F00-F99", "F99"),
    ("G00-G99", "G99"), ("H00-H59", "H59"), ("H60-H95", "H95"), ("I00-I99", "I99"), ("J00-J99", "J99"),
    ("K00-K93", "K95"), ("L00-L99", "L99"), ("M00-M99", "M99"), ("N00-N99", "N99"), ("O00-O99", "O9A"),
    ("P00-P96", "P96"), ("Q00-Q99", "Q99"), ("R00-R99", "R99"), ("S00-T98", "T98"), ("U00-U99", "U99"),
    ("V01-Y98", "Y99"), ("Z00-Z99", "Z99"),
)  # fmt: skip
"""Chapters in the order of their letters, each with the last category that ICD-10, -GM or -CM puts in it."""

_ICD_10 = re.compile(r"([A-Z]\d[\dAB])(?:\.([\dA-Z]{1,4}|\d{0,2}-))?[*+!]?(?:[A-Z]\d[\dAB].*)?")
_MORPHOLOGY = re.compile(r"(\d{3})\d(/\d)")


def broader(code: str) -> str | None:
    """The next broader code: C92.01, C92.0, C92, C00-D48, then None; None too where the code says no tree.

    Args:
        code: of ICD-10 or one of its national editions (of a pair, the cause counts), a chapter, or ICD-O-3.
    """
    if found := _MORPHOLOGY.fullmatch(code):
        return f"{found[1]}{found[2]}"
    found = _ICD_10.fullmatch(code)
    if found is None:
        return None
    category, rest = found[1], (found[2] or "").rstrip("-")
    if len(rest) > 1:
        return f"{category}.{rest[:-1]}"
    return category if rest or code != category else _chapter(category)


def broader_postal_code(code: str) -> str | None:
    """A postal code without its last digit or letter; None after the first.

    The first digits of a German or Finnish code name a region, the last ones a quarter.
    """
    bare = re.sub(r"[^0-9A-Za-z]", "", code)
    return bare[:-1] or None


def _chapter(category: str) -> str | None:
    return next((name for name, last in CHAPTERS if name[:3] <= category <= last), None)
