"""Words on strips of pixels, read by Debian's `tesseract`, which is optional: a program beside us, not a library."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from PIL import Image

_SECONDS_MOST = 120
_ONE_LINE = "7"
"""Page segmentation: the picture is one line of text."""
_WORD = "5"
"""Level of a row of tesseract's table that holds a word."""


class CannotRead(Exception):
    """tesseract failed; nothing is known of the strips."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word on a strip."""

    text: str
    confidence: float
    """0 to 100."""


@cache
def program() -> str | None:
    """Path of the tesseract command, None where it is not installed."""
    return shutil.which("tesseract")


def read_words(strips: Sequence[Image.Image]) -> list[list[Word]]:
    """The words of each strip, one line of dark writing on white ground; all strips in one call, in memory.

    Raises:
        CannotRead: tesseract is not there or fails.
    """
    if not strips:
        return []
    pages = BytesIO()
    strips[0].save(pages, "TIFF", save_all=True, append_images=strips[1:], dpi=(300, 300))
    command = [program() or "tesseract", "stdin", "stdout", "--psm", _ONE_LINE, "-l", "eng", "tsv"]
    try:
        done = subprocess.run(
            command, input=pages.getvalue(), capture_output=True, check=True, timeout=_SECONDS_MOST,
            env={"OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        raise CannotRead from None
    words: list[list[Word]] = [[] for _ in strips]
    for row in done.stdout.decode("utf-8", "replace").splitlines():
        cells = row.split("\t")
        if cells[0] == _WORD and len(cells) == 12:
            words[int(cells[1]) - 1].append(Word(cells[11], float(cells[10])))
    return words
