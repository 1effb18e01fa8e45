"""How far an image was looked through for text burned into its pixels: what the de-identification log says of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

PIXELS = "pixels"
"""Attribute path of the log's line on burned-in text."""


class Look(StrEnum):
    """The rule in the log's line; a finding is none of these but a reason to hold the image back."""

    WHOLE = "burned-in text looked for in all pixels, none found"
    PART = "burned-in text looked for in a part of the pixels, none found"
    NOT = "burned-in text not looked for"


def in_words(looks: Mapping[Look, int], findings: int) -> str:
    """What a report says of the files that passed, by how far each was looked through, and of those with a finding."""
    whole, part, none = (looks.get(look, 0) for look in Look)
    if not whole + part + findings:
        return "not looked for"
    said = f"looked for in {_files(whole + part + findings)}, {findings} finding{'' if findings == 1 else 's'}"
    said += f"; of {part} only a part of the pixels was looked at" if part else ""
    return said + (f"; not looked for in {_files(none)}" if none else "")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
