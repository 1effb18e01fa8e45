"""Change a dataset and log what was changed: remove, empty or fill an element as its type in the object demands."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from jobs.dicom import log
from jobs.dicom.dataset import Dataset, Element
from jobs.dicom.elements import BINARY_SIZES, attribute
from jobs.dicom.log import LogEntry, Why
from jobs.dicom.types import attribute_type

_DUMMY: dict[str, str | bytes] = {
    "LO": "REMOVED", "SH": "REMOVED", "ST": "REMOVED", "LT": "REMOVED", "UT": "REMOVED",
    "UC": "REMOVED", "AE": "REMOVED", "CS": "UNKNOWN", "DA": "19000101", "DT": "19000101", "TM": "000000",
    "AS": "000Y", "DS": "0", "IS": "0", "OB": b"\0\0", "OW": b"\0\0", "OF": bytes(4), "OD": bytes(8),
    "OL": bytes(4), "OV": bytes(8), "UN": b"", "UR": "removed:",
    **{vr: bytes(size) for vr, size in BINARY_SIZES.items()},
}  # fmt: skip


class Place(NamedTuple):
    """A dataset and where it lies in its object."""

    dataset: Dataset
    path: str = ""
    """Attribute path that ends in a dot, empty at the root."""
    parent: str = ""
    """Keyword of the sequence that it is an item of."""
    depth: int = 0

    def of(self, tag: int) -> str:
        """The path of one of its elements."""
        return self.path + _named(tag)


@lru_cache(maxsize=1 << 13)
def _named(tag: int) -> str:
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


class Editor:
    """Writes to the datasets of one object and keeps the log."""

    def __init__(self, sop_class: str, person: str, uid: str) -> None:
        self.sop_class = sop_class
        self.dummies = {**_DUMMY, "PN": person, "UI": uid}
        self.entries: list[LogEntry] = []

    def log(self, place: Place, tag: int, action: str, why: Why) -> None:
        """Note what was done to an element."""
        self.entries.append(LogEntry(place.path + _named(tag), action, *why))

    def type_of(self, place: Place, keyword: str) -> int:
        """Return the type of an attribute in this object, 1 to 3."""
        return attribute_type(keyword, place.parent, self.sop_class)

    def set(self, place: Place, tag: int, vr: str, value: str | bytes | list[str] | None) -> None:
        """Store a value as a new element, so that nothing of the bytes that were read remains."""
        text = "\\".join(value) if isinstance(value, list) else value
        encoded = text.encode("ascii", "replace") if isinstance(text, str) else text
        place.dataset[tag] = Element(tag, vr, encoded or b"")

    def set_items(self, place: Place, tag: int, items: list[Dataset]) -> None:
        """Store a sequence."""
        place.dataset[tag] = Element(tag, "SQ", items=items)

    def remove(self, place: Place, tag: int, why: Why) -> None:
        """Take an element out."""
        del place.dataset[tag]
        self.log(place, tag, log.REMOVED, why)

    def replace(self, place: Place, tag: int, vr: str, value: str | bytes, why: Why) -> None:
        """Put another value."""
        self.set(place, tag, vr, value)
        self.log(place, tag, log.REPLACED, why)

    def clear(self, place: Place, tag: int, why: Why, *, least: int = 3) -> None:
        """Remove, empty or fill an element, as its type demands, or `least` where that demands more."""
        known = attribute(tag)
        kind = min(self.type_of(place, known.keyword), least) if known else 3
        vr = known.vr.split(" or ")[0] if known else "UN"
        if kind == 3 or (vr in BINARY_SIZES and kind == 2) or vr == "SQ":
            self.remove(place, tag, why)
        elif kind == 2:
            self.set(place, tag, vr, None)
            self.log(place, tag, log.EMPTIED, why)
        else:
            self.replace(place, tag, vr, self.dummies[vr], why)
