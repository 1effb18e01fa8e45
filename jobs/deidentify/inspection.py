"""Whether a file's pixels were looked through for burned-in text, and how far; light, as most runs do not look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import BinaryIO

from jobs.dicom import log
from jobs.dicom.log import LogEntry

PIXELS = "pixels"
"""Attribute path of the log's line on burned-in text."""


class Look(StrEnum):
    """How far an image was looked through; a finding is no `Look` but a reason to hold the image back."""

    WHOLE = "burned-in text looked for in all pixels, none found"
    PART = "burned-in text looked for in a part of the pixels, none found"
    NOT = "burned-in text not looked for"

    @property
    def entry(self) -> LogEntry:
        """What the log says of it."""
        return LogEntry(PIXELS, log.KEPT, self)


class Inspection:
    """Looks through one file when it is called, and remembers how far it came."""

    def __init__(self, opened: Callable[[], BinaryIO], *, wanted: bool) -> None:
        """`opened` opens the file, seekable; nothing is looked for unless it is `wanted`."""
        self._opened, self._wanted, self.look = opened, wanted, Look.NOT

    def __call__(self) -> bool:
        """Whether all pixels were looked through and hold no text; raises `BadInput` BURNED_IN_TEXT."""
        if self._wanted:
            from jobs.deidentify.burned_in import look

            self.look = look(self._opened)
        return self.look is Look.WHOLE


def in_words(looks: Iterable[Look], findings: int) -> str:
    """What a report says of the files that passed and of those where text was found."""
    count = Counter(looks)
    whole, part, none = (count[look] for look in Look)
    if not whole + part + findings:
        return "not looked for"
    said = f"looked for in {_files(whole + part + findings)}, {findings} finding{'' if findings == 1 else 's'}"
    said += f"; of {part} only a part of the pixels was looked at" if part else ""
    return said + (f"; not looked for in {_files(none)}" if none else "")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
