"""An annotation file to shapes: the format is known by content, the shapes are judged, and none is lost."""

from __future__ import annotations

from pathlib import Path

from jobs.annotations import yolo
from jobs.annotations.dicom_slide import open_slide
from jobs.annotations.formats import open_drawing
from jobs.annotations.image_size import size_beside, size_of
from jobs.annotations.judge import judged
from jobs.annotations.names import meant
from jobs.annotations.shape import Shape
from jobs.errors import BadInput
from schemas.reasons import Reason


def read_shapes(
    path: Path, scan: str | None = None, size: tuple[int, int] | None = None, image: Path | None = None
) -> list[Shape]:
    """All shapes of a file, in the order in which it has them; those that cannot be used say why.

    Args:
        path: a file of Pascal VOC, COCO, YOLO, CSV, GeoJSON, ASAP XML or DICOM annotations.
        scan: name of the scan, or its path where folders tell images of one name apart; of a file that names
            several images, only the shapes of this one are given.
        size: width and height of the scan, in pixels; without it no shape is found to lie beyond its far sides.
        image: the scan, as a file or the folder of its DICOM series; YOLO takes its size from it where `size`
            is not given, DICOM annotations the place of its levels, frames and origin. Where it is not named,
            it is looked for beside `path`.

    Raises:
        BadInput: the file as a whole cannot be read, is of no known format, or is about other scans; SCAN_AMBIGUOUS
            where it is not clear which of its images the scan is.
    """
    try:
        with path.open("rb") as stream:
            drawing = open_drawing(stream, lambda: open_slide(image or path.parent))
            shapes = list(drawing.shapes)
    except BadInput:
        raise
    except Exception:  # parsers fail in many ways on broken files; whichever it is, the file is unreadable
        raise BadInput(Reason.UNREADABLE) from None
    if scan is not None:
        shapes = _of_scan(shapes, drawing.notes.images, scan)
    if size is None and any(shape.unit == "fraction" for shape in shapes):
        size = size_of(image) if image else size_beside(path)
    classes = yolo.class_names(path) if drawing.format == "yolo" else {}
    return judged(shapes, size, classes)


def _of_scan(shapes: list[Shape], named: set[str], scan: str) -> list[Shape]:
    """The shapes of one scan, where the file is about several images; else all."""
    images = named | {shape.image for shape in shapes if shape.image}
    if len(images) < 2:
        return shapes
    wanted = meant(images, scan)
    if len(wanted) > 1:
        raise BadInput(Reason.SCAN_AMBIGUOUS)
    found = [shape for shape in shapes if shape.image in wanted or not shape.image]
    if not wanted and not found:
        raise BadInput(Reason.SCAN_MISSING)
    return found
