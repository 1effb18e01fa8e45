"""Which shapes of a file can be used: each one that cannot gets its reason; their number and order stay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from jobs.annotations.shape import Shape, shape_problem
from schemas.reasons import Reason

UNKNOWN = (math.inf, math.inf)
Key = tuple[object, ...]


def judged(shapes: Iterable[Shape], size: tuple[int, int] | None = None) -> list[Shape]:
    """The same shapes in pixels, with a reason where they are degenerate, outside, duplicate or unlabelled.

    Args:
        shapes: of one file.
        size: width and height of the scan, in pixels, where they are known.
    """
    found = list(_judged(shapes, size))
    labelled = any(shape.label for shape in found)
    if labelled and not all(shape.label or shape.reason for shape in found):
        found = [shape if shape.label or shape.reason else replace(shape, reason=Reason.UNLABELLED) for shape in found]
    return found


def _judged(shapes: Iterable[Shape], size: tuple[int, int] | None) -> Iterator[Shape]:
    seen: set[Key] = set()
    for shape in shapes:
        if not shape.reason and shape.unit == "fraction":
            shape = scaled(shape, size)
        if not shape.reason:
            problem = shape_problem(shape.kind, shape.coordinates, *(size or UNKNOWN)) or _repeated(shape, seen)
            if problem:
                shape = replace(shape, reason=problem)
        yield shape


def scaled(shape: Shape, size: tuple[int, int] | None) -> Shape:
    """A shape in fractions of its image, in pixels; with a reason where the size is not known."""
    if size is None:
        return replace(shape, reason=Reason.PLACE_UNKNOWN)
    return replace(shape, coordinates=in_pixels(shape.coordinates, *size), unit="px")


def in_pixels(coordinates: Iterable[float], width: float, height: float) -> tuple[float, ...]:
    """x and y in turn, as fractions of an image's width and height, in pixels."""
    return tuple([value * (height if index % 2 else width) for index, value in enumerate(coordinates)])


def repeats(shapes: Iterable[Shape]) -> Iterator[tuple[Shape, bool]]:
    """Each shape, and whether the same one stands before it: alike in all but its id."""
    seen: set[Key] = set()
    for shape in shapes:
        yield shape, not shape.reason and _repeated(shape, seen) is not None


def _repeated(shape: Shape, seen: set[Key]) -> Reason | None:
    key = (shape.coordinates, shape.kind, shape.label, shape.annotator, shape.image, shape.facts.get("round"))
    if key in seen:
        return Reason.DUPLICATE_SHAPE
    seen.add(key)
    return None
