"""Examiners' shapes out of GeoJSON, Pascal VOC and tables, in level-0 pixels from the first pixel's corner.

Each format states its own convention:
- GeoJSON (RFC 7946 as QuPath writes it): continuous pixels, origin at the first pixel's corner; kept.
- Pascal VOC (2012 devkit): the first pixel is 1, and the last is inside; x0 = xmin - 1, x1 = xmax. A box
  whose corners are one and the same pixel (a click without a drag) so comes out one pixel wide and high.
- tables and text files: continuous pixels, a box half-open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from xml.etree.ElementTree import ParseError

from defusedxml import ElementTree

from jobs.errors import BadInput
from jobs.ingest.content import Content, Place, parse_time, stem
from jobs.settings import Points, Source
from schemas.reasons import Reason

if TYPE_CHECKING:
    from jobs.ingest.records import Row

IMAGE_COLUMNS = ("image", "filename", "image_name", "scan")
BOX = ("xmin", "ymin", "xmax", "ymax")
_USER_FOLDER = re.compile(r"[\\/](?:users|home|documents and settings)[\\/]([^\\/]+)", re.IGNORECASE)


def features_of(value: object) -> list[Any] | None:
    """The features of parsed GeoJSON (a collection, a feature, or QuPath's bare list); None if it is none."""
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        features = value.get("features")
        return features if isinstance(features, list) else []
    if isinstance(value, dict) and value.get("type") == "Feature":
        return [value]
    if isinstance(value, list) and value and all(_is_feature(item) for item in value):
        return value
    return None


def _is_feature(value: object) -> bool:
    return isinstance(value, dict) and value.get("type") == "Feature"


def read_geojson(content: Content, place: Place, features: Sequence[Any], source: Source) -> None:
    """Read features; the scan is the one that the file is named like.

    A position is the feature's index; only behind a MultiPoint, which is one shape a point, it is more.
    """
    content.media_type, content.role = "application/geo+json", "annotations"
    position = 0
    for feature in features:
        try:
            shapes, facts = _feature_shapes(feature), _feature_facts(feature)
        except BadInput as bad:
            content.hold(bad.reason, position)
            position += 1
            continue
        for kind, coordinates in shapes:
            _add(content, position, place.stem, kind, coordinates, facts, source)
            position += 1


def _feature_shapes(feature: Any) -> list[tuple[str, list[float]]]:
    """The shapes of a feature: of a MultiPolygon the largest part, without holes. Open lines have no area."""
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if not isinstance(geometry, dict) or not geometry.get("coordinates"):
        raise BadInput(Reason.MALFORMED_RECORD)
    kind, points = geometry.get("type"), geometry["coordinates"]
    try:
        if kind == "Point":
            return [("point", _flat([points]))]
        if kind == "MultiPoint":
            return [("point", _flat([point])) for point in points]
        if kind == "Polygon":
            return [("polygon", _ring(points[0]))]
        if kind == "MultiPolygon":
            return [("polygon", max((_ring(part[0]) for part in points), key=area))]
        if kind == "LineString":
            return [("polygon", _closed(points))]
    except (TypeError, ValueError, IndexError, KeyError):
        pass
    raise BadInput(Reason.MALFORMED_RECORD)


def _flat(points: Sequence[Sequence[float]]) -> list[float]:
    return [number(value) for point in points for value in (point[0], point[1])]


def _ring(points: Sequence[Sequence[float]]) -> list[float]:
    """A ring without the repetition of its first point."""
    flat = _flat(points)
    if len(flat) >= 4 and flat[:2] == flat[-2:]:
        flat = flat[:-2]
    if not flat:
        raise BadInput(Reason.MALFORMED_RECORD)
    return flat


def _closed(points: Sequence[Sequence[float]]) -> list[float]:
    if len(points) < 4 or points[0][:2] != points[-1][:2]:
        raise BadInput(Reason.BOX_WITHOUT_AREA)
    return _ring(points)


def area(ring: Sequence[float]) -> float:
    """Area of a polygon of x and y in turn, in square pixels (Gauss's formula)."""
    x, y = ring[0::2], ring[1::2]
    return abs(sum(x[i - 1] * y[i] - x[i] * y[i - 1] for i in range(len(x)))) / 2


def _feature_facts(feature: Mapping[str, Any]) -> dict[str, Any]:
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    classification = properties.get("classification")
    label = classification.get("name") if isinstance(classification, dict) else classification
    metadata = properties.get("metadata")
    return {**(metadata if isinstance(metadata, dict) else {}), "label": label}


def read_voc(content: Content, place: Place, data: bytes, source: Source) -> None:
    """Read a Pascal VOC file; the scan is the one that `filename` names, else that of the file's own name.

    Raises:
        BadInput: not well-formed, cut off, or of another root than `annotation`.
    """
    try:
        root = ElementTree.fromstring(data)
    except ParseError as error:
        # expat: 3 no element found, 5 unclosed token; both say that the text ended too early
        raise BadInput(Reason.TRUNCATED if error.code in (3, 5) else Reason.UNREADABLE) from None
    if root.tag != "annotation":
        raise BadInput(Reason.UNKNOWN_FORMAT)
    content.role = "annotations"
    path = (root.findtext("path") or "").strip()
    for user in _USER_FOLDER.findall(path):
        content.identify("user", user)
    if path:
        content.identify("file_path", path)
    scan = stem(root.findtext("filename") or "") or place.stem
    facts = {
        "examiner": root.findtext("source/annotation"),
        "annotated_at": root.findtext("annotated_at"),
        "round": root.findtext("round"),
    }
    for position, item in enumerate(root.findall("object")):
        try:
            xmin, ymin, xmax, ymax = (number(item.findtext(f"bndbox/{side}")) for side in BOX)
        except ValueError:
            content.hold(Reason.MALFORMED_RECORD, position)
            continue
        box = [xmin - 1, ymin - 1, xmax, ymax]
        _add(content, position, scan, "box", box, {**facts, "label": item.findtext("name")}, source)


def is_shape_table(header: Sequence[str]) -> bool:
    """Whether a CSV's columns name a scan and a point or box."""
    names = set(header)
    return bool(names & set(IMAGE_COLUMNS)) and (names >= {"x", "y"} or names >= set(BOX))


def read_table(content: Content, header: Sequence[str], rows: Iterable[Row], source: Source) -> None:
    """Read points or boxes from a CSV with a header; each row names its scan."""
    content.role = "annotations"
    image = next(name for name in IMAGE_COLUMNS if name in header)
    kind, columns = ("box", BOX) if set(header) >= set(BOX) else ("point", ("x", "y"))
    for position, row in rows:
        try:
            if row is None or not row[image]:
                raise ValueError
            coordinates = [number(row[column]) for column in columns]
        except ValueError:
            content.hold(Reason.MALFORMED_RECORD, position)
            continue
        _add(content, position, stem(row[image]), kind, coordinates, row, source)


def is_points_file(place: Place, source: Source) -> bool:
    """Whether the source writes points without a header, and this file lies where it writes them."""
    if source.points is None or (place.path.lower().endswith(".csv") and not source.points.folder):
        return False
    folder = source.points.folder.strip("/")
    return place.inside.startswith(f"{folder}/") if folder else place.inside.lower().endswith(".txt")


def read_points(content: Content, place: Place, text: str, source: Source) -> None:
    """Read points from a text file without a header; a position is the line's index."""
    content.role = "annotations"
    layout = source.points or Points(folder="")
    for position, line in enumerate(text.splitlines()):
        if not line.strip():
            continue
        fields = line.split(layout.delimiter) if layout.delimiter.strip() else line.split()
        row = dict(zip(layout.columns, (field.strip() for field in fields), strict=False))
        try:
            if len(row) != len(layout.columns):
                raise ValueError
            coordinates = [number(row["x"]), number(row["y"])]
        except (ValueError, KeyError):
            content.hold(Reason.MALFORMED_RECORD, position)
            continue
        _add(content, position, place.stem, "point", coordinates, row, source)


def number(value: object) -> float:
    """A finite number; ValueError or TypeError where it is none."""
    if value is None or isinstance(value, bool):
        raise ValueError("no number")
    result = float(cast(Any, value))
    if not math.isfinite(result):
        raise ValueError("not finite")
    return result


def _add(
    content: Content,
    position: int,
    scan: str,
    kind: str,
    coordinates: list[float],
    facts: Mapping[str, Any],
    source: Source,
) -> None:
    """Add one shape, or hold it where what is said about it cannot be."""
    try:
        stated = facts.get("confidence")
        confidence = None if stated in (None, "") else number(stated)
        turn = 1 if facts.get("round") in (None, "") else int(facts["round"])
        if turn < 1 or (confidence is not None and not 0 <= confidence <= 1):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        return content.hold(Reason.MALFORMED_RECORD, position)
    examiner = str(facts.get("examiner") or "").strip()
    content.identify_name(examiner)
    label = facts.get("label")
    content.shapes.append(
        {
            "position": position,
            "scan_name": scan,
            "geometry_type": kind,
            "coordinates": coordinates,
            "label_raw": str(label).strip() or None if label is not None else None,
            "examiner": examiner or source.examiner,
            "annotator_kind": "model" if facts.get("annotator_kind") == "model" else "human",
            "round": turn,
            "confidence": confidence,
            "annotated_at": parse_time(facts.get("annotated_at")),
        }
    )
