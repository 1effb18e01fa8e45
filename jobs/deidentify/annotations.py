"""Examiners' shapes: whether one can be used on its scan, and what of it leaves the restricted zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from jobs.errors import BadInput
from jobs.pseudonyms import Pseudonyms
from jobs.vocabulary import Vocabulary
from schemas.reasons import Reason

LEAST_SIDE = 1.0
"""A box or polygon that is no wider or no higher than this, in pixels, has no area.

Pascal VOC counts the last pixel as inside, so a click without a drag (xmin = xmax) comes as a box of one
pixel; corners in the wrong order come as a side of zero or less. No cell is one pixel wide.
"""


def bounds(coordinates: Sequence[float]) -> tuple[float, float, float, float]:
    """Least x, least y, largest x, largest y of x and y in turn."""
    x, y = coordinates[0::2], coordinates[1::2]
    return min(x), min(y), max(x), max(y)


def center(coordinates: Sequence[float]) -> tuple[float, float]:
    """Centre of the bounding box, in pixels."""
    x0, y0, x1, y1 = bounds(coordinates)
    return (x0 + x1) / 2, (y0 + y1) / 2


def shape_problem(geometry_type: str, coordinates: Sequence[float], width: float, height: float) -> Reason | None:
    """Why a shape cannot be used on a scan, or None.

    Args:
        geometry_type: `point`, `box` (x0, y0, x1, y1, half-open) or `polygon`.
        coordinates: x and y in turn, in level-0 pixels.
        width: of the scan, in pixels.
        height: of the scan, in pixels.
    """
    if geometry_type == "box":
        x0, y0, x1, y1 = coordinates
        if x1 - x0 <= LEAST_SIDE or y1 - y0 <= LEAST_SIDE:
            return Reason.BOX_WITHOUT_AREA
    elif geometry_type == "polygon":
        x0, y0, x1, y1 = bounds(coordinates)
        if len(coordinates) < 6 or x1 - x0 <= LEAST_SIDE or y1 - y0 <= LEAST_SIDE:
            return Reason.BOX_WITHOUT_AREA
    x, y = center(coordinates)
    return None if 0 <= x < width and 0 <= y < height else Reason.OUTSIDE_SCAN


def clean_shape(shape: Mapping[str, Any], pseudonyms: Pseudonyms, vocabulary: Vocabulary) -> dict[str, Any]:
    """A row of `curated.annotations` for a row of `restricted.shapes` on its scan.

    Args:
        shape: the row, with its scan's scan_id, patient_id, width_px and height_px.
        pseudonyms: of the lake.
        vocabulary: of the source.

    Raises:
        BadInput: the shape has no area, lies outside its scan, or its label is unknown.
    """
    coordinates = [float(value) for value in shape["coordinates"]]
    problem = shape_problem(shape["geometry_type"], coordinates, shape["width_px"], shape["height_px"])
    if problem:
        raise BadInput(problem)
    code = vocabulary.code(shape["label_raw"])
    if code is None:
        raise BadInput(Reason.LABEL_UNKNOWN)
    center_x, center_y = center(coordinates)
    drawn = shape["annotated_at"]
    if drawn is not None:
        days = timedelta(days=pseudonyms.shift_days(shape["patient_id"]))
        drawn = drawn.replace(minute=0, second=0, microsecond=0) + days
    return {
        "annotation_id": pseudonyms.key_for("annotation", shape["path"], str(shape["position"])),
        "scan_id": shape["scan_id"],
        "source_key": pseudonyms.key_for("file", shape["path"]),
        "position": shape["position"],
        "geometry_type": shape["geometry_type"],
        "coordinates": coordinates,
        "center_x": center_x,
        "center_y": center_y,
        "label_raw": shape["label_raw"].strip(),
        "label_code": code,
        "vocabulary": vocabulary.name,
        "vocabulary_version": vocabulary.version,
        "examiner_key": pseudonyms.key_for("examiner", shape["source"], shape["examiner"]),
        "annotator_kind": shape["annotator_kind"],
        "round": shape["round"],
        "confidence": shape["confidence"],
        "annotated_at": drawn,
    }
