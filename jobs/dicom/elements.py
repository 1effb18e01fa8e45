"""Single data elements: what the dictionary says of them, and whether they hold what it says.

Formats are those of PS3.5 section 6.2, representations and multiplicities those of PS3.6.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from jobs.dicom.dataset import Element
from jobs.dicom.dictionary import entry

BINARY_SIZES = {
    "US": 2, "SS": 2, "US or SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8, "AT": 4,
}  # fmt: skip
BULK = frozenset({"OB", "OW", "OF", "OD", "OL", "OV"})
TEXT = frozenset({"LO", "SH", "ST", "LT", "UT", "UC"})
_INTERCHANGEABLE = ({"DS", "IS"}, {"LO", "SH"})
_NUMBER = rb" *[+-]?\d{1,12}(?:\.\d{0,14})?(?:[eE][+-]?\d{1,3})? *"
_NUMBERS = re.compile(_NUMBER + rb"(?:\\" + _NUMBER + rb")*\0?")
"""Values of DS and IS as nearly all files write them; what differs is looked at one by one."""
_PRINTABLE = re.compile(rb"[\x20-\x7e]{9,}\0*")
_WORDS = re.compile(rb"(?!(.)\1\1)[A-Za-z]{6}|(?!(.)\2\2)[A-Za-z^ .,'-]{8}")
_PRINTABLE_BYTES = bytes(range(32, 127))
_ENDIAN: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_FEW = 256
"""In fewer binary bytes than this a run of letters is no chance; a lookup table can well hold one."""
_LONG_WORD, _NOT_MANY = re.compile(rb"[A-Za-z]{5}[\w^ -]{5}"), 4096
"""A name or number of a record among numbers; in so many bytes of numbers, one in a thousand has such by chance."""


class Attribute(NamedTuple):
    """What PS3.6 says of an attribute."""

    keyword: str
    vr: str
    """One value representation, or several as in `US or SS`."""
    most: int | None
    """The largest number of values, None without a bound."""

    def holds(self, vr: str) -> bool:
        """Whether a value representation is the attribute's, or as good as that."""
        return vr == self.vr or vr in self.vr.split(" or ") or any({vr, self.vr} <= pair for pair in _INTERCHANGEABLE)

    def count_fits(self, count: int) -> bool:
        """Whether it may hold `count` values."""
        return self.most is None or count <= self.most


@lru_cache(maxsize=1 << 13)
def attribute(tag: int) -> Attribute | None:
    """Return what the dictionary knows of a tag, None for one that it does not know."""
    listed = entry(tag)
    if listed is None:
        return None
    most = listed.vm.split("-")[-1]
    return Attribute(listed.keyword, listed.vr, None if "n" in most else int(most))


def are_numbers(element: Element, attribute: Attribute) -> bool:
    """Whether an element holds as many numbers as it may, and nothing else."""
    vr, value = element.vr, element.value
    if vr in ("DS", "IS"):
        return attribute.vr == vr and _NUMBERS.fullmatch(value) is not None
    size = BINARY_SIZES.get(vr)
    return (
        size is not None
        and vr != "AT"
        and attribute.holds(vr)
        and len(value) % size == 0
        and attribute.count_fits(len(value) // size)
        and not _are_words(value)
        and not _holds_word(attribute, value)
    )


def are_numbers_or_bytes(element: Element, attribute: Attribute, order: str) -> bool:
    """Whether numbers spell no text in either byte order, tags are those of attributes, and bytes are not text.

    Args:
        element: what is looked at.
        attribute: what the dictionary says of it.
        order: byte order of the value as `struct` names it.
    """
    size = BINARY_SIZES.get(element.vr)
    if element.vr == "AT":
        groups_and_numbers = [int.from_bytes(part, _ENDIAN[order]) for part in _parts(element.value, 2)]
        return len(element.value) % 4 == 0 and all(
            _known_tag(group << 16 | number)
            for group, number in zip(groups_and_numbers[::2], groups_and_numbers[1::2], strict=True)
        )
    if size:
        swapped = b"".join(part[::-1] for part in _parts(element.value, size))
        spelled = any(_are_words(one) or _holds_word(attribute, one) for one in (element.value, swapped))
        return len(element.value) % size == 0 and not spelled
    data = element.value[:65536].rstrip(b"\0 ")
    if _holds_word(attribute, data):
        return False
    return len(data) < 4 or not (_are_words(data) or _is_mostly_text(data, 0.7 if element.vr == "OB" else 0.9))


def _parts(value: bytes, size: int) -> list[bytes]:
    return [value[at : at + size] for at in range(0, len(value), size)]


def _known_tag(tag: int) -> bool:
    """Whether a value of AT names an attribute of the dictionary, or none."""
    return tag == 0 or attribute(tag) is not None


def _is_mostly_text(data: bytes, share: float) -> bool:
    return len(data) - len(data.translate(None, _PRINTABLE_BYTES)) >= share * len(data)


def _are_words(data: bytes) -> bool:
    """Whether the bytes of binary numbers spell text."""
    if len(data) < _FEW:
        return _PRINTABLE.fullmatch(data) is not None or _WORDS.search(data) is not None
    return _is_mostly_text(data, 0.7)


def _holds_word(attribute: Attribute, data: bytes) -> bool:
    """Whether a name stands among numbers or bytes; those of pixels and lookup tables spell much by chance."""
    numbers = attribute.vr in BINARY_SIZES or (attribute.vr == "OB" and attribute.keyword != "PixelData")
    return numbers and len(data) <= _NOT_MANY and _LONG_WORD.search(data) is not None
