"""What DICOM names: attributes and UIDs (PS3.6), and the value representations of private elements that may stay.

The tables are pydicom's (3.0.2, MIT), written by `tools/dictionary.py`; a test compares them with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

ATTRIBUTES = resources.files("jobs.dicom").joinpath("attributes.tsv")
UIDS = resources.files("jobs.dicom").joinpath("uids.tsv")
PRIVATE = resources.files("jobs.dicom").joinpath("private_dictionary.tsv")

IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"


class Entry(NamedTuple):
    """An attribute as PS3.6 lists it."""

    vr: str
    """One value representation, or several as in `US or SS`."""
    vm: str
    """Value multiplicity, such as `1`, `1-3` or `2-2n`."""
    name: str
    keyword: str


@lru_cache(maxsize=1 << 13)
def entry(tag: int) -> Entry | None:
    """The attribute of a tag, also of a repeating group; None for one that PS3.6 does not list."""
    found = entries().get(tag)
    if found is None:
        text = f"{tag:08X}"
        found = next((one for mask, one in _repeating() if all(map(_is_digit, mask, text))), None)
    return found


@cache
def entries() -> dict[int, Entry]:
    """All attributes by tag, but those of repeating groups."""
    return {int(tag, 16): Entry(*row) for tag, *row in rows(ATTRIBUTES) if "x" not in tag}


@cache
def uids() -> dict[str, str]:
    """Names of all registered UIDs."""
    return {uid: name for uid, name, *_ in rows(UIDS)}


@cache
def privates() -> dict[tuple[str, int], tuple[str, str]]:
    """Value representation and multiplicity by private creator and the tag in its first block."""
    return {(creator, int(tag, 16)): (vr, vm) for creator, tag, vr, vm in rows(PRIVATE)}


def rows(table: resources.abc.Traversable) -> Iterator[list[str]]:
    """The rows of a table."""
    return (line.split("\t") for line in table.read_text("utf-8").splitlines())


@cache
def _repeating() -> list[tuple[str, Entry]]:
    return [(tag, Entry(*row)) for tag, *row in rows(ATTRIBUTES) if "x" in tag]


def _is_digit(mask: str, digit: str) -> bool:
    return mask in ("x", digit)
