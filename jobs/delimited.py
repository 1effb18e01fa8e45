"""Rows of delimited text (RFC 4180), where a quote out of place costs its own line and no other."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)?")


def rows_of(text: str, delimiter: str, at: int = 0) -> Iterator[list[str]]:
    """Rows that hold anything, from a place in a text on; the first one says how many values a row has.

    A value between quotes may go over lines. Where quotes do not stand as they should, or lines together do not make a
    whole row, the first of these lines is given as a row without values, and the next one begins a row.
    """
    width = 0
    while at < len(text):
        lines = _Lines(text, at)
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
        for row in _rows(reader):
            if row is None or (lines.taken > 1 and width not in (0, len(row))):
                at = _end_of_line(text, at)
                yield []
                break
            width = width or len(row)
            at, lines.taken = lines.at, 0
            if any(row):
                yield row


class _Lines:
    """Lines with their ends, without a copy of the text."""

    def __init__(self, text: str, at: int) -> None:
        self._text, self.at, self.taken = text, at, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.at == len(self._text):
            raise StopIteration
        start, self.at = self.at, _end_of_line(self._text, self.at)
        self.taken += 1
        return self._text[start : self.at]


def _end_of_line(text: str, at: int) -> int:
    found = _LINE.match(text, at)
    return found.end() if found else len(text)


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str] | None]:
    """What the reader gives; None, and the end, where it gives up."""
    try:
        yield from reader
    except csv.Error:
        yield None
