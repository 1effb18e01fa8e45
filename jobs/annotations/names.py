"""Names by which annotation files call scans, and what else they tell of people and their machines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import PurePosixPath

IMAGE_SUFFIXES = frozenset((".dcm", ".svs", ".tif", ".tiff", ".jpg", ".jpeg", ".png", ".bmp", ".ndpi", ".mrxs", ".scn"))
TEXT_SUFFIXES = frozenset((".geojson", ".json", ".xml", ".txt", ".csv"))
USER_FOLDER = re.compile(r"[\\/](?:users|home|documents and settings)[\\/]([^\\/]+)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"(?:[A-Za-z]:)?[\\/]|file:")


@dataclass
class Notes:
    """What a file says beside its shapes; found while the shapes are read."""

    images: set[str] = field(default_factory=set)
    """Names of all images that the file is about, also those without a shape."""
    persons: list[str] = field(default_factory=list)
    """Who made the file."""
    paths: list[str] = field(default_factory=list)
    """Paths of the machine that it was made on."""

    def note_path(self, text: str, *, always: bool = False) -> None:
        """Note a path; a relative one only where it is `always` of interest."""
        if text and (always or _ABSOLUTE.match(text)):
            self.paths.append(text)


def last_part(name: str) -> str:
    """The last part of a path of any system, in Unicode's form C."""
    return PurePosixPath(unicodedata.normalize("NFC", name.strip()).replace("\\", "/")).name


def stem(name: str) -> str:
    """The last part of a path without the suffixes of image and annotation files, in Unicode's form C."""
    last = last_part(name)
    for suffixes in (TEXT_SUFFIXES, IMAGE_SUFFIXES):
        path = PurePosixPath(last)
        if path.suffix.lower() in suffixes:
            last = path.stem
    return last


def meant(images: Collection[str], scan: str) -> set[str]:
    """Which of several image names mean the scan: those of the same name, else those of the same stem."""
    same = {image for image in images if last_part(image).casefold() == last_part(scan).casefold()}
    return same or {image for image in images if stem(image).casefold() == stem(scan).casefold()}
