"""Data sets as they are encoded (PS3.5 chapter 7): an element keeps the bytes of its value until they are asked for.

pydicom makes an object of every value that it meets, which costs most of the time that cleaning a header takes. Here
values that pass are never decoded, and those that go are never looked at.
"""

from __future__ import annotations

import struct

from jobs.dicom.charset import decode

CHARACTER_SET = 0x00080005
LONG_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""Value representations whose length takes four bytes (PS3.5 table 7.1-1)."""
_SHORT_VRS = ("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST",
              "TM", "UI", "UL", "US")  # fmt: skip
VRS = {vr.encode(): vr for vr in (*LONG_VRS, *_SHORT_VRS)}
ONE_VALUE = frozenset(("ST", "LT", "UT", "UR", "PN"))
"""A backslash parts no values here; of names it does, but they are never taken apart."""
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "US or SS": "H"}


class Element:
    """A data element: a value as bytes, or the items of a sequence."""

    __slots__ = ("endless", "items", "missing", "tag", "value", "vr")

    def __init__(
        self,
        tag: int,
        vr: str,
        value: bytes = b"",
        items: list[Dataset] | None = None,
        *,
        endless: bool = False,
        missing: int = 0,
    ) -> None:
        self.tag = tag
        self.vr = vr
        """As the file states it, or the dictionary where it states none; empty where neither does."""
        self.value = value
        self.items = items
        self.endless = endless
        """Whether a sequence is written with delimiters instead of its length."""
        self.missing = missing
        """By how many bytes the length that the file states is more than there is."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no value but padding, and no item."""
        return not self.items and not self.value.strip(b"\0 ")


class Dataset(dict[int, Element]):
    """Elements by tag, of an object or of an item in a sequence."""

    __slots__ = ("inherited", "missing", "order")

    def __init__(self, owner: Dataset | None = None, order: str = "<") -> None:
        super().__init__()
        self.missing = 0
        """By how many bytes the length that the file states of an item is more than there is."""
        stated = owner.get(CHARACTER_SET) if owner is not None else None
        self.inherited: list[bytes] = [stated.value] if stated else owner.inherited if owner is not None else [b""]
        """Specific Character Set of what holds it; shared, as a file may state it behind its sequences."""
        self.order: str = owner.order if owner is not None else order
        """Byte order as `struct` names it."""

    @property
    def charset(self) -> bytes:
        """Value of Specific Character Set, inherited by items (PS3.3 section C.12.1.1.2)."""
        stated = self.get(CHARACTER_SET)
        return self.inherited[0] if stated is None else stated.value

    def strings(self, tag: int) -> list[str]:
        """All values of a text-like element without their padding; one empty string where it has none.

        Raises:
            UnicodeError, LookupError: the bytes are none of the character set.
        """
        element = self[tag]
        text = decode(element.value, self.charset)
        if element.vr in ONE_VALUE or "\\" not in text:
            return [text.strip("\0 ")]
        return [part.strip("\0 ") for part in text.split("\\")]

    def readable(self, tag: int) -> list[str] | None:
        """As `strings`, None where the bytes are none of the character set."""
        try:
            return self.strings(tag)
        except (UnicodeError, LookupError):
            return None

    def text(self, tag: int) -> str:
        """The value of an element, empty where it has none or several or cannot be read."""
        values = self.readable(tag) if tag in self else None
        return values[0] if values is not None and len(values) == 1 else ""

    def texts(self, tag: int) -> list[str]:
        """All values of a text-like element but empty ones; none where it is absent or cannot be read."""
        return [value for value in self.readable(tag) or () if value] if tag in self else []

    def number(self, tag: int, otherwise: int) -> int:
        """The first value of a whole number, `otherwise` where there is none."""
        element = self.get(tag)
        if element is None:
            return otherwise
        layout = _NUMBERS.get(element.vr)
        try:
            if layout:
                return int(struct.unpack_from(self.order + layout, element.value)[0])
            return int(self.strings(tag)[0])
        except (struct.error, ValueError, LookupError):
            return otherwise
