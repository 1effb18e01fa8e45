"""Which shapes of a file can be used: each one that cannot gets its reason; their number and order stay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.annotations.shape import NO_FACTS, Shape, shape_problem
from schemas.reasons import Reason

UNKNOWN = (math.inf, math.inf)
Key = tuple[object, ...]


def judged(
    shapes: Iterable[Shape], size: tuple[int, int] | None = None, classes: Mapping[str, str] = NO_FACTS
) -> list[Shape]:
    """The same shapes in pixels, with a reason where they are degenerate, outside, duplicate or unlabelled.

    Args:
        shapes: of one file.
        size: width and height of the scan, in pixels, where they are known.
        classes: names of labels that are numbers.
    """
    found = list(_judged(list(shapes), size, classes))
    if any(shape.label for shape in found):
        found = [_labelled(shape) for shape in found]
    return found


def _judged(shapes: Sequence[Shape], size: tuple[int, int] | None, classes: Mapping[str, str]) -> Iterator[Shape]:
    seen: set[Key] = set()
    ids: set[str] = set()
    own = {shape.annotation for shape in shapes if shape.annotation != str(shape.position)}
    for shape in shapes:
        changes: dict[str, Any] = {}
        coordinates, reason = shape.coordinates, shape.reason
        if shape.unit == "fraction" and not reason:
            if size is None:
                reason = Reason.PLACE_UNKNOWN
            else:
                coordinates = in_pixels(coordinates, *size)
                changes = {"coordinates": coordinates, "unit": "px"}
        reason = reason or shape_problem(shape.kind, coordinates, *(size or UNKNOWN)) or ""
        reason = reason or (Reason.DUPLICATE_SHAPE if is_repeated(shape, seen) else "")
        if reason != shape.reason:
            changes["reason"] = reason
        if shape.annotation in ids or (shape.annotation in own and shape.annotation == str(shape.position)):
            changes["annotation"] = f"{shape.annotation}#{shape.position}"
        ids.add(changes.get("annotation", shape.annotation))
        if shape.label in classes:
            changes["label"] = classes[shape.label]
        yield replace(shape, **changes) if changes else shape


def _labelled(shape: Shape) -> Shape:
    return shape if shape.label or shape.reason else replace(shape, reason=Reason.UNLABELLED)


def in_pixels(coordinates: Iterable[float], width: float, height: float) -> tuple[float, ...]:
    """x and y in turn, as fractions of an image's width and height, in pixels."""
    return tuple([value * (height if index % 2 else width) for index, value in enumerate(coordinates)])


def is_repeated(shape: Shape, seen: set[Key]) -> bool:
    """Whether a shape like it in all but its id was seen; it is added to those seen."""
    key = (shape.coordinates, shape.kind, shape.label, shape.annotator, shape.image, str(shape.facts.get("round")))
    if key in seen:
        return True
    seen.add(key)
    return False
