"""Search many outputs for the identifiers of a whole batch: one look-up a word, however many patients there are.

Words are runs of letters and digits, folded for case, accents and digraphs (Müller, MÜLLER, Mueller, Muller
are one). What was looked up once and is nobody's is remembered, so that most words of most files cost nothing.
UTF-8, Latin-1 and UTF-16 are read. Identifiers of eight characters and a letter are found inside longer words
too; numbers only as whole numbers, because pseudonyms and measurements are full of digits. Pixel bytes are
searched for identifiers of eight bytes or more by their aligned four-byte words, at memory speed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, BinaryIO

from jobs.deidentify.identifiers import Identifiers
from jobs.deidentify.tokens import LONG, SHORTEST, Range

if TYPE_CHECKING:
    from jobs.deidentify.pixel_search import PixelSearch

_APART = bytes(c if c > 127 or chr(c).isalnum() else 32 for c in range(256))
"""Makes spaces of all bytes but letters, digits and those of longer encodings."""
_LETTER = rb"[0-9A-Za-z\xc0-\xff]"
_WIDE = re.compile(_LETTER + rb"\x00" + _LETTER + rb"\x00(?:" + _LETTER + rb"\x00)+" + _LETTER)
_NUMBER = re.compile(rb"[0-9][0-9.]{3,}")
_WORD = re.compile(r"[^\W_]+")
_PARTS = re.compile(r"[^\W\d_]+|\d+")
_PSEUDONYM = re.compile(rb"[0-9a-f]{16}|[0-9a-f]{32}")
"""What the engine itself writes; the letters in it form words by chance."""
_DIGRAPHS = (("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"), ("ss", "s"))
_SPECIAL = str.maketrans({"ß": "s", "ø": "o", "æ": "a", "đ": "d", "ł": "l", "ı": "i", "ð": "d", "þ": "t"})
_REMEMBERED = 1 << 19
_LEAST_DISTINCT = 4
"""Strings of fewer different bytes, such as `00000000`, are what flat areas of pixels look like."""


@lru_cache(maxsize=1 << 16)
def fold(text: str) -> str:
    """Lower case without accents; digraphs that stand for one letter become its base letter."""
    return _folded(text)


def _folded(text: str) -> str:
    folded = text.lower() if text.isascii() else _without_accents(text)
    for digraph, letter in _DIGRAPHS:
        if digraph in folded:
            folded = folded.replace(digraph, letter)
    return folded


def _without_accents(text: str) -> str:
    return unicodedata.normalize("NFKD", text.casefold().translate(_SPECIAL)).translate(_LETTERS)


class _Letters(dict[int, int | None]):
    """What becomes of a character: an accent that Unicode parts from its letter goes, all else stays."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.combining(chr(code)) else code
        return self[code]


_LETTERS = _Letters()


def _texts(raw: bytes) -> set[str]:
    """A run of bytes as text, in each encoding that it may be in."""
    if raw.isascii():
        return {raw.decode("ascii")}
    return {raw.decode("utf-8", "ignore"), raw.decode("latin-1")}


