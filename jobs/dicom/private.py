"""Which private elements may stay: those that a public knowledge base holds to be free of identities.

`private_elements.csv` holds, by private creator and group, the elements that TCIA's private-tag knowledge base
(February 2024) keeps wherever it lists them; of an element that it also drops somewhere, nothing is kept. What
stays must still pass by its value (PS3.15 section E.3.10, Retain Safe Private Option).
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

from jobs.dicom.dataset import Dataset
from jobs.dicom.dictionary import privates

_MOST = 16
VRS = frozenset(
    {"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "UV", "SV", "AT", "CS", "LO", "SH", "ST", "LT", "UT", "UC",
     "UI", "SQ"}
)  # fmt: skip
"""Value representations that can pass; bytes, dates and names never do."""


def is_creator(tag: int) -> bool:
    """Whether a private element names the creator of a block (PS3.5 section 7.8.1)."""
    return 0x10 <= tag & 0xFFFF <= 0xFF


def creator_tag(tag: int) -> int:
    """The element that names the creator of a private element's block."""
    return tag & ~0xFFFF | (tag & 0xFFFF) >> 8


def creator_of(dataset: Dataset, tag: int) -> str:
    """Return the creator of a private element's block, empty where the dictionary does not know it."""
    creator = dataset.text(creator_tag(tag))
    return creator if (creator, tag >> 16) in allowed() else ""


def may_stay(tag: int, creator: str) -> bool:
    """Whether the knowledge base keeps an element of a known creator."""
    return tag & 0xFF in allowed().get((creator, tag >> 16), frozenset())


def representation(tag: int, creator: str) -> str:
    """The value representation of a private element in a data set that states none; empty where none is known."""
    return privates().get((creator, _in_first_block(tag)), ("", ""))[0]


def most_values(tag: int, creator: str) -> int:
    """How many numbers a private element may hold: as many as the dictionary says, else a matrix."""
    most = privates().get((creator, _in_first_block(tag)), ("", ""))[1].split("-")[-1]
    return int(most) if most.isdigit() else _MOST


def _in_first_block(tag: int) -> int:
    return tag & ~0xFF00 | 0x1000


def is_text(value: bytes) -> bool:
    """Whether the bytes of a binary number are all printable, as those of a date or a name are."""
    data = value.rstrip(b"\0")
    return len(data) > 5 and all(32 <= byte < 127 for byte in data)


def may_be_number_of_record(text: str) -> bool:
    """Whether a number has so many digits before its point that it may be a date or the number of a record.

    One that ends in four zeros is a quantity, such as a frequency.
    """
    digits = text.split(".")[0].lstrip("+- 0")
    return len(digits.rstrip("0")) > 7 or (len(digits) > 7 and not digits.endswith("0000"))


@cache
def allowed() -> dict[tuple[str, int], frozenset[int]]:
    """Numbers of the elements that may stay, by private creator and group."""
    text = resources.files("jobs.dicom").joinpath("private_elements.csv").read_text("utf-8")
    return {
        (row["creator"], int(row["group"], 16)): frozenset(int(number, 16) for number in row["elements"].split())
        for row in csv.DictReader(text.splitlines())
    }
