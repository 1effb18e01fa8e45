"""Free text without what identifies its patient: by form, and by every name part and number that is known.

A text is compared folded: without case and accents, and with ae, oe, ue, aa and ss as one letter, so that Mäkelä,
MAEKELAE and Makela are the same. Separators in numbers do not count. Of a name part of four letters and more,
endings count too (Mäkelän, Müllers).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from jobs.deidentify.recognise import Finding, merged, recognise

_DIGRAPHS = {("a", "e"), ("o", "e"), ("u", "e"), ("a", "a"), ("s", "s")}
_LETTERS = str.maketrans({"ø": "o", "æ": "a", "œ": "o", "đ": "d", "ł": "l", "ð": "d", "þ": "t", "ı": "i"})
_LONGEST_ENDING = 5


def scrub(text: str, identifiers: Iterable[str]) -> str:
    """The text with each identifier replaced by its kind in brackets.

    Args:
        text: of a record.
        identifiers: names and numbers of its patient, as they came.
    """
    parts, end = list[str](), 0
    for start, stop, kind in merged([*recognise(text), *_known(text, identifiers)]):
        parts += [text[end:start], f"[{kind}]"]
        end = stop
    return "".join([*parts, text[end:]])


def fold(text: str) -> tuple[str, list[int]]:
    """The text folded, separators as one space; and of each of its characters the index that it came from."""
    letters: list[tuple[str, int]] = []
    for index, written in enumerate(text):
        for letter in unicodedata.normalize("NFKD", written).casefold().translate(_LETTERS):
            if unicodedata.combining(letter):
                continue
            if not letter.isalnum():
                letter = " "
            if letters and (letters[-1][0], letter) in _DIGRAPHS | {(" ", " ")}:
                continue
            letters.append((letter, index))
    return "".join(letter for letter, _ in letters), [index for _, index in letters]


def _known(text: str, identifiers: Iterable[str]) -> Iterator[Finding]:
    folded, origin = fold(text)
    for pattern in {pattern for identifier in identifiers for pattern in _patterns(identifier)}:
        for match in re.finditer(pattern, folded):
            stop = origin[match.end()] if match.end() < len(origin) else len(text)
            yield Finding(origin[match.start()], stop, "removed")


def _patterns(identifier: str) -> Iterator[str]:
    """Regular expressions of a name's parts (two letters and more), or of a number with any separators."""
    words = fold(identifier)[0].split()
    if any(character.isdigit() for word in words for character in word):
        spaced = " ?".join(re.escape(character) for character in "".join(words))
        if len("".join(words)) > 1:
            yield rf"(?<![^\W_]){spaced}(?![^\W_])"
    for word in words:
        if word.isalpha() and len(word) > 1:
            ending = rf"\w{{0,{_LONGEST_ENDING}}}" if len(word) > 3 else ""
            yield rf"(?<!\w){re.escape(word)}{ending}(?!\w)"
