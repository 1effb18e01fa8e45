"""Search an output for identifiers, independently of how it was made.

The search parses nothing: it looks at all bytes of a file, for every identifier as a whole, for each part of
a name, and for ids without their separators. Letters are folded for case and accents (Müller, MÜLLER,
Mueller, Muller) in UTF-8 (composed or not), UTF-16 and Latin-1. Tokens shorter than four characters are not
searched; those shorter than eight count only as whole tokens, and not among pixel bytes, where any short pattern turns
up by chance. Nor do digits count among more than twenty of them: UIDs are full of any eight.

Speed comes from a filter over whole blocks: four table look-ups a byte, each a bit set of eight groups of
patterns, leave few places to look at closely.
"""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from jobs.deidentify.tokens import LONG, SHORTEST, Range

_BLOCK = 1 << 20
_SEPARATORS = ("", " ", "-", "_", ".", "/", "^", "\\")
_DIGRAPHS = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("å", "aa"), ("ß", "ss"), ("ø", "oe"), ("æ", "ae"))
_DIGITS_MOST = 20
"""A date with its time has 14 digits, a card's number 19 or 20, a UID of our own 38."""
_WORD = re.compile(r"[^\W_]+")
_ISO_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")


class Hit(NamedTuple):
    """Where an identifier was found; never which."""

    offset: int
    kind: str
    """`whole`, `part` (of a name), or `normalised` (other separators, another order of a date)."""


class _Pattern(NamedTuple):
    folded: bytes
    kind: str
    characters: int
    wide: bool
    """UTF-16: two bytes a character."""


def find(
    data: bytes | BinaryIO,
    identifiers: Iterable[str],
    *,
    pixels: Sequence[Range] = (),
    ignore: Iterable[str] = (),
) -> list[Hit]:
    """Return where `data` holds any of the identifiers, in order, at most one hit a place.

    `pixels` are the ranges of pixel bytes (see `pixel_ranges`), in order; `ignore` are words that do not
    count, such as those of a vocabulary.
    """
    finder = _finder(frozenset(identifiers), frozenset(ignore))
    stream = BytesIO(data) if isinstance(data, (bytes, bytearray, memoryview)) else data
    return list(finder.find(stream, pixels))


def find_in_text(text: str, identifiers: Iterable[str], *, ignore: Iterable[str] = ()) -> list[Hit]:
    """Return where a text, such as the values of a table row, holds any of the identifiers; offsets are UTF-8
    bytes."""
    return find(text.encode("utf-8", "surrogatepass"), identifiers, ignore=ignore)


def searchable(value: str) -> set[bytes]:
    """Return the folded byte patterns that an identifier is searched as."""
    return {pattern.folded for pattern in _patterns(value, frozenset())}


def pixel_forms(value: str) -> set[bytes]:
    """How an identifier may stand among pixel bytes, in small ASCII letters; none of those under eight characters."""
    forms = set[bytes]()
    for text, _ in _spellings(value):
        if len(text) >= LONG:
            forms.update(form.lower() for variant in _variants(text) for form, _ in _encodings(variant))
    return {form for form in forms if len(form) >= LONG}


def _spellings(value: str) -> Iterator[tuple[str, str]]:
    """Yield (text, kind) for each form of an identifier: whole, parts of a name, ids and dates written
    otherwise."""
    value = value.strip()
    words = _WORD.findall(value)
    yield value, "whole"
    if "@" in value:
        yield value.partition("@")[0], "part"
    elif re.search(r"\d", value):
        for separator in _SEPARATORS:
            yield separator.join(words), "normalised"
        date = _ISO_DATE.fullmatch(value)
        if date:
            year, month, day = date.groups()
            for form in (f"{day}.{month}.{year}", f"{int(day)}.{int(month)}.{year}", f"{day}/{month}/{year}",
                         f"{month}/{day}/{year}", f"{day}{month}{year}", f"{year}-{month}-{day}",
                         f"{year}{month}{day}", f"{year}/{month}/{day}"):  # fmt: skip
                yield form, "normalised"
        yield from ((word, "part") for word in words if word.isalpha())
    elif len(words) > 1:
        yield from ((word, "part") for word in words)
        for separator in _SEPARATORS:
            yield separator.join(words), "normalised"
            yield separator.join(reversed(words)), "normalised"


def _patterns(value: str, ignore: frozenset[str]) -> set[_Pattern]:
    patterns: set[_Pattern] = set()
    for text, kind in _spellings(value):
        if len(text) < SHORTEST or sum(c.isalnum() for c in text) < SHORTEST or text.casefold() in ignore:
            continue
        for variant in _variants(text):
            for encoded, wide in _encodings(variant):
                folded = _fold(encoded)[0]
                if len(folded) >= SHORTEST:
                    patterns.add(_Pattern(folded, kind, len(text), wide))
    return patterns


