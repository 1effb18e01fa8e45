"""GeoJSON (RFC 7946) as QuPath writes it: continuous level-0 pixels from the first pixel's corner; kept.

Of a polygon the outer ring is taken: holes change neither box nor centre. A MultiPolygon is its largest part, or the
box of all parts where that is larger: the centre is that of the whole. Ellipses come as the polygons that QuPath
makes of them. The image is the one that the file is named like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobs.annotations.shape import NO_FACTS, Shape, area, bounds, malformed, numbers, ring_of, words
from jobs.annotations.text import Elements, bare_list, json_value, members, skip
from jobs.errors import BadInput
from schemas.reasons import Reason

Drawn = tuple[str, tuple[float, ...]]
"""Kind and coordinates."""

_CLASS_KEYS = ("classification", "label", "class", "category")
_ANNOTATOR_KEYS = ("examiner", "annotator")
_FACT_KEYS = ("confidence", "round", "annotated_at", "annotator_kind")
_TYPE_AS_ID = re.compile(r"Path\w*Object")
"""Before version 0.4, QuPath wrote the type of an object where its id belongs."""


def is_feature(value: object) -> bool:
    """Whether a JSON value is a feature."""
    return isinstance(value, dict) and value.get("type") == "Feature"


def read_geojson(text: str) -> Iterator[Shape]:
    """The shapes of a collection, a feature, or QuPath's bare list.

    Raises:
        BadInput: the text ends too early, or is no JSON.
    """
    position = 0
    for feature in _features(text):
        for shape in feature_shapes(feature, position):
            yield shape
            position += 1


def _features(text: str) -> Iterator[Any]:
    listed = bare_list(text)
    if listed is not None:
        yield from listed
        return
    lone = collection = has_list = False
    for name, value in members(text, ("features",)):
        lone = lone or (name, value) == ("type", "Feature")
        collection = collection or (name, value) == ("type", "FeatureCollection")
        if isinstance(value, Elements):
            has_list = True
            yield from value
    if collection and not has_list:
        raise BadInput(Reason.UNREADABLE)
    if lone:
        yield json_value(text, skip(text))[0]


def feature_shapes(feature: Any, position: int) -> Iterable[Shape]:
    """The shapes of one feature; one that cannot be read is a shape with a reason."""
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    try:
        drawn = _drawn(geometry)
    except (TypeError, ValueError, IndexError, KeyError, RecursionError):
        return [malformed(position, own=_own_id(feature))]
    label, annotator, facts = _said(feature)
    own = _own_id(feature)
    several = len(drawn) > 1
    return [
        Shape(
            (f"{own}.{part}" if several else own) if own else str(position + part),
            kind, coordinates, label, annotator, position=position + part, facts=facts,
        )
        for part, (kind, coordinates) in enumerate(drawn)
    ]  # fmt: skip


def _own_id(feature: Any) -> str:
    own = words(feature.get("id")) if isinstance(feature, dict) else ""
    return "" if _TYPE_AS_ID.fullmatch(own) else own


def _drawn(geometry: Any) -> list[Drawn]:
    if not isinstance(geometry, dict):
        raise ValueError("no geometry")
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        return _collected([part for each in geometry["geometries"] for part in _drawn(each)])
    points = geometry["coordinates"]
    if not points:
        raise ValueError("no coordinates")
    if kind == "Point":
        return [("point", _flat([points]))]
    if kind == "MultiPoint":
        return [("point", _flat([point])) for point in points]
    if kind == "Polygon":
        return [("polygon", _ring(points[0]))]
    if kind == "MultiPolygon":
        return [_whole([_ring(part[0]) for part in points])]
    if kind == "LineString":
        flat = _flat(points)
        closed = len(flat) >= 8 and flat[:2] == flat[-2:]
        return [("polygon", ring_of(flat)) if closed else ("line", flat)]
    if kind == "MultiLineString":
        return [("line", tuple(value for part in points for value in _flat(part)))]
    raise ValueError("unknown geometry")


def _whole(rings: list[tuple[float, ...]]) -> Drawn:
    """One shape of several parts: the largest, unless another reaches beyond its box."""
    largest = max(rings, key=area)
    box = bounds([value for ring in rings for value in ring])
    return ("polygon", largest) if bounds(largest) == box else ("box", box)


def _collected(parts: list[Drawn]) -> list[Drawn]:
    """A collection is one shape where anything in it has an area; else its points, or its lines."""
    areas = [bounds(coordinates) for kind, coordinates in parts if kind in ("polygon", "box")]
    if len(areas) == 1:
        return [part for part in parts if part[0] in ("polygon", "box")]
    if areas:
        return [("box", bounds([value for box in areas for value in box]))]
    if not parts:
        raise ValueError("an empty collection")
    return [part for part in parts if part[0] == "point"] or parts


def _flat(points: Sequence[Sequence[float]]) -> tuple[float, ...]:
    if isinstance(points[0], str):
        raise TypeError("text is no point")
    return tuple(numbers([value for x, y, *_ in points for value in (x, y)]))


def _ring(points: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return ring_of(_flat(points))


def _said(feature: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    """Label, annotator and other facts; `metadata` is where QuPath keeps what users add."""
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    metadata = properties.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    label = next((found for key in _CLASS_KEYS if (found := _class_name(properties.get(key)))), "")
    annotator = next((found for key in _ANNOTATOR_KEYS if (found := words(metadata.get(key)))), "")
    facts = {key: metadata[key] for key in _FACT_KEYS if key in metadata}
    return label, annotator, facts or NO_FACTS


def _class_name(value: Any) -> str:
    """A class by name; one derived from others comes as their list, which QuPath shows with colons between."""
    if isinstance(value, dict):
        names = value.get("names")
        value = value.get("name") or (": ".join(map(words, names)) if isinstance(names, list) else None)
    return words(value)
