"""Writers of annotation files, each in the convention of its own format; shapes are in pixels from the corner."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


class Drawn(NamedTuple):
    """What an examiner drew: `point`, `box` (x0, y0, x1, y1) or `polygon`."""

    kind: str
    coordinates: tuple[float, ...]
    label: str

    @property
    def box(self) -> tuple[float, float, float, float]:
        x, y = self.coordinates[0::2], self.coordinates[1::2]
        return min(x), min(y), max(x), max(y)

    @property
    def corners(self) -> list[tuple[float, float]]:
        """Points of the outline."""
        if self.kind == "box":
            x0, y0, x1, y1 = self.coordinates
            return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        return list(zip(self.coordinates[0::2], self.coordinates[1::2], strict=True))


Size = tuple[int, int]


def voc(shapes: Sequence[Drawn], size: Size, image: str = "scan.png") -> bytes:
    """Boxes of whole pixels, counted from 1, the last inside."""
    objects = []
    for shape in shapes:
        x0, y0, x1, y1 = (round(value) for value in shape.box)
        sides = f"<xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        objects.append(f"<object><name>{escape(shape.label)}</name><bndbox>{sides}</bndbox></object>")
    head = f"<filename>{escape(image)}</filename><size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<?xml version='1.0'?><annotation>{head}{''.join(objects)}</annotation>".encode()


def coco(shapes: Sequence[Drawn], size: Size, image: str = "scan.png") -> bytes:
    """Boxes, polygons, and points as one key point each."""
    labels = sorted({shape.label for shape in shapes})
    annotations = []
    for number, shape in enumerate(shapes):
        x0, y0, x1, y1 = shape.box
        item = {"id": number + 1, "image_id": 7, "category_id": labels.index(shape.label) + 1, "iscrowd": 0}
        if shape.kind == "point":
            item["keypoints"] = [x0, y0, 2]
        else:
            item["bbox"] = [x0, y0, x1 - x0, y1 - y0]
        if shape.kind == "polygon":
            item["segmentation"] = [list(shape.coordinates)]
        annotations.append(item)
    whole = {
        "images": [{"id": 7, "file_name": image, "width": size[0], "height": size[1]}],
        "annotations": annotations,
        "categories": [{"id": n + 1, "name": label} for n, label in enumerate(labels)],
    }
    return json.dumps(whole).encode()


def yolo(shapes: Sequence[Drawn], size: Size, classes: Sequence[str]) -> bytes:
    """Boxes and polygons in fractions with six decimals."""
    lines = []
    for shape in shapes:
        values = list(shape.coordinates)
        if shape.kind == "box":
            x0, y0, x1, y1 = values
            values = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
        fractions = [value / size[n % 2] for n, value in enumerate(values)]
        lines.append(" ".join([str(classes.index(shape.label)), *(f"{value:.6f}" for value in fractions)]))
    return "\n".join(lines).encode()


BOX_HEADERS = {
    "corners": ("xmin", "ymin", "xmax", "ymax"),
    "size": ("x", "y", "width", "height"),
    "centre": ("x_center", "y_center", "width", "height"),
}


def boxes(shapes: Sequence[Drawn], layout: str = "corners", delimiter: str = ",", image: str = "scan.png") -> bytes:
    """A table of boxes."""
    rows = []
    for shape in shapes:
        x0, y0, x1, y1 = shape.box
        numbers = {
            "corners": (x0, y0, x1, y1),
            "size": (x0, y0, x1 - x0, y1 - y0),
            "centre": ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0),
        }[layout]
        rows.append([image, *numbers, shape.label])
    return _table(["image", *BOX_HEADERS[layout], "label"], rows, delimiter)


def points(shapes: Sequence[Drawn], delimiter: str = ",", image: str = "scan.png") -> bytes:
    """A table of points."""
    return _table(["image", "x", "y", "label"], [[image, *s.coordinates, s.label] for s in shapes], delimiter)


def _table(header: list[str], rows: list[list[object]], delimiter: str) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows([header, *rows])
    return stream.getvalue().encode()


def geojson(shapes: Sequence[Drawn]) -> bytes:
    """A collection as QuPath writes it: rings are closed."""
    features = []
    for number, shape in enumerate(shapes):
        ring = [list(point) for point in shape.corners]
        geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        if shape.kind == "point":
            geometry = {"type": "Point", "coordinates": ring[0]}
        properties = {"objectType": "annotation", "classification": {"name": shape.label, "color": [1, 2, 3]}}
        features.append({"type": "Feature", "id": f"id-{number}", "geometry": geometry, "properties": properties})
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


ASAP_TYPES = {"point": "Dot", "box": "Rectangle", "polygon": "Polygon"}


def asap(shapes: Sequence[Drawn]) -> bytes:
    """ASAP XML; coordinates are written in the reverse of their order."""
    items = []
    for number, shape in enumerate(shapes):
        places = [f'<Coordinate Order="{n}" X="{x:.4f}" Y="{y:.4f}"/>' for n, (x, y) in enumerate(shape.corners)]
        items.append(
            f'<Annotation Name="Annotation {number}" Type="{ASAP_TYPES[shape.kind]}" '
            f'PartOfGroup={quoteattr(shape.label)} Color="#F4FA58">'
            f"<Coordinates>{''.join(reversed(places))}</Coordinates></Annotation>"
        )
    groups = "".join(f'<Group Name={quoteattr(s.label)} PartOfGroup="None"/>' for s in shapes)
    return (
        f'<?xml version="1.0"?><ASAP_Annotations><Annotations>{"".join(items)}</Annotations>'
        f"<AnnotationGroups>{groups}</AnnotationGroups></ASAP_Annotations>"
    ).encode()


ANN_TYPES = {"point": "POINT", "box": "RECTANGLE", "polygon": "POLYGON"}


def ann(shapes: Sequence[Drawn], *, double: bool = False) -> bytes:
    """DICOM annotations in pixels of the whole matrix; one group a kind and label."""
    found = ann_header()
    ordered = sorted(shapes, key=lambda shape: (shape.kind, shape.label))
    for (kind, label), members in groupby(ordered, key=lambda shape: (shape.kind, shape.label)):
        group = ann_group(ANN_TYPES[kind], [np.array(shape.corners) for shape in members], label, double=double)
        found.AnnotationGroupSequence.append(group)
    return saved(found)


def ann_header(coordinate_type: str = "2D") -> Dataset:
    """Annotations without a group."""
    found = Dataset()
    found.SOPClassUID, found.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.91.1", generate_uid()
    found.Modality, found.ContainerIdentifier, found.ContentCreatorName = "ANN", "scan", "Lehtonen^Aino"
    found.AnnotationCoordinateType = coordinate_type
    if coordinate_type == "2D":
        found.PixelOriginInterpretation = "VOLUME"
    found.AnnotationGroupSequence = []
    return found


def ann_group(graphic: str, pieces: Sequence[np.ndarray], label: str, *, double: bool = False) -> Dataset:
    """A group of shapes, each an array of points."""
    group = Dataset()
    group.AnnotationGroupNumber, group.AnnotationGroupLabel = 1, label
    group.AnnotationGroupGenerationType, group.GraphicType = "MANUAL", graphic
    group.NumberOfAnnotations = len(pieces)
    flat = np.concatenate(pieces)
    if double:
        group.DoublePointCoordinatesData = flat.astype("<f8").tobytes()
    else:
        group.PointCoordinatesData = flat.astype("<f4").tobytes()
    if graphic in ("POLYGON", "POLYLINE"):
        starts = np.cumsum([0, *(piece.size for piece in pieces[:-1])]) + 1
        group.LongPrimitivePointIndexList = starts.astype("<u4").tobytes()
    return group


def saved(found: Dataset) -> bytes:
    """The bytes of a DICOM file."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = found.SOPClassUID, found.SOPInstanceUID
    stream = io.BytesIO()
    FileDataset(stream, found, file_meta=meta, preamble=bytes(128)).save_as(stream, enforce_file_format=True)
    return stream.getvalue()
