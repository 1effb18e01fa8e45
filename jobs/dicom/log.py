"""What was done to which attribute, without its value."""

from __future__ import annotations

from typing import NamedTuple

REMOVED = "removed"
EMPTIED = "emptied"
REPLACED = "replaced"
SHIFTED = "shifted"
GENERALISED = "generalised"
KEPT = "kept"
TRUNCATED = "the file ends before its data does"
"""The rule of an entry on a file that was cleaned as far as it goes."""


class Why(NamedTuple):
    """What a decision rests on."""

    rule: str
    """In words."""
    code: str | None = None
    """Its code in PS3.15 Table E.1-1, where it has one."""


class LogEntry(NamedTuple):
    """One decision on one attribute of one file."""

    path: str
    """Attribute path from the outside in, such as `(0040,0560)[0].(0040,0551)`; a private element is
    `private`."""
    action: str
    """One of the constants of this module."""
    rule: str
    """The rule that says so, in words."""
    code: str | None = None
    """Its code in PS3.15 Table E.1-1, where it has one."""
