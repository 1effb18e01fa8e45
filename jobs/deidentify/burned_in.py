"""Text burned into pixels: is there any? A step of its own, since it decodes what the rewriting only copies.

Lines of strokes that may be writing are found by `jobs.pixels.text_lines`; only these are read, by tesseract, which is
optional. What a line says is used nowhere and goes nowhere: the answer is whether there is writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.deidentify import ocr
from jobs.errors import BadInput
from jobs.pixels.dicom_frames import DicomFrames
from jobs.pixels.open import open_scan
from jobs.pixels.text_lines import text_lines
from jobs.pixels.windows import PIXELS_WHOLE, Levels, seen_whole, windows
from schemas.looks import Look
from schemas.reasons import Reason

LINES_MOST = 64
"""Lines of a window that are read: those of the most marks."""
STRIPS_AT_ONCE = 100
"""tesseract takes a tenth of a second to start, as long as it takes to read ten strips."""
_SURE = {3: 90.0, 4: 80.0, 5: 65.0, 6: 50.0}
"""Least confidence of a word by how many letters and digits it has; of more, that of six. Debris is read as short
words now and then, hardly ever as long ones."""


def look(opened: Callable[[], BinaryIO]) -> Look:
    """Look for text in all levels or frames of an image file, in a part of those that are too large.

    Args:
        opened: opens the file, seekable; called once.

    Raises:
        BadInput: BURNED_IN_TEXT.
    """
    if ocr.program() is None:
        return Look.NOT
    with opened() as file:
        try:
            reader, whole = _reader(file)
            return Look.WHOLE if _seen(reader) and whole else Look.PART
        except ocr.CannotRead:
            return Look.NOT
        except BadInput as problem:
            if problem.reason is Reason.BURNED_IN_TEXT:
                raise
            return Look.NOT


def holds_text(pictures: Iterable[NDArray[np.uint8]]) -> bool:
    """Whether there is writing in one of the pictures (height, width, 3); raises `ocr.CannotRead`."""
    strips: list[Image.Image] = []
    for picture in pictures:
        strips += [strip for line in text_lines(picture)[:LINES_MOST] for strip in line.strips()]
        if len(strips) >= STRIPS_AT_ONCE:
            if _is_read(strips):
                return True
            strips.clear()
    return _is_read(strips)


def _is_read(strips: list[Image.Image]) -> bool:
    return any(is_writing(word) for words in ocr.read_words(strips) for word in words)


def is_writing(word: ocr.Word) -> bool:
    """Whether a word was read so surely that it is one: enough characters, not all alike, few signs between."""
    characters = [character for character in word.text.lower() if character.isalnum()]
    enough = len(characters) >= min(_SURE) and len(characters) >= 0.7 * len(word.text)
    return enough and len(set(characters)) >= 3 and word.confidence >= _SURE[min(len(characters), max(_SURE))]


def _reader(file: BinaryIO) -> tuple[Levels, bool]:
    """A reader, and whether its levels or frames are whole pictures."""
    with suppress(BadInput):
        return open_scan([file]), True
    file.seek(128)
    if file.read(4) != b"DICM":
        raise BadInput(Reason.UNREADABLE)
    frames = DicomFrames(file)
    return frames, not frames.tiled


def _seen(reader: Levels) -> bool:
    """Look through a reader; whether all of it was seen.

    Raises:
        BadInput: BURNED_IN_TEXT, or a tile cannot be decoded.
    """
    numbers = _chosen(reader)
    if holds_text(window for number in numbers for window in windows(reader, number)):
        raise BadInput(Reason.BURNED_IN_TEXT)
    return len(numbers) == len(reader.levels) and all(seen_whole(level) for level in reader.levels)


def _chosen(reader: Levels) -> list[int]:
    """All levels, or of very many frames some, evenly spread."""
    count = len(reader.levels)
    pixels = reader.levels[-1].width * reader.levels[-1].height
    most = max(16, PIXELS_WHOLE // pixels)
    return sorted({round(number) for number in np.linspace(0, count - 1, min(count, most))})
