"""Which private elements may stay: those that a public knowledge base holds to be free of identities.

`private_elements.csv` holds, by private creator and group, the elements that TCIA's private-tag knowledge base
(February 2024) keeps wherever it lists them; of an element that it also drops somewhere, nothing is kept. What
stays must still pass by its value (PS3.15 section E.3.10, Retain Safe Private Option).
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

from pydicom.datadict import private_dictionary_VM
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

_MOST = 16
VRS = frozenset(
    {"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "UV", "SV", "AT", "CS", "LO", "SH", "ST", "LT", "UT", "UC",
     "UI", "SQ"}
)  # fmt: skip
"""Value representations that can pass; bytes, dates and names never do."""


def is_creator(tag: BaseTag) -> bool:
    """Whether a private element names the creator of a block (PS3.5 section 7.8.1)."""
    return bool(tag.is_private) and 0x10 <= tag.element <= 0xFF


def creator_tag(tag: BaseTag) -> BaseTag:
    """The element that names the creator of a private element's block."""
    return Tag(tag.group, tag.element >> 8)


def creator_of(dataset: Dataset, tag: BaseTag) -> str:
    """Return the creator of a private element's block, empty where the dictionary does not know it."""
    try:
        creator = str(dataset[creator_tag(tag)].value).strip()
    except Exception:  # pydicom raises nearly anything on damaged elements
        return ""
    return creator if (creator, tag.group) in _allowed() else ""


def may_stay(tag: BaseTag, creator: str) -> bool:
    """Whether the knowledge base keeps an element of a known creator."""
    return tag.element & 0xFF in _allowed().get((creator, tag.group), frozenset())


def most_values(tag: BaseTag, creator: str) -> int:
    """How many numbers a private element may hold: as many as pydicom's dictionary says, else a matrix."""
    try:
        most = private_dictionary_VM(tag, creator).split("-")[-1]
    except KeyError:
        return _MOST
    return int(most) if most.isdigit() else _MOST


def is_text(raw: object) -> bool:
    """Whether the bytes of a binary number are all printable, as those of a date or a name are."""
    data = bytes(getattr(raw, "value", None) or b"").rstrip(b"\0")
    return len(data) > 5 and all(32 <= byte < 127 for byte in data)


def may_be_number_of_record(text: str) -> bool:
    """Whether a number has so many digits before its point that it may be a date or the number of a record."""
    return len(text.split(".")[0].strip("+- 0")) > 7


@cache
def _allowed() -> dict[tuple[str, int], frozenset[int]]:
    text = resources.files("jobs.dicom").joinpath("private_elements.csv").read_text("utf-8")
    return {
        (row["creator"], int(row["group"], 16)): frozenset(int(number, 16) for number in row["elements"].split())
        for row in csv.DictReader(text.splitlines())
    }
