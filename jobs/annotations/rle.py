"""Run-length masks of COCO: pixels column by column, runs of background and object in turn.

Compressed counts are text: five bits a character from `0` on, the least first, bit 5 says that more follow;
from the third count on, the difference to the count two before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_LONGEST = 12
"""Characters of one count; 60 bits hold every image's size."""


def mask_box(mask: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Bounding box of a mask `{size: [height, width], counts}`, half-open, in pixels.

    Raises:
        ValueError, TypeError, KeyError: the mask is malformed or has no pixel.
    """
    height, width = (int(side) for side in mask["size"])
    counts = mask["counts"]
    runs = counts_of(counts) if isinstance(counts, str) else [int(count) for count in counts]
    if height < 1 or width < 1 or min(runs, default=-1) < 0 or sum(runs) > height * width:
        raise ValueError("no mask")
    return _box(runs, height)


def counts_of(text: str) -> list[int]:
    """Decode compressed counts; ValueError where the text is none."""
    counts: list[int] = []
    value = place = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or place >= 5 * _LONGEST:
            raise ValueError("no counts")
        value |= (bits & 31) << place
        place += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << place
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = place = 0
    if place:
        raise ValueError("counts cut off")
    return counts


def _box(runs: Sequence[int], height: int) -> tuple[float, float, float, float]:
    left: list[int] = []
    right: list[int] = []
    top: list[int] = []
    bottom: list[int] = []
    at = 0
    for index, run in enumerate(runs):
        if index % 2 and run:
            (first, above), (last, below) = divmod(at, height), divmod(at + run - 1, height)
            across = first != last
            left.append(first)
            right.append(last + 1)
            top.append(0 if across else above)
            bottom.append(height if across else below + 1)
        at += run
    if not left:
        raise ValueError("an empty mask")
    return min(left), min(top), max(right), max(bottom)
