"""Microscopy Bulk Simple Annotations (DICOM PS3.3 A.87, C.37.1): groups of shapes of one kind and one class.

2D coordinates are column and row from the corner of the first pixel, of the total pixel matrix or of one frame of
the referenced image; 3D ones are millimetres in the slide's coordinate system. The headers of the scan say where
these lie; without them, 2D ones of the whole matrix are taken for the first level's.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from io import SEEK_END
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from jobs.annotations.dicom_slide import Slide
from jobs.annotations.names import Notes
from jobs.annotations.shape import NO_FACTS, Shape, malformed, rectangle, ring_of, words
from jobs.dicom.deflate import inflated
from jobs.dicom.length import walk
from jobs.errors import BadInput
from schemas.reasons import Reason

logging.getLogger("pydicom").propagate = False  # its messages quote the data

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.91.1"
"""Microscopy Bulk Simple Annotations Storage."""
_WANTED = [
    *("SOPClassUID", "AnnotationCoordinateType", "PixelOriginInterpretation", "ContainerIdentifier"),
    *("ContentCreatorName", "FrameOfReferenceUID", "ReferencedImageSequence", "AnnotationGroupSequence"),
]
"""All else is skipped: what is of no use here may be of any length."""
_CORNERS = 64
"""Of the polygon that stands for an ellipse; its four extreme points are added, so the box is exact."""
Points = NDArray[np.float64]


def open_ann(stream: BinaryIO) -> Dataset:
    """The data set of an annotation file.

    Raises:
        BadInput: not readable, cut off, of another SOP class, or without its groups (PS3.3 C.37.1.2).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydicom on odd values, which it quotes
            plain = inflated(stream) or stream
            size = plain.seek(0, SEEK_END)
            walk(plain, size)
            plain.seek(0)
            found = pydicom.dcmread(plain, stop_before_pixels=True, specific_tags=_WANTED)
            if words(found.get("SOPClassUID")) != SOP_CLASS:
                raise BadInput(Reason.UNKNOWN_FORMAT)
            for _ in found.iterall():
                pass
            if not found.get("AnnotationGroupSequence"):
                raise BadInput(Reason.UNREADABLE)
    except BadInput:
        raise
    except Exception:  # pydicom fails in many ways on broken files
        raise BadInput(Reason.UNREADABLE) from None
    return found


def read_ann(found: Dataset, notes: Notes, slide: Slide | None) -> Iterator[Shape]:
    """The shapes of a data set, in the pixels of the scan's first level.

    Args:
        found: the annotations.
        notes: takes who made them.
        slide: the headers of the scan, where they are at hand.
    """
    creator = words(found.get("ContentCreatorName"))
    notes.persons.append(creator)
    image = words(found.get("ContainerIdentifier"))
    position = 0
    for group in found.get("AnnotationGroupSequence") or ():
        for shape in _group(found, group, slide, position, creator, image):
            yield shape
            position += 1


def _group(
    found: Dataset, group: Dataset, slide: Slide | None, start: int, creator: str, image: str
) -> Iterator[Shape]:
    """The shapes of one group; where it cannot be read, as many as it says it holds."""
    try:
        name, label, facts = words(group.get("AnnotationGroupNumber")), _label(group), _facts(group)
        kind, pieces = words(group.get("GraphicType")), _pieces(group, words(found.get("AnnotationCoordinateType")))
    except Exception:  # bytes that are no numbers, indices out of order: numpy and pydicom fail in many ways
        yield from _unread(group, start, image, Reason.MALFORMED_RECORD)
        return
    placed = _placed(found, pieces, slide)
    if placed is None:
        yield from _unread(group, start, image, Reason.PLACE_UNKNOWN, len(pieces))
        return
    for index, points in enumerate(placed):
        drawn = _drawn(kind, points)
        if drawn is None:
            yield malformed(start + index, image)
            continue
        own = f"{name or 1}.{index + 1}"
        yield Shape(own, *drawn, label, creator, image, position=start + index, facts=facts)


def _unread(group: Dataset, start: int, image: str, reason: Reason, count: int | None = None) -> Iterator[Shape]:
    """Shapes of which only their number is known; a number that the data could not hold is not believed."""
    stated = group.get("NumberOfAnnotations")
    held = sum(len(group.get(name) or b"") for name in ("PointCoordinatesData", "DoublePointCoordinatesData")) // 8
    if count is None:
        count = max(1, min(stated if isinstance(stated, int) else 1, held))
    for index in range(count):
        yield malformed(start + index, image, reason)


