"""Files that are broken, hostile or of unknown encoding: a clear reason, never another error, and no shape lost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.annotations import Shape, read_shapes
from jobs.errors import BadInput
from schemas.reasons import Reason
from tests.jobs.annotations import writers
from tests.jobs.annotations.writers import Drawn

BOMB = "<!DOCTYPE a [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {name} '{f'&{inner};' * 10}'>" for inner, name in zip("abcdefgh", "bcdefghi", strict=True)
)
FAR = '<!DOCTYPE a [<!ENTITY far SYSTEM "file:///etc/passwd">]>'
COLLECTION = '{"type": "FeatureCollection", "features": ['
POINT = '{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY_FILE),
        (bytes(1000), Reason.UNKNOWN_FORMAT),
        (b"\x89PNG\r\n\x1a\n", Reason.UNKNOWN_FORMAT),
        (f"{BOMB}]><annotation>&i;</annotation>", Reason.UNREADABLE),
        (f"{BOMB}]><ASAP_Annotations>&i;</ASAP_Annotations>", Reason.UNREADABLE),
        (f"{FAR}<annotation>&far;</annotation>", Reason.UNREADABLE),
        ("<annotation>&unknown;</annotation>", Reason.UNREADABLE),
        ("<html><body/></html>", Reason.UNKNOWN_FORMAT),
        ("<annotation><object>", Reason.TRUNCATED),
        ("<annotation></object>", Reason.UNREADABLE),
        ("<annotation/><annotation/>", Reason.UNREADABLE),
        ("<a>" * 100_000, Reason.UNREADABLE),
        ("<?xml version='1.0' encoding='klingon'?><annotation/>", Reason.UNREADABLE),
        ("{", Reason.TRUNCATED),
        ("[", Reason.TRUNCATED),
        (COLLECTION, Reason.TRUNCATED),
        (COLLECTION + POINT, Reason.TRUNCATED),
        (COLLECTION + POINT + ", ", Reason.TRUNCATED),
        (COLLECTION + POINT + "]", Reason.TRUNCATED),
        (COLLECTION + POINT + "]} and more", Reason.UNREADABLE),
        (COLLECTION + POINT + " " + POINT + "]}", Reason.UNREADABLE),
        (COLLECTION + POINT + ",]}", Reason.UNREADABLE),
        ('{"type" "Feature"}', Reason.UNREADABLE),
        ('{"a": 1}', Reason.UNKNOWN_FORMAT),
        ("{}", Reason.UNKNOWN_FORMAT),
        ("[]", Reason.UNKNOWN_FORMAT),
        ("[1, 2]", Reason.UNKNOWN_FORMAT),
        ('{"type": {"a": []}, "annotations": 1}', Reason.UNKNOWN_FORMAT),
        ("[" * 100_000, Reason.UNREADABLE),
        ('{"a":' * 100_000, Reason.UNREADABLE),
        (COLLECTION + "[" * 100_000, Reason.UNREADABLE),
        ('{"type": "FeatureCollection", "features": null}', Reason.UNREADABLE),
        ('{"type": "FeatureCollection", "properties": {}}', Reason.UNREADABLE),
        ("x,y\n1,\x00\n", Reason.UNKNOWN_FORMAT),
        (writers.ann([]), Reason.UNREADABLE),
        (bytes(128) + b"DICM", Reason.UNKNOWN_FORMAT),
        (writers.ann([Drawn("point", (3, 4), "A")] * 50)[:-100], Reason.TRUNCATED),
        (bytes(128) + b"DICM" + b"\xff" * 100, Reason.TRUNCATED),
    ],
)
def test_the_whole_file_is_refused_with_its_reason(read, data, reason):
    with pytest.raises(BadInput) as caught:
        read(data)
    assert caught.value.reason == reason


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(read, encoding):
    drawn = [Drawn("box", (1, 2, 30, 40), "Häm")]
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    for written in (
        writers.geojson(drawn).replace(b"H\\u00e4m", "Häm".encode()),
        writers.boxes(drawn),
        writers.boxes(drawn, delimiter=";").replace(b"\r\n", b"\r"),
    ):
        assert [shape.label for shape in read(mark + written.decode().encode(encoding))] == ["Häm"]
    xml = writers.asap(drawn).decode().removeprefix('<?xml version="1.0"?>')
    named = '<?xml version="1.0" encoding="cp1252"?>' if encoding == "cp1252" else ""
    assert [shape.label for shape in read(mark + (named + xml).encode(encoding))] == ["Häm"]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (Drawn("box", (5, 5, 5, 9), "A"), Reason.BOX_WITHOUT_AREA),
        (Drawn("polygon", (1, 1, 9, 9), "A"), Reason.BOX_WITHOUT_AREA),
        (Drawn("polygon", (1, 1, 9, 9, 5, 5), "A"), Reason.BOX_WITHOUT_AREA),
        (Drawn("point", (100, 5), "A"), Reason.OUTSIDE_SCAN),
        (Drawn("point", (-1, 5), "A"), Reason.OUTSIDE_SCAN),
        (Drawn("box", (95, 60, 107, 80), "A"), Reason.OUTSIDE_SCAN),
        (Drawn("box", (20, 20, 40, 40), "A"), Reason.DUPLICATE_SHAPE),
        (Drawn("box", (20, 20, 40, 40), "B"), ""),
        (Drawn("box", (-5, 60, 7, 80), "A"), ""),
        (Drawn("point", (30, 30), ""), Reason.UNLABELLED),
    ],
)
def test_a_shape_that_cannot_be_used_says_why(read, shape, reason):
    found = read(writers.geojson([Drawn("box", (20, 20, 40, 40), "A"), shape]), size=(100, 80))
    assert [shape.reason for shape in found] == ["", reason]


@pytest.mark.parametrize("row", ['"3,4,B', "1" * 200_000 + ",2,B", '3,4,"B'], ids=["quote", "endless", "last"])
def test_a_broken_row_of_a_table_costs_no_other(read, row):
    found = read(f"x,y,label\n1,2,A\n{row}\n5,6,C\n7,8,D\n")
    assert [(shape.label, shape.reason) for shape in found] == [
        ("A", ""), ("", Reason.MALFORMED_RECORD), ("C", ""), ("D", ""),
    ]  # fmt: skip


def test_corners_in_the_wrong_order_have_no_area(read):
    assert [shape.reason for shape in read("xmin,ymin,xmax,ymax\n9,9,5,5\n")] == [Reason.BOX_WITHOUT_AREA]


def test_without_any_label_shapes_are_just_places(read):
    assert [shape.reason for shape in read("x,y\n1,2\n3,4\n")] == ["", ""]


def test_a_scan_of_unknown_size_still_begins_at_its_corner(read):
    assert [s.reason for s in read("x,y\n1e9,2\n-1,4\nnan,1\ninf,1\n1e999,3\n")] == [
        "", Reason.OUTSIDE_SCAN, *[Reason.MALFORMED_RECORD] * 3,
    ]  # fmt: skip


def test_a_missing_file_or_a_folder_is_bad_input(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(BadInput):
            read_shapes(path)


WHOLE = [Drawn("box", (1, 2, 30, 40), "A"), Drawn("polygon", (1, 1, 9, 1, 9, 9), "B"), Drawn("point", (3, 4), "A")]
FILES = [
    writers.voc(WHOLE[:1], (50, 50)),
    writers.coco(WHOLE, (50, 50)),
    writers.yolo(WHOLE[:2], (50, 50), "AB"),
    writers.boxes(WHOLE[:1]),
    writers.points(WHOLE[2:]),
    writers.geojson(WHOLE),
    writers.asap(WHOLE),
    writers.ann(WHOLE),
]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(FILES), st.data())
def test_no_change_of_bytes_raises_anything_else(data, choose):
    start = choose.draw(st.integers(0, len(data)))
    end = choose.draw(st.integers(start, min(len(data), start + 20)))
    check_bytes(data[:start] + choose.draw(st.binary(max_size=8)) + data[end:])


KEYS = (
    *("type", "geometry", "coordinates", "properties", "classification", "name", "names", "metadata", "examiner"),
    *("id", "image_id", "category_id", "bbox", "segmentation", "size", "counts", "keypoints", "score", "file_name"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(st.lists(JSON, max_size=4), JSON)
def test_no_json_raises_anything_else(items, junk):
    for whole in (
        {"type": "FeatureCollection", "features": items, "a": junk},
        [{"type": "Feature", "geometry": junk}, *items],
        {"annotations": items, "images": items, "categories": items, "info": junk},
    ):
        found = check_bytes(json.dumps(whole).encode())
        assert found is not None
        assert len(found) >= len(items)


def check_bytes(data: bytes) -> list[Shape] | None:
    """Read bytes; the shapes, or None where the file is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(data)
        try:
            found = read_shapes(path, size=(50, 50))
        except BadInput:
            return None
    for shape in found:
        assert shape.reason or (shape.kind in ("point", "box", "polygon") and all(side == side for side in shape.box))
        (shape.label + shape.annotator + shape.image + shape.annotation).encode()
    return found


def test_white_space_between_elements_costs_nothing(read):
    """Not the square of it: this file took half a minute."""
    objects = "<object><name>A</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
    shapes = read(b"<annotation>" + b"\n" * 3_000_000 + objects.encode() + b"</annotation>")
    assert [(shape.label, shape.box) for shape in shapes] == [("A", (0, 0, 9, 9))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_yolo_end_as_they_like(read, end):
    lines = [f"{n} 0.5 0.5 0.{n + 1} 0.1" for n in range(3)]
    assert [shape.label for shape in read(end.join(lines).encode())] == ["0", "1", "2"]