def _variants(text: str) -> set[str]:
    """Spellings that fold to other bytes: with the digraphs for umlauts, or umlauts' base letters for
    digraphs."""
    lower = unicodedata.normalize("NFC", text).lower()
    spelled = base = lower
    for letter, digraph in _DIGRAPHS:
        spelled = spelled.replace(letter, digraph)
        base = base.replace(digraph, _strip(letter) or digraph[0])
    bare = "".join(_strip(c) or c for c in lower)
    escaped = json.dumps(lower)[1:-1]
    apart = unicodedata.normalize("NFD", lower)
    return {lower, lower.upper(), apart, spelled, base, bare, escaped, quote(lower), quote(text)} - {""}


def _encodings(text: str) -> Iterator[tuple[bytes, bool]]:
    yield text.encode("utf-8", "surrogatepass"), False
    with suppress(UnicodeEncodeError):
        yield text.encode("latin-1"), False
    for name in ("utf-16-le", "utf-16-be"):
        yield text.encode(name, "surrogatepass").strip(b"\0"), True


def _strip(letter: str) -> str:
    """The base letter of an accented one, empty where there is none."""
    special = {"ß": "s", "ø": "o", "æ": "a", "đ": "d", "ł": "l", "ı": "i", "ð": "d", "þ": "t"}
    lower = letter.lower()
    base = special.get(lower) or unicodedata.normalize("NFD", lower)[0]
    return base if base.isascii() else ""


def _fold_table() -> bytes:
    """Map each byte to what it folds to as ASCII or Latin-1: lower case, without accent."""
    table = bytearray(range(256))
    for code in (*range(0x41, 0x5B), *range(0xC0, 0x100)):
        letter = chr(code)
        if letter.isalpha():
            table[code] = ord(_strip(letter) or letter.lower().encode("latin-1", "replace").decode("latin-1")[0])
    return bytes(table)


def _pair_table() -> NDArray[np.uint8]:
    """Map UTF-8 pairs C3..C5 + 80..BF to a base letter; 0 where there is none."""
    table = np.zeros((3, 64), np.uint8)
    for lead in range(3):
        for last in range(64):
            letter = bytes((0xC3 + lead, 0x80 + last)).decode()
            base = _strip(letter) if letter.isalpha() else ""
            table[lead, last] = ord(base) if base else 0
    return table


_FOLD = _fold_table()
_PAIRS = _pair_table()
_LEADS = bytes(1 if 0xC3 <= b <= 0xC5 else 2 if 0xCC <= b <= 0xCD else 0 for b in range(256))
_NO_POSITIONS = np.zeros(0, np.intp)


def _fold(data: bytes) -> tuple[bytes, NDArray[np.intp]]:
    """Fold case and accents.

    Letters of two bytes (UTF-8) become one, combining accents none, so that the result may be shorter: the
    second value holds the positions in `data` of the bytes that were left out, in order.
    """
    folded = data.translate(_FOLD)
    leads = np.frombuffer(data.translate(_LEADS), np.uint8)
    if not leads.any():
        return folded, _NO_POSITIONS
    raw = np.frombuffer(data, np.uint8)
    at = np.flatnonzero(leads[:-1])
    at = at[(raw[at + 1] & 0xC0) == 0x80]
    if not at.size:
        return folded, _NO_POSITIONS
    letters = at[leads[at] == 1]
    base = _PAIRS[raw[letters] - 0xC3, raw[letters + 1] & 0x3F]
    letters, base = letters[base > 0], base[base > 0]
    accents = at[(leads[at] == 2) & ((raw[at] == 0xCC) | (raw[at + 1] < 0xB0))]
    out = np.frombuffer(folded, np.uint8).copy()
    out[letters + 1] = base
    gone = np.union1d(letters, np.concatenate((accents, accents + 1)))
    return np.delete(out, gone).tobytes(), gone