def _label(group: Dataset) -> str:
    """The label of the group, else the meaning of its property type."""
    types = group.get("AnnotationPropertyTypeCodeSequence") or [Dataset()]
    return words(group.get("AnnotationGroupLabel")) or words(types[0].get("CodeMeaning"))


def _facts(group: Dataset) -> Any:
    return {"annotator_kind": "model"} if words(group.get("AnnotationGroupGenerationType")) == "AUTOMATIC" else NO_FACTS


def _pieces(group: Dataset, coordinate_type: str) -> list[Points]:
    """The points of each shape (points x 2 or 3); they come as one list, split by shape.

    Indices count single values from 1 (PS3.3 C.37.1). A Z that all share is written once.
    """
    data = group.get("DoublePointCoordinatesData")
    raw = np.frombuffer(data, "<f8") if data else np.frombuffer(group.get("PointCoordinatesData") or b"", "<f4")
    common = group.get("CommonZCoordinateValue")
    stored = 2 if coordinate_type == "2D" or common is not None else 3
    points = raw.astype(np.float64).reshape(-1, stored)
    if coordinate_type != "2D" and common is not None:
        points = np.column_stack([points, np.full(len(points), float(common))])
    pieces = _split(group, points, stored)
    if len(pieces) != int(group.get("NumberOfAnnotations", len(pieces))):
        raise ValueError("not as many as stated")
    return pieces


def _split(group: Dataset, points: Points, stored: int) -> list[Points]:
    kind = words(group.get("GraphicType"))
    if kind in ("POLYGON", "POLYLINE"):
        starts = (np.frombuffer(group.LongPrimitivePointIndexList, "<u4").astype(np.int64) - 1) // stored
        if len(starts) == 0 or starts[0] != 0 or (np.diff(starts) <= 0).any() or starts[-1] >= len(points):
            raise ValueError("indices out of order")
        return np.split(points, starts[1:])
    count = {"POINT": 1, "ELLIPSE": 4, "RECTANGLE": 4}[kind]
    if len(points) % count or not len(points):
        raise ValueError("points left over")
    return np.split(points, len(points) // count) if count > 1 else list(points[:, None, :])


def _placed(found: Dataset, pieces: list[Points], slide: Slide | None) -> list[Points] | None:
    """The same points in pixels of the scan's first level; None where the scan's headers are needed and missing.

    Those of a whole matrix are taken for the first level's where the image that they refer to is not at hand.
    """
    if not pieces:
        return pieces
    place = None if slide is None else slide.place(found)
    if place is None:
        whole = found.AnnotationCoordinateType == "2D" and found.get("PixelOriginInterpretation") != "FRAME"
        return pieces if whole else None
    ends = np.cumsum([len(piece) for piece in pieces])[:-1]
    return np.split(place(np.concatenate(pieces)), ends)


def _drawn(kind: str, points: Points) -> tuple[str, tuple[float, ...]] | None:
    """Kind and coordinates; None where they are no numbers."""
    flat = tuple(points.ravel().tolist())
    if not np.isfinite(points).all():
        return None
    if kind == "POINT":
        return "point", flat
    if kind == "RECTANGLE":
        return rectangle(flat)
    if kind == "ELLIPSE":
        return "polygon", ellipse(points)
    closed = len(flat) >= 8 and flat[:2] == flat[-2:]
    return ("polygon", ring_of(flat)) if kind == "POLYGON" or closed else ("line", flat)


def ellipse(ends: Points) -> tuple[float, ...]:
    """A polygon on an ellipse that is given by the ends of its long and of its short axis (4 x 2)."""
    middle = ends.mean(axis=0)
    long, short = (ends[1] - ends[0]) / 2, (ends[3] - ends[2]) / 2
    extreme = np.arctan2(short, long)
    angles = np.concatenate([np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False), extreme, extreme + np.pi])
    angles = np.unique(angles % (2 * np.pi))
    ring = middle + np.outer(np.cos(angles), long) + np.outer(np.sin(angles), short)
    return tuple(ring.ravel().tolist())
