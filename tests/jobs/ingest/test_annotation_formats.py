"""The other formats of annotations as inputs of the lake: rows, reasons, and identifiers for the rescan."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jobs.deidentify.annotations import clean_shape
from jobs.deidentify.shapes import ShapeCleaner
from jobs.ingest.content import sniff
from jobs.pseudonyms import Pseudonyms
from jobs.settings import Source
from jobs.vocabulary import Vocabulary
from schemas.reasons import Reason
from tests.jobs.annotations import writers
from tests.jobs.annotations.writers import Drawn, ann_group, ann_header, saved

SHAPES = [Drawn("box", (10, 20, 30, 60), "BLA"), Drawn("polygon", (1, 1, 9, 1, 9, 9), "LYT")]
SIZE = (100, 80)


def rows(content):
    return [(row["scan_name"], row["geometry_type"], row["label_raw"], row["unit"]) for row in content.shapes]


def utf16(data):
    return b"\xff\xfe" + data.decode().encode("utf-16-le")


@pytest.mark.parametrize(
    ("name", "data", "scan", "media_type"),
    [
        ("s-1.json", writers.coco(SHAPES, SIZE, "a/field 3.png"), "field 3", "application/json"),
        ("s-1.xml", writers.asap(SHAPES), "s-1", "application/xml"),
        ("s-1.dcm", writers.ann(SHAPES), "scan", "application/dicom"),
        ("s-1.geojson", writers.geojson(SHAPES), "s-1", "application/geo+json"),
        ("s-1.geojson", utf16(writers.geojson(SHAPES)), "s-1", "application/geo+json"),
    ],
)  # fmt: skip
def test_each_format_is_known_by_its_content(read, name, data, scan, media_type):
    content = read(f"annotations/{name}", data)
    kind = "polygon" if name.endswith(".geojson") else "box"  # GeoJSON has no boxes
    assert rows(content) == [(scan, kind, "BLA", "px"), (scan, "polygon", "LYT", "px")]
    assert (content.role, content.media_type, content.held) == ("annotations", media_type, [])
    assert (content.scan_name, content.scan_ref) == (None, None)


def test_yolo_waits_for_the_size_of_its_scan(read):
    content = read("labels/s-1.txt", writers.yolo(SHAPES, SIZE, ("BLA", "LYT")))
    assert rows(content) == [("s-1", "box", "0", "fraction"), ("s-1", "polygon", "1", "fraction")]
    scan = {"scan_id": "s", "patient_id": "p", "width_px": 100, "height_px": 80}
    where = {"path": "a", "source": "helsinki"}
    vocabulary = Vocabulary("m", "1", frozenset({"BLA"}), {"0": "BLA"})
    row = clean_shape({**content.shapes[0], **scan, **where}, Pseudonyms(bytes(32)), vocabulary)
    assert row["coordinates"] == pytest.approx([10, 20, 30, 60], abs=0.001)
    assert (row["label_code"], row["center_x"], row["center_y"]) == ("BLA", pytest.approx(20), pytest.approx(40))


def test_tables_of_many_headers(read):
    content = read("a.csv", b"slide,center_x,center_y,width,height,class\nA.svs,20,40,20,40,BLA\n")
    assert rows(content) == [("A", "box", "BLA", "px")]
    assert content.shapes[0]["coordinates"] == [10, 20, 30, 60]
    assert rows(read("B.csv", b"x,y,class\n1,2,BLA\n")) == [("B", "point", "BLA", "px")]
    assert read("B.csv", b"lab_number,x,y\n1,2,3\n").role == "records"


def test_millimetres_have_no_place_without_their_scan(read):
    found = ann_header("3D")
    found.AnnotationGroupSequence = [ann_group("POINT", [np.zeros((1, 3))] * 2, "BLA")]
    content = read("a.dcm", saved(found))
    assert content.held == [(0, Reason.PLACE_UNKNOWN), (1, Reason.PLACE_UNKNOWN)]


def test_people_and_paths_become_identifiers(read):
    def values(content):
        return {(row["kind"], row["value"]) for row in content.identifiers}

    whole = json.loads(writers.coco(SHAPES, SIZE, "C:\\Users\\aino.l\\a.png"))
    whole["info"] = {"contributor": "Dr. Veikko Salo"}
    whole["annotations"][0]["creator"] = "Käthe"
    found = values(read("a.json", json.dumps(whole).encode()))
    assert found == {
        *(("name", "Veikko"), ("name", "Salo"), ("name", "Käthe")),
        *(("user", "aino.l"), ("file_path", "C:\\Users\\aino.l\\a.png")),
    }
    header = ann_header()
    header.AnnotationGroupSequence = [ann_group("POINT", [np.ones((1, 2))], "BLA")]
    header.PatientID, header.PatientName = "P77", "Virtanen^Onni"
    found = values(read("a.dcm", saved(header)))
    assert found >= {("name", "Lehtonen"), ("name", "Virtanen"), ("record_number", "P77"), ("container", "scan")}


def test_a_shape_drawn_twice_is_held(read, tmp_path):
    again = [*SHAPES, SHAPES[0]]
    content = read("a.xml", writers.asap(again), Source(examiner="E"))
    scan = {"scan_path": "x/d/scan.svs", "scan_id": "s", "patient_id": "p", "withdrawn": None}
    scan |= {"width_px": 100, "height_px": 80}
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_bytes(bytes(range(32)))
    clean = ShapeCleaner(tmp_path / "key", {"x": Vocabulary("m", "1", frozenset({"BLA", "LYT"}), {})})
    for path in ("a", "b"):
        place = {"path": path, "source": "x", "delivery": "d"}
        rows = [found for row in content.shapes for found in clean({**row, **place, "places": [scan]})]
        assert [row["annotation"] and row["annotation"]["position"] for row in rows] == [0, 1, None]
        held = rows[2]["held"]
        assert (held["unit_id"], held["reason"]) == (f"{path}#2", Reason.DUPLICATE_SHAPE)


def test_utf16_is_seen_through():
    assert sniff("<a/>".encode("utf-16")) == "xml"
    assert sniff("[1]".encode("utf-16")) == "json"
    assert sniff("a,b".encode("utf-16")) == "text"
