"""Names by which annotation files call scans, and what else they tell of people and their machines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeVar

IMAGE_SUFFIXES = frozenset((".dcm", ".svs", ".tif", ".tiff", ".jpg", ".jpeg", ".png", ".bmp", ".ndpi", ".mrxs", ".scn"))
TEXT_SUFFIXES = frozenset((".geojson", ".json", ".xml", ".txt", ".csv"))
USER_FOLDER = re.compile(r"[\\/](?:users|home|documents and settings)[\\/]([^\\/]+)", re.IGNORECASE)
_One = TypeVar("_One")
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
    """Which of several image names mean the scan: those of its name, else of its stem, in the folders most like its.

    Args:
        images: as an annotation file writes them, perhaps with folders.
        scan: path of the scan, as much of it as is known.
    """
    same = [image for image in images if last_part(image).casefold() == last_part(scan).casefold()]
    same = same or [image for image in images if stem(image).casefold() == stem(scan).casefold()]
    return set(_best(same, lambda image: _tail(image, scan)))


def nearest(scans: Sequence[str], image: str, drawing: str) -> list[int]:
    """Which of several scans of one stem an annotation means; several where nothing tells them apart.

    Args:
        scans: their paths.
        image: as the annotation writes it, perhaps with folders; empty where it names none.
        drawing: path of the annotation file.

    Returns:
        Positions in `scans`: of those that are named so, and then in the folders written, and then lie nearest.
    """
    left = list(range(len(scans)))
    name = last_part(image).casefold()
    left = [n for n in left if last_part(scans[n]).casefold() == name] or left
    left = _best(left, lambda n: _tail(image, scans[n]))
    return _best(left, lambda n: _common(_folders(scans[n]), _folders(drawing)))


def _best(found: Sequence[_One], score: Callable[[_One], int]) -> list[_One]:
    most = max(map(score, found), default=0)
    return [one for one in found if score(one) == most]


def _tail(one: str, other: str) -> int:
    """How many folders two paths of one file end in alike."""
    return _alike(_folders(one)[::-1], _folders(other)[::-1])


def _common(one: list[str], other: list[str]) -> int:
    """How many folders two paths begin in and end in alike, as `images/train` and `labels/train` do."""
    return _alike(one, other) + _alike(one[::-1], other[::-1])


def _alike(one: list[str], other: list[str]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _folders(path: str) -> list[str]:
    return list(PurePosixPath(unicodedata.normalize("NFC", path.strip()).replace("\\", "/").casefold()).parts[:-1])
