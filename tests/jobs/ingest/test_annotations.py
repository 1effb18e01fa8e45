"""Shapes out of GeoJSON, Pascal VOC and tables."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.annotations.shape import area
from jobs.settings import Points, Source
from schemas.reasons import Reason


def feature(kind, coordinates, **properties):
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties,
    }


SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
SMALL = [[50, 50], [51, 50], [51, 51], [50, 50]]


def geojson(read, *features, name="annotations/S-1.geojson", source=None):
    data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    return read(name, data, source or Source(examiner="nobody"))


def test_geojson_says_what_who_when(read):
    metadata = {"examiner": "Dr. Aino Lehtonen", "annotated_at": "2024-03-05T11:20:00Z", "round": "2"}
    content = geojson(read, feature("Polygon", [SQUARE], classification={"name": "NGS"}, metadata=metadata))
    assert content.shapes == [
        {
            "position": 0,
            "scan_name": "S-1",
            "image": None,
            "geometry_type": "polygon",
            "coordinates": [0, 0, 10, 0, 10, 10, 0, 10],
            "unit": "px",
            "label_raw": "NGS",
            "examiner": "Dr. Aino Lehtonen",
            "annotator_kind": "human",
            "round": 2,
            "confidence": None,
            "annotated_at": datetime(2024, 3, 5, 11, 20, tzinfo=UTC),
        }
    ]
    assert [(row["patient_number"], row["value"]) for row in content.identifiers] == [
        ("", "Aino"),
        ("", "Lehtonen"),
    ]


def test_geojson_without_classification_has_no_label_and_the_sources_examiner(read):
    shape = geojson(read, feature("Point", [3.5, 4.5])).shapes[0]
    assert (shape["label_raw"], shape["examiner"], shape["coordinates"]) == (None, "nobody", [3.5, 4.5])


def test_geojson_kinds_of_geometry(read):
    content = geojson(
        read,
        feature("MultiPolygon", [[SMALL], [SQUARE, SMALL]]),
        feature("LineString", SQUARE),
        feature("LineString", [[0, 0], [5, 5]]),
        feature("GeometryCollection", [1]),
        feature("Point", ["x", None]),
        feature("Point", [float("nan"), 1]),
        {"type": "Feature", "geometry": None},
        "no feature",
        feature("Point", [1, 2], metadata={"round": 0}),
        feature("Point", [1, 2], metadata={"confidence": 0.5}),
        feature("MultiPoint", [[1, 2], [3, 4]]),
    )
    assert [shape["position"] for shape in content.shapes] == [0, 1, 9, 10, 11]
    assert content.shapes[0]["coordinates"] == [0, 0, 51, 51]
    assert content.shapes[1]["coordinates"] == [0, 0, 10, 0, 10, 10, 0, 10]
    assert content.shapes[2]["confidence"] == 0.5
    malformed = [(position, Reason.MALFORMED_RECORD) for position in (3, 4, 5, 6, 7, 8)]
    assert content.held == [(2, Reason.BOX_WITHOUT_AREA), *malformed]


VOC = """<annotation><filename>field 1.jpg</filename><path>C:\\users\\aino.lehtonen\\field 1.jpg</path>
<source><annotation>Aino Lehtonen</annotation></source><annotated_at>2024-03-05T11:20:00Z</annotated_at>
<round>1</round>
<object><name>BLA</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>640</xmax><ymax>480</ymax></bndbox></object>
<object><name>LYT</name><bndbox><xmin>7</xmin><ymin>8</ymin><xmax>7</xmax><ymax>8</ymax></bndbox></object>
<object><name>LYT</name></object></annotation>"""


def test_voc_counts_from_one_and_includes_the_last_pixel(read):
    content = read("annotations/other.xml", VOC.encode())
    assert [shape["coordinates"] for shape in content.shapes] == [[0, 1, 640, 480], [6, 7, 7, 8]]
    assert {shape["scan_name"] for shape in content.shapes} == {"field 1"}
    assert content.held == [(2, Reason.MALFORMED_RECORD)]
    assert {"Aino", "Lehtonen", "aino.lehtonen"} <= {row["value"] for row in content.identifiers}


def test_points_with_header(read):
    rows = ["a.jpg,1.5,2,BLA,E,2024-03-05T11:20:00Z,1", "b.jpg,x,2,BLA,E,,1", "c,1"]
    data = "\n".join(["image,x,y,label,examiner,annotated_at,round", *rows]).encode()
    content = read("points.csv", data)
    assert [(s["scan_name"], s["coordinates"], s["label_raw"]) for s in content.shapes] == [("a", [1.5, 2], "BLA")]
    assert content.held == [(1, Reason.MALFORMED_RECORD), (2, Reason.MALFORMED_RECORD)]


def test_boxes_with_header(read):
    content = read("boxes.csv", b"image;xmin;ymin;xmax;ymax;label\na.png;1;2;3;4;rbc\n")
    assert [(s["geometry_type"], s["coordinates"]) for s in content.shapes] == [("box", [1, 2, 3, 4])]


def test_points_without_header(read):
    source = Source(points=Points(folder="Label"))
    content = read("Label/17.txt", b"10 20 3 \n\n30 nan 4\n50 60\n", source)
    assert [(s["position"], s["scan_name"], s["coordinates"], s["label_raw"]) for s in content.shapes] == [
        (0, "17", [10, 20], "3")
    ]
    assert content.held == [(2, Reason.MALFORMED_RECORD), (3, Reason.MALFORMED_RECORD)]
    assert read("Other/17.txt", b"10 20 3\n", source).held == [(None, Reason.UNKNOWN_FORMAT)]


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0, 100), st.floats(0, 100))
def test_area_of_a_rectangle(x, y, width, height):
    ring = [x, y, x + width, y, x + width, y + height, x, y + height]
    assert area(ring) == pytest.approx((x + width - x) * (y + height - y), abs=1e-6)


def test_bccd_has_every_box(read, real_data):
    labels, count = Counter(), 0
    for path in sorted((real_data / "BCCD" / "BCCD" / "Annotations").glob("*.xml")):
        content = read(f"Annotations/{path.name}", path.read_bytes())
        assert content.held == []
        assert {shape["scan_name"] for shape in content.shapes} == {path.stem}
        assert [shape["position"] for shape in content.shapes] == list(range(len(content.shapes)))
        labels.update(shape["label_raw"] for shape in content.shapes)
        count += 1
    assert (count, labels) == (364, {"RBC": 4155, "WBC": 372, "Platelets": 361})


def test_chula_has_every_point(read, real_data):
    source = Source(patients="none", points=Points(folder="Label"))
    labels: Counter[str] = Counter()
    for path in sorted((real_data / "Chula_RBC12_subset" / "Label").glob("*.txt")):
        content = read(f"Label/{path.name}", path.read_bytes(), source)
        lines = path.read_text().split("\n")
        assert content.held == []
        assert [s["coordinates"] for s in content.shapes] == [
            [float(part) for part in line.split()[:2]] for line in lines if line.strip()
        ]
        labels.update(shape["label_raw"] for shape in content.shapes)
    assert labels.total() == 4504
    assert labels["0"] == 1241


def test_qupath_files(read, real_data):
    folder = real_data / "wsidicom_annot" / "tests" / "testdata" / "annotation"
    found = {}
    for path in sorted(folder.glob("qupath_geojson*/*.json")):
        content = read(f"annotations/{path.name}", path.read_bytes())
        kinds = [shape["geometry_type"] for shape in content.shapes]
        found[path.stem.removeprefix("qupath-")] = (kinds, [reason for _, reason in content.held])
    line = ([], [Reason.BOX_WITHOUT_AREA])
    one = (["polygon"], [])
    assert found == {
        **dict.fromkeys(("brush", "ellipse", "polygon", "rectangle", "wand"), one),
        **dict.fromkeys(("line", "polyline"), line),
        "point": (["point"], []),
        "multipoint": (["point"] * 3, []),
        "polygon-cell-classified": (["polygon"] * 4, []),
    }
    advanced = folder / "qupath_geojson_advanced" / "qupath-polygon-cell-classified.json"
    truth = [item["properties"]["classification"]["name"] for item in json.loads(advanced.read_text())]
    content = read("a.geojson", advanced.read_bytes())
    assert [shape["label_raw"] for shape in content.shapes] == truth
