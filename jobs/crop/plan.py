"""Where the crops of a scan lie, and which of its annotations get none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.annotations import Shape
from jobs.errors import UsageError
from jobs.pixels.crop import WHITE, Ints, Pad
from jobs.pixels.reader import PIXELS_MOST, Level, Mpp
from schemas.reasons import Reason

PRESETS = {"munich": 250, "mll23": 288}
"""Side of the crops of published sets: Munich AML Morphology (250) and MLL23 (288)."""
CONTEXT = "context"
"""Folder of the wider crops."""
Bools = NDArray[np.bool_]
_STILL_CUT = frozenset({Reason.DUPLICATE_SHAPE, Reason.UNLABELLED, Reason.LABEL_UNKNOWN})
"""What makes a label useless but not the place: these are cut, and the reason is noted."""
_DIGITS = 6
"""Of a corner, behind the point, before it is brought to whole pixels."""
_EDGE = "The crop would reach beyond the scan's edge."


@dataclass(frozen=True)
class Options:
    """How crops are cut."""

    size: int = 250
    """Side of a crop as it is written, in pixels."""
    border: str = "pad"
    """What becomes of a crop that reaches beyond the scan: `pad`, `shift` or `skip`."""
    format: str = "png"
    """`png` or `jxl`, both lossless, or `jpeg` of quality 95 without subsampling."""
    pad: Pad = WHITE
    """Colour (red, green, blue) of what lies outside the scan."""
    mpp: float | None = None
    """µm per pixel of the crops; None: as the scan, not resampled."""
    scan_mpp: float | None = None
    """µm per pixel of the scan, instead of what its file says."""
    context: int = 0
    """Side of a second, wider crop of each cell, in pixels; 0: none."""
    focal_plane: float | None = None
    """µm, of a DICOM scan; the nearest is shown. None: the middle one."""
    optical_path: str | None = None
    """Identifier, of a DICOM scan. None: the first."""
    jobs: int = 0
    """Processes; 0: one a core."""


@dataclass
class Plan:
    """What is to be cut, and what has become of it: one entry an annotation in each list."""

    windows: Ints
    """(n, 4): x, y, width and height in level-0 pixels."""
    status: list[str]
    reasons: list[str]
    names: list[str]
    """File that is or would be written, relative to the output folder."""
    wanted: list[bool]
    """Whether it is to be cut."""
    known: list[bool]
    """Whether the annotation has a place; a window without one lies nowhere."""


def sides(options: Options, mpp: Mpp | None, missing: str | None) -> tuple[int, int]:
    """Width and height of a crop in level-0 pixels.

    Raises:
        UsageError: crops are asked for in µm, and the scan has no size of a pixel.
    """
    if options.mpp is None:
        return options.size, options.size
    if mpp is None:
        raise UsageError(f"the scan has no µm per pixel ({missing}): say --scan-mpp, or leave --mpp out.")
    across, down = options.size * options.mpp / mpp.x, options.size * options.mpp / mpp.y
    if not min(across, down) >= 1 or across * down > PIXELS_MOST:
        raise UsageError("a crop of --size at --mpp would be of no pixel of the scan, or of too many.")
    return round(across), round(down)


@dataclass(frozen=True)
class Places:
    """Where crops of one size lie, an entry each."""

    windows: Ints
    """(n, 4): x, y, width and height in level-0 pixels."""
    known: Bools
    """Whether the centre is a number; a window around none lies at 0."""
    moved: Bools
    """Whether the policy `shift` moves it; it is moved in `windows` under that policy only."""
    crosses: Bools
    """Whether the window reaches beyond the scan."""


def places(centers: NDArray[np.floating], side: tuple[int, int], level: Level, border: str) -> Places:
    """Where the crops around centres (n, 2) lie under a border policy.

    Args:
        centers: x and y in level-0 pixels; a crop's corner is floor(centre - side / 2).
        side: width and height of a crop in level-0 pixels.
        level: level 0 of the scan.
        border: `pad`, `shift` or `skip`.
    """
    known: Bools = np.all(np.abs(np.nan_to_num(centers, nan=np.inf)) < 2**40, axis=1)
    # Millimetres that were brought to pixels miss a whole number by the last digits of a float.
    exact = np.round(np.where(known[:, None], centers, 0) - np.array(side) / 2, _DIGITS)
    corners = np.floor(exact).astype(np.int64)
    room = np.array([level.width, level.height]) - np.array(side)
    shifted = np.clip(corners, np.minimum(room, 0), np.maximum(room, 0))
    moved: Bools = np.any(shifted != corners, axis=1)
    if border == "shift":
        corners = shifted
    crosses: Bools = np.any((corners < 0) | (corners > room), axis=1)
    return Places(np.hstack([corners, np.broadcast_to(side, corners.shape)]), known, moved, crosses)


def plan(
    shapes: Sequence[Shape],
    side: tuple[int, int],
    level: Level,
    options: Options,
    problem: str = "",
    folder: str = "",
) -> Plan:
    """Where each crop lies, and which of them are not to be cut.

    Args:
        shapes: all annotations.
        side: width and height of a crop in level-0 pixels.
        level: level 0 of the scan.
        options: how.
        problem: why no crop can be cut at all.
        folder: of the crops, below the output folder.
    """
    boxes = np.array([shape.box for shape in shapes], dtype=np.float64).reshape(len(shapes), 4)
    lie = places(boxes[:, :2] / 2 + boxes[:, 2:] / 2, side, level, options.border)
    found = Plan(lie.windows, [], [], [], [], lie.known.tolist())
    prefix = f"{folder}/" if folder else ""
    for index, shape in enumerate(shapes):
        known, moved, crosses = bool(lie.known[index]), bool(lie.moved[index]), bool(lie.crosses[index])
        status, reason = _planned(shape, known, moved, crosses, options)
        if problem:
            status, reason = "failed", problem
        found.status.append(status)
        found.reasons.append(reason)
        found.names.append(f"{prefix}{index:06d}.{options.format}")
        found.wanted.append(status not in ("skipped", "failed"))
    return found


def _planned(shape: Shape, known: bool, moved: bool, crosses: bool, options: Options) -> tuple[str, str]:
    """Status and reason of one annotation, if nothing goes wrong."""
    if not known or (shape.reason and shape.reason not in _STILL_CUT):
        return "failed", Reason(shape.reason or Reason.MALFORMED_RECORD).sentence
    note = Reason(shape.reason).sentence if shape.reason else ""
    if crosses and options.border == "skip":
        return "skipped", _EDGE
    if crosses:
        return "padded", note
    return "shifted" if moved and options.border == "shift" else "written", note
