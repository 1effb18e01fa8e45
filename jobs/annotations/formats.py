"""Which format an annotation file is of, by its own bytes, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from jobs.annotations import asap, coco, dicom_ann, geojson, table, voc, yolo
from jobs.annotations.dicom_slide import Slide
from jobs.annotations.names import Notes
from jobs.annotations.shape import Shape
from jobs.annotations.text import UTF16, Elements, decode, members, skip
from jobs.annotations.xml import XmlFile
from jobs.errors import BadInput
from schemas.reasons import Reason

HEAD_BYTES = 4096
FindSlide = Callable[[], Slide | None]
"""Gives the headers of the scan; asked only for formats that need them."""


@dataclass
class Drawing:
    """An annotation file that was opened."""

    format: str
    """voc, asap, coco, geojson, yolo, table or dicom."""
    shapes: Iterable[Shape]
    """Its shapes, read while they are taken."""
    notes: Notes = field(default_factory=Notes)
    """What it says beside the shapes; complete when these were taken."""


def open_drawing(stream: BinaryIO, find_slide: FindSlide = lambda: None) -> Drawing:
    """Open an annotation file.

    Raises:
        BadInput: empty, of no known format, or broken before the first shape.
    """
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    if not head:
        raise BadInput(Reason.EMPTY_FILE)
    if head[128:132] == b"DICM":
        return open_dicom(stream, find_slide)
    first = decode(head).lstrip("\ufeff \t\r\n")[:1]
    if first == "<":
        return open_xml(stream)
    if head[:2] not in UTF16 and any(byte < 9 or 13 < byte < 32 for byte in head):
        raise BadInput(Reason.UNKNOWN_FORMAT)
    text = decode(stream.read())
    return open_json(text) if first in ("{", "[") else open_text(text)


def open_xml(stream: BinaryIO) -> Drawing:
    """Open Pascal VOC or ASAP XML.

    Raises:
        BadInput: not well-formed at its start, or of another root.
    """
    file, notes = XmlFile(stream, (voc.OBJECT, asap.ANNOTATION)), Notes()
    if file.root.tag == voc.ROOT:
        return Drawing("voc", voc.read_voc(file, notes), notes)
    if file.root.tag == asap.ROOT:
        return Drawing("asap", asap.read_asap(file), notes)
    raise BadInput(Reason.UNKNOWN_FORMAT)


def open_json(text: str) -> Drawing:
    """Open GeoJSON or COCO.

    Raises:
        BadInput: another kind of JSON, or none.
    """
    found, notes = json_format(text), Notes()
    if found == "geojson":
        return Drawing(found, geojson.read_geojson(text), notes)
    if found == "coco":
        return Drawing(found, coco.read_coco(text, notes), notes)
    raise BadInput(Reason.UNKNOWN_FORMAT)


def json_format(text: str) -> str:
    """`geojson`, `coco`, or empty where the text is other JSON; no more is read than it takes to know.

    Raises:
        BadInput: the text ends too early, or is no JSON.
    """
    start = skip(text)
    if text.startswith("[", start):
        first = next(Elements(text, start), None)
        return "geojson" if geojson.is_feature(first) else "coco" if coco.is_result(first) else ""
    seen = set()
    for name, value in members(text, ("features", *coco.LISTS)):
        if name == "resourceType":
            return ""
        if name == "type" and value in ("FeatureCollection", "Feature"):
            return "geojson"
        if isinstance(value, Elements):
            seen.add(name)
        if "annotations" in seen and len(seen & set(coco.LISTS)) > 1:
            return "coco"
    return ""


def open_text(text: str) -> Drawing:
    """Open YOLO, or a table with a header.

    Raises:
        BadInput: no header names a point or a box.
    """
    if yolo.is_yolo(text):
        return Drawing("yolo", yolo.read_yolo(text))
    if table.layout_of(*table.open_table(text)[:2]) is None:
        raise BadInput(Reason.HEADER_MISSING)
    return Drawing("table", table.read_table(text))


def open_dicom(stream: BinaryIO, find_slide: FindSlide) -> Drawing:
    """Open DICOM annotations.

    Raises:
        BadInput: not readable, or of another SOP class.
    """
    found, notes = dicom_ann.open_ann(stream), Notes()
    return Drawing("dicom", dicom_ann.read_ann(found, notes, find_slide()), notes)
