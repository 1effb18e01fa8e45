"""Is a candidate pair the same? Decided by its pixels, from the overviews of both scans."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.frames import Row
from jobs.pixels.digest import luma, luma_thumbnail
from jobs.pixels.encode import decode_png
from jobs.pixels.overlap import ncc, overlap
from jobs.settings import Duplicates

METHOD_VERSION = "1"
THUMBNAIL = 64
"""Side of the square on which whole images are compared, in pixels."""


@dataclass(frozen=True)
class Verdict:
    """What two scans have in common."""

    kind: str
    score: float
    dx: float
    dy: float
    """Shift of b against a, in level-0 pixels."""
    share: float


def compare(a: Row, b: Row, rules: Duplicates) -> Verdict | None:
    """The verdict on two scans, or None where they are different.

    Args:
        a, b: width, height (of the scan), scale, pixel_sha256 and image (PNG) of the overview, kind.
    """
    same_size = (a["width"], a["height"]) == (b["width"], b["height"])
    if same_size and a["pixel_sha256"] == b["pixel_sha256"]:
        return Verdict("exact", 1.0, 0.0, 0.0, 1.0)
    first, second = decode_png(a["image"]), decode_png(b["image"])
    if same_size:
        score = ncc(luma_thumbnail(first, THUMBNAIL), luma_thumbnail(second, THUMBNAIL))
        if score >= RE_ENCODED:
            return Verdict("re-encoded", min(1.0, score), 0.0, 0.0, 1.0)
    if a["kind"] != "field" or b["kind"] != "field" or a["scale"] != b["scale"]:
        return None
    found = overlap(luma(first), luma(second))
    if found.score < rules.correlation or found.share < rules.overlap_share:
        return None
    return Verdict("overlapping", min(1.0, found.score), found.dx / a["scale"], found.dy / a["scale"], found.share)


RE_ENCODED = 0.99
"""Another encoding changes a thumbnail's luma by less than this correlation shows; another field by far more."""
