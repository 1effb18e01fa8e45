"""Examiners' shapes: whether one can be used on its scan, and what of it leaves the restricted zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from jobs.annotations.judge import in_pixels
from jobs.annotations.shape import center, shape_problem
from jobs.errors import BadInput
from jobs.pseudonyms import Pseudonyms
from jobs.vocabulary import Vocabulary
from schemas.reasons import Reason


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
    if shape.get("unit") == "fraction":
        coordinates = list(in_pixels(coordinates, shape["width_px"], shape["height_px"]))
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
