"""ASAP XML: continuous level-0 pixels from the first pixel's corner; kept. The label is the name of the group.

A spline is given by its control points, between which it may swell by a little; these points are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from jobs.annotations.shape import Shape, malformed, numbers, rectangle, ring_of, words
from jobs.annotations.xml import XmlFile

ROOT, ANNOTATION = "ASAP_Annotations", "Annotation"
NO_GROUP = "None"


def read_asap(file: XmlFile) -> Iterator[Shape]:
    """The shapes of a file; a point set is one shape a point.

    Raises:
        BadInput: not well-formed, or cut off.
    """
    position = 0
    for item in file.elements():
        for shape in _shapes(item, position):
            yield shape
            position += 1


def _shapes(item: Element, position: int) -> list[Shape]:
    group = words(item.get("PartOfGroup"))
    label = "" if group == NO_GROUP else group
    try:
        drawn = _drawn(item.get("Type"), _points(item))
    except (ValueError, TypeError):
        return [malformed(position)]
    return [
        Shape(str(position + part), kind, coordinates, label, position=position + part)
        for part, (kind, coordinates) in enumerate(drawn)
    ]


def _points(item: Element) -> list[float]:
    """x and y in turn, in the order that the file states."""
    found = item.findall("Coordinates/Coordinate")
    orders = [int(each.get("Order") or place) for place, each in enumerate(found)]
    if orders != sorted(orders):
        found = [each for _, each in sorted(zip(orders, found, strict=True), key=lambda pair: pair[0])]
    if not found:
        raise ValueError("no coordinates")
    texts = [each.get(axis) or "" for each in found for axis in ("X", "Y")]
    # ASAP writes a decimal comma where the system's language does.
    return numbers([text.replace(",", ".") for text in texts])


def _drawn(kind: str | None, points: Sequence[float]) -> list[tuple[str, tuple[float, ...]]]:
    if kind in ("Dot", "PointSet"):
        return [("point", (x, y)) for x, y in zip(points[0::2], points[1::2], strict=True)]
    if kind == "Rectangle" and len(points) == 8:
        return [rectangle(points)]
    if kind in ("Polygon", "Spline", "Rectangle"):
        return [("polygon", ring_of(points))]
    if kind == "Measurement":
        return [("line", tuple(points))]
    raise ValueError("unknown type")
