"""Write data sets and the file meta group (PS3.5 chapter 7, PS3.10 section 7.1)."""

from __future__ import annotations

import struct

from jobs.dicom.dataset import LONG_VRS, Dataset, Element

_UNDEFINED = 0xFFFFFFFF
_LONGEST = 0xFFFFFFFE
_LONGEST_SHORT = 0xFFFF
_NUL_PADDED = frozenset(("OB", "OW", "UI", "UN", ""))
_PIXEL_REPRESENTATION = 0x00280103
_GROUP_LENGTH = 0x00020000
_PADDING, _LONGEST_PADDING = 0xFFFCFFFC, 1 << 16
_AMBIGUOUS = {"OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW"}


class Encoder:
    """Writes data sets in one encoding.

    Args:
        implicit: whether value representations are left out.
        order: byte order as `struct` names it.
        truncated: whether the data set was read from a file that ends before its data do.
    """

    def __init__(self, implicit: bool, order: str, truncated: bool = False) -> None:
        self._implicit, self._truncated = implicit, truncated
        self._short = struct.Struct(order + "HH2sH").pack
        self._long = struct.Struct(order + "HH2sHI").pack
        self._bare = struct.Struct(order + "HHI").pack
        self._order = order
        self._signed = False

    def dataset(self, dataset: Dataset) -> bytes:
        """All elements in the order of their tags.

        A length that was too large is so again, by as much: of what the end of the file cut where nothing follows, else
        in sequences that state their own length, which a reader does not leave.
        """
        self._signed = dataset.number(_PIXEL_REPRESENTATION, 0) == 1
        parts: list[bytes] = []
        self._elements(dataset, parts, True)
        return b"".join(parts)

    def padding(self, dataset: Dataset) -> bytes:
        """Data Set Trailing Padding as long as what the last lengths of a data set claim, and is not there.

        Where an item leaves its sequence, more follows in the file; a reader must not take that for its end.
        """
        size = (min(_claimed(dataset), _LONGEST_PADDING) + 1) // 2 * 2
        parts: list[bytes] = []
        if size:
            self._element(Element(_PADDING, "OB", bytes(size)), 0, parts)
        return b"".join(parts)

    def file(self, meta: Dataset, dataset: Dataset) -> bytes:
        """A file up to its pixel data, with an empty preamble."""
        return meta_group(meta) + self.dataset(dataset)

    def _elements(self, dataset: Dataset, parts: list[bytes], longer: bool) -> None:
        """Write a data set in which lengths may be too large, or not."""
        last = max(dataset, default=0)
        for tag in sorted(dataset):
            element = dataset[tag]
            missing = element.missing if longer and tag == last else 0
            if element.items is not None:
                inside = longer and not element.endless and (tag == last or not self._truncated)
                self._sequence(element, element.items, missing, parts, inside)
            else:
                self._element(element, missing, parts)

    def _element(self, element: Element, missing: int, parts: list[bytes]) -> None:
        value, tag = element.value, element.tag
        length = min(len(value) + missing, _LONGEST)
        if len(value) % 2:
            value += b"\0" if element.vr in _NUL_PADDED else b" "
            length = max(length, len(value))
        if self._implicit:
            parts.append(self._bare(tag >> 16, tag & 0xFFFF, length))
        else:
            vr = element.vr if len(element.vr) == 2 else self._one_of(element.vr)
            if vr not in LONG_VRS and length > _LONGEST_SHORT:
                vr = "UN"
            if vr in LONG_VRS:
                parts.append(self._long(tag >> 16, tag & 0xFFFF, vr.encode(), 0, length))
            else:
                parts.append(self._short(tag >> 16, tag & 0xFFFF, vr.encode(), length))
        parts.append(value)

    def _one_of(self, vr: str) -> str:
        """The value representation that an ambiguous or missing one stands for (PS3.5 annex A, PS3.3 C.7.6.3)."""
        if vr == "US or SS":
            return "SS" if self._signed else "US"
        return _AMBIGUOUS.get(vr, "UN")

    def _sequence(self, element: Element, items: list[Dataset], missing: int, parts: list[bytes], longer: bool) -> None:
        at, tag = len(parts), element.tag
        parts.append(b"")
        for item in items:
            start = len(parts)
            parts.append(b"")
            inside = longer and (item is items[-1] or not self._truncated)
            self._elements(item, parts, inside)
            length = sum(map(len, parts[start:])) + item.missing * inside
            parts[start] = self._bare(0xFFFE, 0xE000, min(length, _LONGEST))
        length = min(sum(map(len, parts[at:])) + missing, _LONGEST)
        if element.endless:
            parts.append(self._bare(0xFFFE, 0xE0DD, 0))
            length = _UNDEFINED
        group, number = tag >> 16, tag & 0xFFFF
        parts[at] = self._bare(group, number, length) if self._implicit else self._long(group, number, b"SQ", 0, length)


def _claimed(dataset: Dataset) -> int:
    """By how many bytes the last element of a data set, or the last within it, is longer than there is."""
    last = dataset[max(dataset)] if dataset else None
    if last is None:
        return 0
    return max(last.missing, _claimed(last.items[-1]) if last.items else 0)


def meta_group(meta: Dataset) -> bytes:
    """An empty preamble and the file meta group with its length (PS3.10 section 7.1)."""
    meta.pop(_GROUP_LENGTH, None)
    group = Encoder(False, "<").dataset(meta)
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(group)) + group
