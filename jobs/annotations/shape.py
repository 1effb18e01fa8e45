"""One shape that an examiner drew, in level-0 pixels, and the rules of when it cannot be used."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from schemas.reasons import Reason

Box = tuple[float, float, float, float]

LEAST_SIDE = 1.0
"""A box or polygon that is no wider or no higher than this, in pixels, has no area.

Pascal VOC counts the last pixel as inside, so a click without a drag (xmin = xmax) comes as a box of one
pixel; corners in the wrong order come as a side of zero or less. No cell is one pixel wide.
"""
NO_FACTS: Mapping[str, Any] = {}
_NUMERIC = frozenset({float, int, str})
_NOWHERE: Box = (math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of an annotation file."""

    annotation: str
    """Its id in the file, else its position; an id that stood before has its position behind it."""
    kind: str
    """`point`, `box` (x0, y0, x1, y1, half-open), `polygon` (not closed twice), or `line`, which has no area."""
    coordinates: tuple[float, ...]
    """x and y in turn: level-0 pixels from the first pixel's corner; empty where the file's cannot be read."""
    label: str = ""
    """The class as written; empty where none is."""
    annotator: str = ""
    """Who drew it, where the file says so."""
    image: str = ""
    """Name of the image as the file states it; empty where it states none."""
    reason: str = ""
    """Why it cannot be used, a value of `schemas.reasons.Reason`; empty where it can."""
    position: int = 0
    """Position in the file, from 0; the parts of a multipoint count one each."""
    unit: str = "px"
    """`px`; or `fraction` of the scan's width and height, where its size is not known."""
    facts: Mapping[str, Any] = field(default_factory=lambda: NO_FACTS, compare=False)
    """What else the file says of it: `confidence`, `round`, `annotated_at`, `annotator_kind`, as written."""

    @property
    def box(self) -> Box:
        """Least x, least y, largest x, largest y, in pixels; four NaN where there are no coordinates."""
        return bounds(self.coordinates) if self.coordinates else _NOWHERE


def malformed(position: int, image: str = "", reason: Reason = Reason.MALFORMED_RECORD, own: str = "") -> Shape:
    """A shape of which nothing but perhaps its own id can be read: it is counted, with its reason."""
    return Shape(own or str(position), "", (), image=image, reason=reason, position=position)


def number(value: object) -> float:
    """A finite number; ValueError or TypeError where it is none."""
    if value is None or isinstance(value, bool):
        raise ValueError("no number")
    try:
        result = float(cast(Any, value))
    except OverflowError:
        raise ValueError("too large") from None
    if not math.isfinite(result):
        raise ValueError("not finite")
    return result


def numbers(values: Sequence[object]) -> list[float]:
    """Many finite numbers at once; raises as `number`."""
    if {type(value) for value in values} <= _NUMERIC:
        try:
            found = list(map(float, cast(Sequence[Any], values)))
        except OverflowError:
            raise ValueError("too large") from None
        if not all(map(math.isfinite, found)):
            raise ValueError("not finite")
        return found
    return [number(value) for value in values]


def words(value: object) -> str:
    """What was written as a label, name or id: without blanks around it and without halves of characters."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # some tools write ids and classes as 1.0
    return sys.intern(str(value).encode("utf-8", "replace").decode().strip())


def bounds(coordinates: Sequence[float]) -> Box:
    """Least x, least y, largest x, largest y of x and y in turn."""
    x, y = coordinates[0::2], coordinates[1::2]
    return min(x), min(y), max(x), max(y)


def center(coordinates: Sequence[float]) -> tuple[float, float]:
    """Centre of the bounding box, in pixels."""
    x0, y0, x1, y1 = bounds(coordinates)
    return (x0 + x1) / 2, (y0 + y1) / 2


def area(ring: Sequence[float]) -> float:
    """Area of a polygon of x and y in turn, in square pixels (Gauss's formula)."""
    x, y = ring[0::2], ring[1::2]
    return abs(sum(x[i - 1] * y[i] - x[i] * y[i - 1] for i in range(len(x)))) / 2


def ring_of(points: Sequence[float]) -> tuple[float, ...]:
    """A ring of x and y in turn without the repetition of its first point."""
    closed = len(points) >= 4 and points[0] == points[-2] and points[1] == points[-1]
    return tuple(points[:-2] if closed else points)


def rectangle(corners: Sequence[float]) -> tuple[str, tuple[float, ...]]:
    """A rectangle of four corners: a box where its sides lie along the axes, else a polygon."""
    x0, y0, x1, y1 = bounds(corners)
    pairs = set(zip(corners[0::2], corners[1::2], strict=True))
    upright = pairs == {(x0, y0), (x1, y0), (x1, y1), (x0, y1)}
    return ("box", (x0, y0, x1, y1)) if upright else ("polygon", tuple(corners))


def shape_problem(geometry_type: str, coordinates: Sequence[float], width: float, height: float) -> Reason | None:
    """Why a shape cannot be used on a scan, or None.

    Args:
        geometry_type: `point`, `box` (x0, y0, x1, y1, half-open), `polygon` or `line`.
        coordinates: x and y in turn, in level-0 pixels.
        width: of the scan, in pixels; infinite where it is not known.
        height: of the scan, in pixels.
    """
    if geometry_type != "point" and not _has_area(geometry_type, coordinates):
        return Reason.BOX_WITHOUT_AREA
    x, y = center(coordinates)
    return None if 0 <= x < width and 0 <= y < height else Reason.OUTSIDE_SCAN


def _has_area(geometry_type: str, coordinates: Sequence[float]) -> bool:
    if geometry_type == "box":
        x0, y0, x1, y1 = coordinates
        return x1 - x0 > LEAST_SIDE and y1 - y0 > LEAST_SIDE
    if geometry_type != "polygon" or len(coordinates) < 6:
        return False
    x0, y0, x1, y1 = bounds(coordinates)
    return x1 - x0 > LEAST_SIDE and y1 - y0 > LEAST_SIDE and not _is_straight(coordinates)


def _is_straight(ring: Sequence[float]) -> bool:
    """Whether all points lie on one line; a ring that crosses itself may have no area without that."""
    points = list(zip(ring[0::2], ring[1::2], strict=True))
    x, y = points[0]
    dx, dy = next(((a - x, b - y) for a, b in points if (a, b) != (x, y)), (0.0, 0.0))
    return all(dx * (b - y) == dy * (a - x) for a, b in points)