def _read(raw: bytes) -> str:
    """A run of bytes as the text that it most likely is."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@dataclass(frozen=True)
class Everyone:
    """What the patients of a batch are identified by."""

    names: frozenset[str]
    ids: frozenset[str]
    """Numbers, addresses and the like, of which no part says anything alone."""

    @cached_property
    def batch(self) -> Batch:
        """Ready to search with; a process that meets the same patients in task after task makes it once."""
        return _batch_of(self)


@lru_cache(maxsize=1)
def _batch_of(everyone: Everyone) -> Batch:
    batch = Batch()
    names, ids = ({value.encode() for value in values} for values in (everyone.names, everyone.ids))
    batch.add(Identifiers(names=names, ids=ids))
    return batch


class Batch:
    """The identifiers of all patients of a batch; add them all, then search."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._uids: set[bytes] = set()
        self._starts: dict[str, set[str]] = {}
        """Identifiers of eight characters or more by their first eight."""
        self._spread: dict[str, set[str]] = {}
        """Identifiers that separators part, by their longest run."""
        self._long: set[bytes] = set()
        self._clean: set[bytes] = set()
        self._pixels: PixelSearch | None = None

    def add(self, found: Identifiers) -> None:
        """Add what one input says of its patient."""
        for name in found.names:
            self._add(name, parts=True)
        for value in found.ids:
            self._add(value, parts=False)
        self._uids.update(uid for uid in found.uids if len(uid) >= LONG)

    def _add(self, raw: bytes, *, parts: bool) -> None:
        raw = raw.strip(b"\0 ^=\r\n")
        if len(raw) < SHORTEST:
            return
        if len(raw) >= LONG:
            self._long.add(raw)
        if raw.isascii() and raw.isalnum():
            self._add_word(fold(raw.decode("ascii")))
            return
        for text in _texts(raw):
            runs = [fold(run) for run in _WORD.findall(text)]
            joined = "".join(runs)
            self._add_word(joined)
            if parts:
                for run in runs:
                    if run.isalpha():
                        self._add_word(run)
            if len(runs) > 1 and len(joined) >= SHORTEST:
                self._spread.setdefault(max(runs, key=len), set()).add(joined)

    def _add_word(self, word: str) -> None:
        if len(word) < SHORTEST or (word.isdigit() and len(word) < LONG):
            return
        self._words.add(word)
        if len(word) >= LONG and not word.isdigit():
            self._starts.setdefault(word[:LONG], set()).add(word)

    def found_in(self, stream: BinaryIO, pixels: Iterable[Range] = (), own: Identifiers | None = None) -> bool:
        """Whether an output holds an identifier of anybody in the batch, or a birth date or number of its own
        patient."""
        own = own or Identifiers()
        position = 0
        stream.seek(0)
        for part in sorted(pixels):
            if part.start > position and self._in_text(stream.read(part.start - position), own):
                return True
            stream.seek(part.start)
            if self._in_pixels(stream, part.stop - part.start):
                return True
            position = part.stop
            stream.seek(position)
        return self._in_text(stream.read(), own)

    def _in_text(self, data: bytes, own: Identifiers) -> bool:
        found = {number.rstrip(b".") for number in _NUMBER.findall(data)}
        if not (self._uids.isdisjoint(found) and own.birth_dates.isdisjoint(found)):
            return True
        if not found.isdisjoint(v for v in (value.strip(b"\0 ") for value in own.ids) if v.isdigit() and len(v) < LONG):
            return True
        tokens = {run for run in data.translate(_APART).split() if len(run) >= SHORTEST or run.isascii()}
        tokens.update(run.replace(b"\0", b"") for run in _WIDE.findall(data))
        if len(self._clean) > _REMEMBERED:
            self._clean.clear()
        return any(self._is_known(token, data) for token in tokens - self._clean)

    def _is_known(self, token: bytes, data: bytes) -> bool:
        number, spread = token.isdigit(), False
        by_chance = number or _PSEUDONYM.fullmatch(token) is not None
        for word in (token.decode(),) if number else map(_folded, _texts(token)):
            if (word in self._words or (not by_chance and self._holds(word))) and not is_public_word(_read(token)):
                return True
            if word in self._spread:
                spread = True
                if self._is_spread(self._spread[word], token, data):
                    return True
        if not spread:
            self._clean.add(token)
        return False

    def _holds(self, word: str) -> bool:
        """Whether an identifier is a part of a longer word."""
        if not word.isalpha():
            pieces = [piece for piece in _PARTS.findall(word) if piece in self._words]
            if any(not piece.isdigit() and not is_public_word(piece) for piece in pieces):
                return True
        return any(
            word.startswith(known, at)
            for at in range(len(word) - LONG + 1)
            if (start := word[at : at + LONG]) in self._starts
            for known in self._starts[start]
        )

    def _is_spread(self, known: set[str], token: bytes, data: bytes) -> bool:
        """Whether around the token one of the identifiers stands with separators between its runs."""
        reach = 4 * max(map(len, known)) + len(token)
        patterns = [
            re.compile(r"(?<![^\W_])" + r" ?".join(map(re.escape, one)) + r"(?![^\W_])")
            for one in known
            if not is_public_word(one)
        ]
        for place in _places(token, data):
            around = data[max(place - reach, 0) : place + reach]
            words = " ".join(run for text in _texts(around) for run in _WORD.findall(_folded(text)))
            if any(pattern.search(words) for pattern in patterns):
                return True
        return False

    def _in_pixels(self, stream: BinaryIO, length: int) -> bool:
        if self._pixels is None:
            from jobs.deidentify.pixel_search import PixelSearch  # late: it needs NumPy, which takes time to load

            self._pixels = PixelSearch({form for value in self._long for form in _forms(value)})
        return self._pixels.found_in(stream, length)


def _places(token: bytes, data: bytes) -> Iterator[int]:
    """Where a token stands in the data, in an encoding of one byte a letter or of two."""
    wide = b"\0".join(token[at : at + 1] for at in range(len(token)))
    for form in (token, wide):
        place = data.find(form)
        while place >= 0:
            yield place
            place = data.find(form, place + 1)


def _forms(value: bytes) -> set[bytes]:
    """How an identifier may stand among pixel bytes, in lower case; in no fewer than eight of them."""
    if value.isascii():
        low = value.lower()
        wide = low.decode("ascii").encode("utf-16-le")[:-1]  # of either byte order: but for the zero at one of its ends
        return {low, wide} if len(set(low)) >= _LEAST_DISTINCT else set()
    forms = {value}
    for text in _texts(value):
        forms |= {text.encode(name, "ignore") for name in ("utf-8", "utf-16-le", "utf-16-be", "latin-1")}
    return {form.lower() for form in forms if len(set(form)) >= _LEAST_DISTINCT and len(form) >= LONG}


def is_public_word(word: str) -> bool:
    """Whether a word is one of the public vocabularies, so that it says nothing of a person."""
    return fold(word) in _public_words()


@lru_cache(maxsize=1)
def _public_words() -> frozenset[str]:
    """All words of the vocabularies by which text passes, and of the names of registered UIDs.

    Numbers are none: a year that stands in a meaning is somebody's record number, too.
    """
    from jobs.dicom import values
    from jobs.dicom.dictionary import uids

    devices = resources.files("jobs.dicom").joinpath("devices.txt").read_text("utf-8").splitlines()
    texts = {*values.defined_terms(), *values.phrases(), *devices, *uids().values()}
    runs = [[fold(run) for run in _WORD.findall(text)] for text in texts]
    words = {run for text in runs for run in text} | {"".join(text) for text in runs}
    return frozenset(word for word in words if not word.isdigit())
