"""Examiners' shapes of one landing file as rows of `restricted.shapes`: `jobs.annotations` reads, this keeps.

What an annotation file says of people and of their machines becomes identifiers for the rescan. Shapes without
area, outside their scan or drawn twice are held back at de-identification, where the scan is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO

from jobs.annotations.formats import Drawing, open_dicom, open_json, open_text, open_xml
from jobs.annotations.names import USER_FOLDER, Notes, stem
from jobs.annotations.shape import Shape, number
from jobs.annotations.table import layout_of
from jobs.errors import BadInput
from jobs.ingest.content import Content, Place, parse_time
from jobs.settings import Points, Source
from schemas.reasons import Reason

MEDIA_TYPES = {"geojson": "application/geo+json", "table": "text/csv", "yolo": "text/plain"}
"""Media types that say more than the family of the format does."""


def read_drawing(content: Content, place: Place, drawing: Drawing, source: Source) -> None:
    """Keep the shapes of an open annotation file; a shape that names no image belongs to the scan of its name.

    Raises:
        BadInput: the file turns out to be broken.
    """
    content.role = "annotations"
    content.media_type = MEDIA_TYPES.get(drawing.format, content.media_type)
    for shape in drawing.shapes:
        reason = shape.reason or (Reason.BOX_WITHOUT_AREA if shape.kind == "line" else "")
        if reason:
            content.hold(Reason(reason), shape.position)
        else:
            _add(content, stem(shape.image) or place.stem, shape, source)
    _identify(content, drawing.notes)


def _identify(content: Content, notes: Notes) -> None:
    """Add who made the file, and on what machine."""
    for person in notes.persons:
        content.identify_name(person)
    for path in notes.paths:
        for user in USER_FOLDER.findall(path):
            content.identify("user", user)
        content.identify("file_path", path)


def read_xml(content: Content, place: Place, data: bytes, source: Source) -> None:
    """Read Pascal VOC or ASAP XML.

    Raises:
        BadInput: not well-formed, cut off, or of another root.
    """
    read_drawing(content, place, open_xml(BytesIO(data)), source)


def read_dicom(content: Content, place: Place, stream: BinaryIO, source: Source) -> None:
    """Read DICOM annotations; those in millimetres or in pixels of a frame have no place without their scan.

    Raises:
        BadInput: not readable.
    """
    stream.seek(0)
    read_drawing(content, place, open_dicom(stream), source)


def read_json(content: Content, place: Place, text: str, source: Source) -> None:
    """Read GeoJSON or COCO.

    Raises:
        BadInput: the text ends too early, or is no JSON.
    """
    read_drawing(content, place, open_json(text), source)


def read_text(content: Content, place: Place, text: str, source: Source) -> None:
    """Read YOLO, or a table of points or boxes with a header.

    Raises:
        BadInput: it is neither.
    """
    try:
        drawing = open_text(text)
    except BadInput:
        raise BadInput(Reason.UNKNOWN_FORMAT) from None
    read_drawing(content, place, drawing, source)


def is_shape_table(header: list[str]) -> bool:
    """Whether a table's columns name a scan and a point or box."""
    layout = layout_of(header)
    return layout is not None and layout.image is not None


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
            point = (number(row["x"]), number(row["y"]))
        except (ValueError, KeyError):
            content.hold(Reason.MALFORMED_RECORD, position)
            continue
        label, examiner = row.get("label", ""), row.get("examiner", "")
        shape = Shape(str(position), "point", point, label, examiner, position=position)
        _add(content, place.stem, shape, source)


def _add(content: Content, scan: str, shape: Shape, source: Source) -> None:
    """Add one shape, or hold it where what is said about it cannot be."""
    try:
        said = _said(shape.facts)
    except (ValueError, TypeError, OverflowError):
        return content.hold(Reason.MALFORMED_RECORD, shape.position)
    content.identify_name(shape.annotator)
    content.shapes.append(
        {
            "position": shape.position,
            "scan_name": scan,
            "image": shape.image or None,
            "geometry_type": shape.kind,
            "coordinates": list(shape.coordinates),
            "unit": shape.unit,
            "label_raw": shape.label or None,
            "examiner": shape.annotator or source.examiner,
            **said,
        }
    )


def _said(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What kind of annotator it was, in which round, how sure and when; ValueError where that cannot be."""
    stated = facts.get("confidence")
    confidence = None if stated in (None, "") else number(stated)
    turn = 1 if facts.get("round") in (None, "") else int(facts["round"])
    if turn < 1 or (confidence is not None and not 0 <= confidence <= 1):
        raise ValueError("out of range")
    return {
        "annotator_kind": "model" if facts.get("annotator_kind") == "model" else "human",
        "round": turn,
        "confidence": confidence,
        "annotated_at": parse_time(facts.get("annotated_at")),
    }
