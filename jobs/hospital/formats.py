"""Write votes as QuPath GeoJSON, Pascal VOC and CSV points."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from jobs.hospital.cells import Body
from jobs.hospital.people import Examiner
from jobs.hospital.plan import Scan, Vote
from jobs.hospital.section import SCALE
from jobs.hospital.seeds import rng

POINT_COLUMNS = ("image", "x", "y", "label", "examiner", "annotated_at", "round")
CORNERS = 20


def polygon(vote: Vote) -> list[tuple[float, float]]:
    """The cell's outline around where the examiner put it, in pixels."""
    cell, scan = vote.scan.cells[vote.cell], vote.scan
    body = Body(cell.code, cell.seed, SCALE if scan.kind == "section" else 1.0)
    return [(round(vote.x + x, 1), round(vote.y + y, 1)) for x, y in body.polygon(scan.um, CORNERS)]


def geojson(features: Sequence[dict[str, Any]]) -> bytes:
    """A file of features."""
    content = {"type": "FeatureCollection", "features": list(features)}
    return (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def feature(vote: Vote) -> dict[str, Any]:
    """A vote as QuPath writes it: mostly the outline, sometimes a point."""
    if rng("shape", vote.scan.path, vote.cell, vote.examiner.name).random() < 0.2:
        return feature_of({"type": "Point", "coordinates": [vote.x, vote.y]}, vote)
    ring = [list(point) for point in polygon(vote)]
    return feature_of({"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, vote)


def feature_of(geometry: dict[str, Any], vote: Vote) -> dict[str, Any]:
    """A feature of any geometry with what else a vote says."""
    colour = [int(value) for value in rng("colour", vote.label).integers(40, 230, 3)]
    metadata = {
        "examiner": vote.examiner.name,
        "annotated_at": f"{vote.at:%Y-%m-%dT%H:%M:%SZ}",
        "round": str(vote.round),
    }
    return {
        "type": "Feature",
        "geometry": geometry,
        "properties": {
            "objectType": "annotation",
            "classification": {"name": vote.label, "color": colour},
            "metadata": metadata,
        },
    }


def voc_box(vote: Vote) -> tuple[int, int, int, int]:
    """xmin, ymin, xmax, ymax around the outline: pixels counted from 1, the last inside."""
    x, y = zip(*polygon(vote), strict=True)
    return (round(min(x)) + 1, round(min(y)) + 1, round(max(x)), round(max(y)))


def voc(
    scan: Scan,
    examiner: Examiner,
    at: str,
    boxes: Sequence[tuple[str, tuple[int, int, int, int]]],
    turn: int = 1,
) -> bytes:
    """A Pascal VOC file: one examiner's labelled boxes on one scan."""
    root = Element("annotation")
    file = scan.name if scan.format == "dicom" else scan.path.rsplit("/", 1)[-1]
    _texts(root, {"folder": "smears", "filename": file, "path": f"/Users/{examiner.user}/smears/{file}"})
    _texts(SubElement(root, "source"), {"database": "marrow", "annotation": examiner.name, "image": "smear"})
    _texts(SubElement(root, "size"), {"width": str(scan.width), "height": str(scan.height), "depth": "3"})
    _texts(root, {"segmented": "0", "annotated_at": at, "round": str(turn)})
    for label, box in boxes:
        thing = SubElement(root, "object")
        _texts(thing, {"name": label, "pose": "Unspecified", "truncated": "0", "difficult": "0"})
        sides = zip(("xmin", "ymin", "xmax", "ymax"), map(str, box), strict=True)
        _texts(SubElement(thing, "bndbox"), dict(sides))
    ElementTree.indent(root, "\t")
    data: bytes = ElementTree.tostring(root, encoding="utf-8")
    return data + b"\n"


def point(vote: Vote) -> list[str]:
    """A row of the point table."""
    at = f"{vote.at:%Y-%m-%dT%H:%M:%SZ}"
    return [vote.scan.name, str(vote.x), str(vote.y), vote.label, vote.examiner.name, at, str(vote.round)]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str = ",") -> bytes:
    """A CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _texts(parent: Element, values: dict[str, str]) -> None:
    for name, value in values.items():
        SubElement(parent, name).text = value
