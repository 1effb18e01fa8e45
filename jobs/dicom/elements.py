"""Single data elements: what the dictionary says of them, and whether they hold what it says.

Formats are those of PS3.5 section 6.2, representations and multiplicities those of PS3.6.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VM, dictionary_VR, keyword_for_tag, repeater_has_tag
from pydicom.dataelem import DataElement, RawDataElement

BINARY_SIZES = {
    "US": 2, "SS": 2, "US or SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8, "AT": 4,
}  # fmt: skip
_FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
BULK = frozenset({"OB", "OW", "OF", "OD", "OL", "OV"})
TEXT = frozenset({"LO", "SH", "ST", "LT", "UT", "UC"})
_INTERCHANGEABLE = ({"DS", "IS"}, {"LO", "SH"})
_NUMBER = rb" *[+-]?\d{1,12}(?:\.\d{0,14})?(?:[eE][+-]?\d{1,3})? *"
_NUMBERS = re.compile(_NUMBER + rb"(?:\\" + _NUMBER + rb")*\0?")
"""Values of DS and IS as nearly all files write them; what differs is looked at one by one."""
_PRINTABLE = re.compile(rb"[\x20-\x7e]{9,}\0*")
_WORDS = re.compile(rb"(?!(.)\1\1)[A-Za-z]{6}|(?!(.)\2\2)[A-Za-z^ .,'-]{8}")
_PRINTABLE_BYTES = bytes(range(32, 127))
_FEW = 256
"""In fewer binary bytes than this a run of letters is no chance; a lookup table can well hold one."""


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
    if not (dictionary_has_tag(tag) or repeater_has_tag(tag)):
        return None
    most = dictionary_VM(tag).split("-")[-1]
    return Attribute(keyword_for_tag(tag), dictionary_VR(tag), None if "n" in most else int(most))


def are_numbers(raw: object, attribute: Attribute) -> bool:
    """Whether an element as it was read holds as many numbers as it may, and nothing else."""
    if not isinstance(raw, RawDataElement) or raw.value is None:
        return False
    vr = raw.VR or attribute.vr
    if vr in ("DS", "IS"):
        return attribute.vr == vr and _NUMBERS.fullmatch(raw.value) is not None
    size = BINARY_SIZES.get(vr)
    return (
        size is not None
        and vr != "AT"
        and attribute.holds(vr)
        and len(raw.value) % size == 0
        and attribute.count_fits(len(raw.value) // size)
        and not _are_words(raw.value)
    )


def are_numbers_or_bytes(element: DataElement, attribute: Attribute) -> bool:
    """Whether numbers are numbers, as many as allowed, tags are known, and bytes are not text."""
    vr = str(element.VR)
    if vr == "US or SS":
        return attribute.count_fits(len(bytes(element.value)) // 2) and not _are_words(element.value)
    if vr in BINARY_SIZES:
        numbers = element.value if element.VM > 1 else [element.value]
        return attribute.count_fits(element.VM) and _say_nothing(numbers, vr)
    data = bytes(element.value)[:65536].rstrip(b"\0 ")
    return len(data) < 4 or not (_are_words(data) or _is_mostly_text(data, 0.7 if vr == "OB" else 0.9))


def _say_nothing(numbers: Iterable[Any], vr: str) -> bool:
    """Whether numbers spell no text in either byte order; tags must be those of known attributes."""
    if vr == "AT":
        return all(_known_tag(number) for number in numbers)
    return not any(
        _are_words(b"".join(struct.pack(f"{order}{_FORMATS[vr]}", number) for number in numbers)) for order in "<>"
    )


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


def has_value(element: DataElement) -> bool:
    """Whether an element holds anything."""
    return element.value is not None and element.value != "" and element.value != b"" and element.VM > 0


def strings(element: DataElement) -> list[str]:
    """All values of an element as text, without padding."""
    value: Any = element.value
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") or element.VR == "PN":
        value = [value]
    return [_string(single).strip("\0 ") for single in value]


def _string(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    written = getattr(value, "original_string", None)
    return written if isinstance(written, str) else str(value)
