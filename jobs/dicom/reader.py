"""Read the header of a DICOM file (PS3.10 section 7, PS3.5 chapter 7): all elements before the pixel data.

Sequences may be nested without end: they are followed by a stack of our own, not by the call stack. What contradicts
itself is read as far as it makes sense: a length that reaches behind the end of the file, or of the item that the
element is in, ends there, items without a delimiter end with what holds them, and an element without a value
representation takes the dictionary's. Of a value that is cut nothing is kept, for it says what is not so. By how
much a length is too large is noted (`missing`), so that it can be written again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, cast

from jobs.dicom.dataset import LONG_VRS, VRS, Dataset, Element
from jobs.dicom.dictionary import EXPLICIT_BIG, IMPLICIT_LITTLE
from jobs.dicom.elements import attribute

PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
TRANSFER_SYNTAX = 0x00020010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_CHUNK = 1 << 16
_PREAMBLE = 128
_FIRST_BIG_GROUP = 1024
"""A first group above it is one of little numbers in the other byte order."""


class Header(NamedTuple):
    """What stands before the pixel data of a file."""

    preamble: bytes
    meta: Dataset
    dataset: Dataset
    implicit: bool
    order: str
    """Byte order of the dataset as `struct` names it."""
    end: int
    """Where the pixel data element begins, or the file ends."""
    truncated: bool
    """Whether the file ends within an element or a sequence."""


class Bytes:
    """The start of a stream, as far as it was needed."""

    def __init__(self, stream: BinaryIO) -> None:
        self.size = stream.seek(0, 2)
        self.data = b""
        self._stream = stream

    def need(self, end: int) -> bytes:
        """All bytes so far, with those up to `end` where the stream has them."""
        have = len(self.data)
        if end > have < self.size:
            self._stream.seek(have)
            self.data += self._stream.read(max(end - have, _CHUNK, have))
        return self.data


def read_header(stream: BinaryIO) -> Header:
    """Read all elements of a file before its pixel data; the stream must be seekable, and is left anywhere."""
    source = Bytes(stream)
    meta, position = _meta(source)
    syntax = meta.text(TRANSFER_SYNTAX)
    explicit, order = _encoding(source.need(position + 6)[position : position + 6], syntax)
    dataset, end, truncated = _read(source, position, order, explicit=explicit)
    dataset.inherited[0] = dataset.charset
    preamble = source.data[:_PREAMBLE] if source.data[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else b""
    return Header(preamble, meta, dataset, not explicit, order, end, truncated)


def read_meta(stream: BinaryIO) -> tuple[Dataset, int]:
    """The file meta group, empty where there is none, and where it ends."""
    return _meta(Bytes(stream))


def _meta(source: Bytes) -> tuple[Dataset, int]:
    data = source.need(_CHUNK)
    begin = _PREAMBLE + 4 if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0
    if data[begin : begin + 2] != b"\x02\0":
        return Dataset(), begin
    meta, end, _ = _read(source, begin, "<", explicit=True, group=2)
    return meta, end


def _encoding(start: bytes, syntax: str) -> tuple[bool, str]:
    """Whether the first element of a dataset has an explicit value representation, and the byte order.

    Some files state another encoding than theirs, so the first element decides.
    """
    states_vr = start[4:6] in VRS
    if syntax in ("", IMPLICIT_LITTLE):
        big = not syntax and len(start) >= 2 and int.from_bytes(start[:2], "little") >= _FIRST_BIG_GROUP
        return states_vr, ">" if big else "<"
    return states_vr or start[4:6].isupper(), ">" if syntax == EXPLICIT_BIG else "<"


class _Open:
    """A dataset, or the sequence that holds it, whose end was not met yet."""

    __slots__ = ("dataset", "end", "endless", "explicit", "items", "owner", "part", "stated")

    def __init__(
        self,
        part: Element | Dataset,
        dataset: Dataset | None,
        owner: Dataset,
        items: list[Dataset],
        end: int,
        stated: int,
        explicit: bool,
        endless: bool,
    ) -> None:
        self.part = part
        """The sequence or the item itself."""
        self.dataset = dataset
        """None for a sequence."""
        self.owner = owner
        self.items = items
        self.end = end
        self.stated = stated
        """Where it ends as the file states, 0 where it states no length; `end` is no later than what holds it."""
        self.explicit = explicit
        self.endless = endless


def _read(
    source: Bytes, position: int, order: str, *, explicit: bool, group: int | None = None
) -> tuple[Dataset, int, bool]:
    """Return the elements of one group, or all before the pixel data; where they end; whether the file ends first."""
    head, length_at = struct.Struct(order + "HH2sH").unpack_from, struct.Struct(order + "I").unpack_from
    item_start = struct.pack(order + "HH", _ITEM >> 16, _ITEM & 0xFFFF)
    size, data = source.size, source.need(position + _CHUNK)
    root, truncated = Dataset(order=order), False
    holders = [_Open(root, root, root, [], size, size, explicit, False)]
    while holders:
        top = holders[-1]
        if position >= top.end or position + 8 > size:
            truncated |= _end(holders, position, size)
            continue
        if position + 16 > len(data):
            data = source.need(position + 16)
        of_group, number, code, length = head(data, position)
        tag = of_group << 16 | number
        if of_group == 0xFFFE:
            position += 8
            _delimit(holders, tag, length_at(data, position - 4)[0], position)
            continue
        dataset = top.dataset
        if dataset is None:  # the sequence has no item here, and no delimiter
            position = position if top.endless else top.end
            holders.pop()
            continue
        if len(holders) == 1 and (of_group != group if group else tag == 0 or tag in PIXELS):
            break
        start, vr = position + 8, VRS.get(code) if top.explicit else None
        if vr in LONG_VRS:
            start = position + 12
            if start > size:
                truncated, size = True, position
                continue
            length = length_at(data, position + 8)[0]
        elif vr is None and top.explicit and code.isalpha() and code.isupper():
            vr = "UN"
        elif vr is None:
            length = length_at(data, position + 4)[0]
        nested = top.explicit and vr != "UN"  # a sequence in UN is in implicit VR (PS3.5 section 6.2.2, note 2)
        if vr is None or vr == "UN":
            vr = _listed(tag, vr)
        endless = length == _UNDEFINED
        if endless and tag in PIXELS:
            position = _behind_fragments(source, start, length_at, item_start)
            data, dataset[tag] = source.data, Element(tag, vr)
        elif endless or vr == "SQ" or (vr in ("", "UN") and data[start : start + 4] == item_start):
            dataset[tag] = _begin(holders, Element(tag, vr, endless=endless), start + length, size, nested)
            position = start
        else:
            position = _within(top, start + length, size)
            if position > len(data):
                data = source.need(position)
            if position <= size:
                dataset[tag] = Element(tag, vr, data[start:position], missing=start + length - position)
            else:
                dataset[tag] = Element(tag, vr, missing=length)
                truncated, size, position = True, start, start
    return root, source.size if truncated else min(position, size), truncated


def _end(holders: list[_Open], position: int, size: int) -> bool:
    """End the innermost dataset or sequence; whether the file ends before it does."""
    top = holders.pop()
    if top.stated > min(top.end, size):
        top.part.missing = top.stated - position
    return position + 8 > size and (top.endless or top.end > size)


def _begin(holders: list[_Open], sequence: Element, stated: int, size: int, explicit: bool) -> Element:
    """Begin a sequence, which states its end unless it is endless."""
    top, endless = holders[-1], sequence.endless
    sequence.items = []
    end = top.end if endless else _within(top, stated, size)
    owner = cast(Dataset, top.dataset)
    holders.append(_Open(sequence, None, owner, sequence.items, end, 0 if endless else stated, explicit, endless))
    return sequence


def _listed(tag: int, vr: str | None) -> str:
    """The value representation of the dictionary; what the file states, or none, where that knows the tag not."""
    known = attribute(tag)
    return known.vr if known is not None else "UL" if tag & 0xFFFF == 0 else vr or ""


def _within(top: _Open, end: int, size: int) -> int:
    """Where a value ends: a length that reaches behind what holds it, but not behind the file, ends there."""
    return top.end if end > top.end and top.end < size else end


def _delimit(holders: list[_Open], tag: int, length: int, position: int) -> None:
    """Begin or end an item, or end a sequence; what stands where it may not is passed over."""
    top = holders[-1]
    if tag == _ITEM and top.dataset is None:
        item = Dataset(top.owner)
        top.items.append(item)
        endless = length == _UNDEFINED
        stated = 0 if endless else position + length
        end = top.end if endless else min(stated, top.end)
        holders.append(_Open(item, item, item, [], end, stated, top.explicit, endless))
    elif (tag == _ITEM_END and top.dataset is not None and len(holders) > 1) or (
        tag == _SEQUENCE_END and top.dataset is None
    ):
        holders.pop()
    elif tag == _SEQUENCE_END and len(holders) > 2:  # the last item has no delimiter
        del holders[-2:]


def _behind_fragments(source: Bytes, position: int, length_at: Callable[..., tuple[int]], item_start: bytes) -> int:
    """Where encapsulated pixel data within a sequence end; they are passed over (PS3.5 section A.4)."""
    while source.need(position + 8)[position : position + 4] == item_start:
        position += 8 + length_at(source.data, position + 4)[0]
    return min(position + 8, source.size)
