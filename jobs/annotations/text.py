"""Text of unknown encoding, and JSON read piece by piece: a list of a million shapes is never in memory at once."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from jobs.errors import BadInput
from schemas.reasons import Reason

UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_LENIENT = json.JSONDecoder(parse_int=float)  # an integer of more digits than Python reads is infinite, not an error


def decode(data: bytes) -> str:
    """Text in UTF-8 or UTF-16, by its mark; UTF-8 without one; else Windows-1252, as older laboratory systems write."""
    if data[:2] in UTF16:
        return data.decode("utf-16", errors="replace")
    if data.startswith(codecs.BOM_UTF8):
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def skip(text: str, at: int = 0) -> int:
    """Where the next character that is not blank stands."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def json_value(text: str, at: int) -> tuple[Any, int]:
    """The JSON value that begins at `at`, and where it ends.

    Raises:
        BadInput: the text ends too early, or is no JSON.
    """
    try:
        try:
            return _DECODER.raw_decode(text, at)
        except json.JSONDecodeError:
            raise
        except ValueError:
            return _LENIENT.raw_decode(text, at)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        raise BadInput(Reason.TRUNCATED if cut else Reason.UNREADABLE) from None
    except RecursionError:
        raise BadInput(Reason.UNREADABLE) from None


class Elements:
    """The elements of the JSON list that begins at `at`, read one at a time; `end` is known when all are read."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.end = text, at + 1
        self._open = not text.startswith("]", skip(text, self.end))
        if not self._open:
            self.end = skip(text, self.end) + 1

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._open:
            raise StopIteration
        value, at = json_value(self.text, skip(self.text, self.end))
        at = skip(self.text, at)
        self._open = _goes_on(self.text, at, "]")
        self.end = at + 1
        return value


def members(text: str, lists: Collection[str], *, to_end: bool = True) -> Iterator[tuple[str, Any]]:
    """Name and value of each member of the JSON object that the text begins with.

    Args:
        text: the text.
        lists: names of members of which a list comes as `Elements`, not read yet.
        to_end: whether nothing may follow the object.

    Raises:
        BadInput: the text ends too early, or is no JSON.
    """
    at = skip(text, skip(text) + 1)
    if text.startswith("}", at):
        return
    more = True
    while more:
        name, at = json_value(text, at)
        at = skip(text, at)
        if not isinstance(name, str) or (at < len(text) and text[at] != ":"):
            raise BadInput(Reason.UNREADABLE)
        at = skip(text, at + 1)
        if name in lists and text.startswith("[", at):
            elements = Elements(text, at)
            yield name, elements
            for _ in elements:
                pass
            at = elements.end
        else:
            value, at = json_value(text, at)
            yield name, value
        at = skip(text, at)
        more = _goes_on(text, at, "}")
        at = skip(text, at + 1)
    if to_end:
        check_end(text, at)


def bare_list(text: str) -> Iterator[Any] | None:
    """The elements of a document that is a list, one at a time; None where it is none."""
    start = skip(text)
    return _to_end(text, start) if text.startswith("[", start) else None


def _to_end(text: str, start: int) -> Iterator[Any]:
    elements = Elements(text, start)
    yield from elements
    check_end(text, elements.end)


def check_end(text: str, at: int) -> None:
    """Refuse what follows after the end.

    Raises:
        BadInput: something does.
    """
    if skip(text, at) < len(text):
        raise BadInput(Reason.UNREADABLE)


def _goes_on(text: str, at: int, close: str) -> bool:
    """Whether a comma stands at `at`, and not the end of the list or object."""
    if at >= len(text):
        raise BadInput(Reason.TRUNCATED)
    if text[at] not in (",", close):
        raise BadInput(Reason.UNREADABLE)
    return text[at] == ","