class _Finder:
    """The patterns of a set of identifiers, ready to search."""

    def __init__(self, identifiers: frozenset[str], ignore: frozenset[str]) -> None:
        ignored = frozenset(word.casefold() for word in ignore)
        self.patterns: dict[bytes, _Pattern] = {}
        for value in sorted(identifiers):
            for pattern in sorted(_patterns(value, ignored)):
                known = self.patterns.get(pattern.folded)
                if known is None or known.kind > pattern.kind:
                    self.patterns[pattern.folded] = pattern
        self.longest = max(map(len, self.patterns), default=0)
        self.by_start: dict[bytes, list[_Pattern]] = {}
        for pattern in self.patterns.values():
            self.by_start.setdefault(pattern.folded[:4], []).append(pattern)
        starts = sorted(self.by_start)
        self.starts = np.sort(np.array([int.from_bytes(s, "little") for s in starts], np.uint32))
        self.tables = [bytearray(256) for _ in range(4)]
        for number, start in enumerate(starts):
            group = 1 << (number * 8 // len(starts))
            for table, byte in zip(self.tables, start, strict=True):
                table[byte] |= group

    def find(self, stream: BinaryIO, pixels: Sequence[Range]) -> Iterator[Hit]:
        """Search a stream block by block; blocks overlap by twice the longest pattern, so that none is
        cut."""
        if not self.patterns:
            return
        stream.seek(0)
        overlap = 8 * self.longest + 8
        block = stream.read(_BLOCK + overlap)
        start = reported = 0
        while block:
            for offset, pattern in self._in_block(block, start):
                if offset >= reported and (pattern.characters >= LONG or not _inside(offset, pixels)):
                    reported = offset + 1
                    yield Hit(offset, pattern.kind)
            if len(block) <= overlap:
                return
            start += len(block) - overlap
            block = block[-overlap:] + stream.read(_BLOCK)
            if len(block) <= overlap:
                return

    def _in_block(self, block: bytes, start: int) -> Iterator[tuple[int, _Pattern]]:
        folded, gone = _fold(block)
        places = self._candidates(folded)
        shifts = _original_offsets(places, gone)
        for place, offset in zip(places.tolist(), shifts.tolist(), strict=True):
            for pattern in self.by_start[folded[place : place + 4]]:
                if folded.startswith(pattern.folded, place):
                    end = place + len(pattern.folded)
                    stop = int(_original_offsets(np.array([end - 1]), gone)[0]) + 1
                    if pattern.characters >= LONG:
                        found = not pattern.folded.isdigit() or _digits_around(folded, place, end) <= _DIGITS_MOST
                    else:
                        found = not (
                            _goes_on(folded, place, -1, pattern.wide, block, offset)
                            or _goes_on(folded, end, 1, pattern.wide, block, stop)
                        )
                    if found:
                        yield start + offset, pattern
                        break

    def _candidates(self, folded: bytes) -> NDArray[np.intp]:
        """Positions where the first four bytes of some pattern stand."""
        if len(folded) < 4:
            return _NO_POSITIONS
        count = len(folded) - 3
        groups = np.frombuffer(folded.translate(bytes(self.tables[0])), np.uint8)[:count].copy()
        for position in (1, 2, 3):
            looked_up = np.frombuffer(folded.translate(bytes(self.tables[position])), np.uint8)
            groups &= looked_up[position : position + count]
        places = np.flatnonzero(groups)
        data = np.frombuffer(folded, np.uint8)
        words = np.zeros(places.size, np.uint32)
        for position in range(4):
            words |= data[places + position].astype(np.uint32) << np.uint32(8 * position)
        index = np.minimum(np.searchsorted(self.starts, words), self.starts.size - 1)
        found: NDArray[np.intp] = places[self.starts[index] == words]
        return found


def _original_offsets(places: NDArray[np.intp], gone: NDArray[np.intp]) -> NDArray[np.intp]:
    """Turn positions in folded bytes into positions before bytes were left out."""
    if not gone.size:
        return places
    before = gone - np.arange(gone.size)
    moved: NDArray[np.intp] = np.add(places, np.searchsorted(before, places, side="right"))
    return moved


def _digits_around(folded: bytes, start: int, stop: int) -> int:
    """How many digits stand in one run with those from `start` to `stop`, up to some more than are told apart."""
    before = folded[max(start - _DIGITS_MOST, 0) : start]
    behind = folded[stop : stop + _DIGITS_MOST]
    more = len(before) - len(before.rstrip(b"0123456789")) + len(behind) - len(behind.lstrip(b"0123456789"))
    return stop - start + more


def _goes_on(folded: bytes, edge: int, side: int, wide: bool, block: bytes, offset: int) -> bool:
    """Whether the token at `edge` (its start with side -1, its end with side 1) is only a part of a longer
    one.

    It is where letters meet letters or digits digits, but not where a small letter meets a capital
    (`LehtoAnna`).
    """
    step = 2 if wide else 1
    if side < 0:
        outside = folded[edge - step : edge - step + 1] if edge >= step else b""
        inside, pair = folded[edge : edge + 1], block[max(offset - step, 0) : offset + 1 : step]
    else:
        outside = folded[edge + step - 1 : edge + step]
        inside, pair = folded[edge - 1 : edge], block[offset - 1 : offset + step : step]
    if len(pair) == 2 and pair[:1].islower() and pair[1:].isupper():
        return False
    return _same_sort(outside, inside)


def _inside(offset: int, ranges: Sequence[Range]) -> bool:
    index = bisect_right(ranges, offset, key=lambda r: r.start) - 1
    return index >= 0 and offset < ranges[index].stop


def _same_sort(one: bytes, other: bytes) -> bool:
    return (one.isalpha() and other.isalpha()) or (one.isdigit() and other.isdigit())


@lru_cache(maxsize=64)
def _finder(identifiers: frozenset[str], ignore: frozenset[str]) -> _Finder:
    return _Finder(identifiers, ignore)
