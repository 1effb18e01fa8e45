"""What each format says, and in which convention."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jobs.annotations.rle import counts_of
from jobs.errors import BadInput
from schemas.reasons import Reason

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
RING = (0, 0, 10, 0, 10, 10, 0, 10)


def feature(kind, coordinates, **rest):
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, **rest}


def coco(*annotations, **rest):
    whole = {"annotations": annotations, "images": [{"id": 1, "file_name": "train/a.png"}], **rest}
    return json.dumps({"categories": [{"id": 3, "name": "BLA"}], **whole})


def facts(shapes):
    return [(shape.kind, shape.coordinates, shape.label, shape.reason) for shape in shapes]


def compressed(counts):
    """Counts as pycocotools writes them."""
    text = ""
    for index, count in enumerate(counts):
        value, more = count - (counts[index - 2] if index > 2 else 0), True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
    return text


class TestVoc:
    HEAD = "<annotation><filename>a.png</filename>"

    def test_it_counts_from_one_and_includes_the_last_pixel(self, read):
        box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>640</xmax><ymax>480.0</ymax></bndbox>"
        source = "<source><annotation>Aino Lehtonen</annotation></source>"
        shape = read(f"{self.HEAD}<object><name>BLA</name>{box}</object>{source}</annotation>", size=(640, 480))[0]
        assert (shape.box, shape.label, shape.image) == ((0, 1, 640, 480), "BLA", "a.png")
        assert (shape.annotator, shape.annotation, shape.reason) == ("Aino Lehtonen", "0", "")

    def test_parts_and_decimal_commas(self, read):
        def box(*sides):
            sides = zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)
            return f"<bndbox>{''.join(f'<{name}> {side} </{name}>' for name, side in sides)}</bndbox>"

        part = f"<part><name>nucleus</name>{box(3, 3, 4, 4)}</part>"
        first = f"<object>{part}<name>BLA</name>{box('1,5', 2, '10.0', '2e1')}</object>"
        second = f"<object><bndbox/>{part}<name>LYT</name></object>"
        found = read(f"{self.HEAD}{first}{second}<object>{box(5, 5, 9, 9)}</object></annotation>")
        assert facts(found) == [
            ("box", (0.5, 1, 10, 20), "BLA", ""),
            ("", (), "", Reason.MALFORMED_RECORD),
            ("box", (4, 4, 9, 9), "", Reason.UNLABELLED),
        ]

    def test_a_click_has_no_area(self, read):
        box = "<bndbox><xmin>7</xmin><ymin>8</ymin><xmax>7</xmax><ymax>8</ymax></bndbox>"
        assert read(f"{self.HEAD}<object>{box}</object></annotation>")[0].reason == Reason.BOX_WITHOUT_AREA

    def test_an_object_without_numbers_is_not_lost(self, read):
        shapes = read(f"{self.HEAD}<object/><object><bndbox><xmin>x</xmin></bndbox></object></annotation>")
        assert [shape.reason for shape in shapes] == [Reason.MALFORMED_RECORD] * 2


class TestCoco:
    def test_boxes_polygons_and_points(self, read):
        found = read(
            coco(
                {"id": 11, "image_id": 1, "category_id": 3, "bbox": [1, 2, 30, 40]},
                {"id": 12, "image_id": 1, "category_id": 3, "bbox": [0, 0, 9, 9], "segmentation": [list(RING)]},
                {"id": 13, "image_id": 1, "category_id": 3, "segmentation": [[0, 0, 5, 0, 5, 5], [7, 7, 9, 7, 9, 9]]},
                {"id": 14, "image_id": 1, "category_id": 3, "keypoints": [1, 2, 2, 0, 0, 0, 5, 6, 1]},
            )
        )
        assert facts(found) == [
            ("box", (1, 2, 31, 42), "BLA", ""),
            ("polygon", RING, "BLA", ""),
            ("box", (0, 0, 9, 9), "BLA", ""),
            ("point", (1, 2), "BLA", ""),
            ("point", (5, 6), "BLA", ""),
        ]
        assert [shape.annotation for shape in found] == ["11", "12", "13", "14.0", "14.1"]
        assert {shape.image for shape in found} == {"train/a.png"}

    def test_names_may_stand_behind_the_shapes(self, read):
        text = '{"annotations": [{"image_id": 1, "category_id": 3.0, "bbox": [1, 2, 3, 4]}],'
        text += '"info": {"contributor": "A"}, "categories": [{"name": "BLA", "id": 3}],'
        shape = read(text + '"images": [{"file_name": "a.png", "id": 1}]}')[0]
        assert (shape.label, shape.image, shape.annotation) == ("BLA", "a.png", "0")

    @pytest.mark.parametrize(
        ("mask", "box"),
        [
            ({"size": [4, 5], "counts": [5, 2, 2, 2, 9]}, (1, 1, 3, 3)),
            ({"size": [4, 5], "counts": [6, 5, 9]}, (1, 0, 3, 4)),
            ({"size": [4, 5], "counts": [0, 20]}, (0, 0, 5, 4)),
        ],
    )
    def test_masks_count_as_their_box(self, read, mask, box):
        shape = read(coco({"image_id": 1, "category_id": 3, "segmentation": mask}))[0]
        assert (shape.kind, shape.box) == ("box", box)

    @given(st.lists(st.integers(0, 1 << 20), max_size=9))
    def test_compressed_counts(self, counts):
        assert counts_of(compressed(counts)) == counts

    def test_results_of_a_model(self, read):
        shape = read(json.dumps([{"image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}]))[0]
        assert (shape.box, shape.label, shape.image) == ((1, 2, 4, 6), "3", "9")
        assert dict(shape.facts) == {"confidence": 0.5, "annotator_kind": "model"}

    def test_only_the_image_that_is_meant(self, read):
        images = [{"id": n, "file_name": name} for n, name in enumerate(("x/a.png", "x/b.png", "c.png", "a.jpg"))]
        text = coco(*({"image_id": n, "bbox": [n, n, 9, 9]} for n in (0, 1, 3)), images=images)
        assert [shape.image for shape in read(text, "b.tif")] == ["x/b.png"]
        assert [shape.image for shape in read(text, "a.png")] == ["x/a.png"]
        assert read(text, "c.png") == []
        assert len(read(text)) == 3

    def test_folders_tell_images_of_one_name_apart(self, read):
        images = [{"id": n, "file_name": name} for n, name in enumerate(("train/a.png", "val/a.png"))]
        text = coco(*({"image_id": n, "bbox": [n, n, 9, 9]} for n in (0, 1)), images=images)
        assert [shape.image for shape in read(text, "/data/val/a.png")] == ["val/a.png"]
        with pytest.raises(BadInput) as problem:
            read(text, "/data/a.png")
        assert problem.value.reason is Reason.SCAN_AMBIGUOUS

    def test_a_malformed_one_keeps_its_id(self, read):
        shapes = ({"id": n, "image_id": 1, "bbox": box} for n, box in ((3, [1, 2, 30, 40]), (4, [1]), (1, [5] * 4)))
        assert [shape.annotation for shape in read(coco(*shapes))] == ["3", "4", "1"]

    def test_a_file_about_other_scans_is_refused(self, read):
        images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]
        with pytest.raises(BadInput) as problem:
            read(coco({"image_id": 1, "bbox": [1, 2, 30, 40]}, images=images), "c.png")
        assert problem.value.reason is Reason.SCAN_MISSING

    @pytest.mark.parametrize(
        "annotation",
        [
            *({"image_id": 1, "bbox": box} for box in ([1, 2, 3], "abcd", {"x": 1}, [1, 2, 3, None], 5, [1e999] * 4)),
            *({"segmentation": {"size": [3, 3], "counts": counts}} for counts in ([-1, 9], [1, 99], "~", [9])),
            *(None, 7, [], {"image_id": 1}, {"keypoints": [1, 2]}, {"keypoints": [1, 2, 0]}),
        ],
    )  # fmt: skip
    def test_a_malformed_one_is_not_lost(self, read, annotation):
        found = read(coco(annotation, {"image_id": 1, "bbox": [1, 2, 30, 40]}))
        assert [shape.reason for shape in found] == [Reason.MALFORMED_RECORD, ""]

    def test_an_image_that_the_file_does_not_list(self, read):
        found = read(coco({"image_id": 9, "bbox": [1, 2, 30, 40]}, {"image_id": 1, "bbox": [1, 2, 30, 40]}), "a.png")
        assert [shape.reason for shape in found] == [Reason.MALFORMED_RECORD, ""]

    def test_crowds_and_numbers_as_text(self, read):
        mask = {"size": [4, 5], "counts": [5, 2, 2, 2, 9]}
        crowd = {"image_id": "1", "category_id": "3", "iscrowd": 1, "segmentation": mask, "bbox": ["1.5", "1", 2, 2e0]}
        assert facts(read(coco(crowd))) == [("box", (1.5, 1, 3.5, 3), "BLA", "")]


class TestYolo:
    def test_a_polygon_with_its_confidence(self, read):
        shape = read("1 0.1 0.1 0.2 0.1 0.2 0.2 0.75\n", size=(1000, 500))[0]
        assert shape.coordinates == pytest.approx((100, 50, 200, 50, 200, 100))
        assert (shape.facts["confidence"], shape.facts["annotator_kind"]) == (0.75, "model")

    def test_centres_and_polygons(self, read, tmp_path):
        (tmp_path / "data.yaml").write_text("names: {0: BLA, 1: LYT}")
        found = read("0 0.5 0.5 0.2 0.1\n\n1 0.1 0.1 0.2 0.1 0.2 0.2\n5 0.5 0.5 0.1 0.1 0.9\n", size=(1000, 500))
        assert [shape.label for shape in found] == ["BLA", "LYT", "5"]
        assert [shape.kind for shape in found] == ["box", "polygon", "box"]
        assert found[0].box == pytest.approx((400, 225, 600, 275))
        assert found[1].coordinates == pytest.approx((100, 50, 200, 50, 200, 100))
        assert found[2].facts["confidence"] == 0.9

    def test_the_size_comes_from_the_image_beside(self, read, tmp_path):
        Image.new("RGB", (200, 100)).save(tmp_path / "scan.png")
        assert read("0 0.5 0.5 0.5 0.5\n")[0].box == (50, 25, 150, 75)

    def test_or_from_the_folder_of_images(self, read, tmp_path):
        for folder in ("images/train", "labels/train"):
            (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (200, 100)).save(tmp_path / "images/train/scan.png")
        (tmp_path / "data.yaml").write_text("names: [BLA]")
        shape = read("0 0.5 0.5 0.5 0.5\n", name="labels/train/scan.txt")[0]
        assert (shape.box, shape.label) == ((50, 25, 150, 75), "BLA")

    def test_without_a_size_it_has_no_place(self, read):
        assert [s.reason for s in read("0 0.5 0.5 0.5 0.5\n")] == [Reason.PLACE_UNKNOWN]

    def test_a_broken_line_is_not_lost(self, read):
        found = read("0 0.5 0.5 0.5 0.5\nx\n0 0.1 0.1 nan 0.1\n0 0.2 0.2 0.2 0.2\n0 0.2 0.2 0.1", size=(99, 99))
        assert [bool(shape.reason) for shape in found] == [False, True, True, False, True]


class TestTable:
    @pytest.mark.parametrize(
        ("header", "row", "box"),
        [
            ("X_min,Y min,xMax,YMAX", "1,2,31,42", (1, 2, 31, 42)),
            ("x1,y1,x2,y2", "1,2,31,42", (1, 2, 31, 42)),
            ("x0,y0,x1,y1", "1,2,31,42", (1, 2, 31, 42)),
            ("left,top,width,height", "1,2,30,40", (1, 2, 31, 42)),
            ("x;y;w;h", "1,0;2;30;40", (1, 2, 31, 42)),
            ("center_x\tcenter_y\twidth\theight", "16\t22\t30\t40", (1, 2, 31, 42)),
            ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,640,480,RBC,1,2,31,42", (1, 2, 31, 42)),
            ("xmin,ymin,xmax,ymax", "9,9,1,1", (1, 1, 9, 9)),
            ("X (px),Y (px),name", "3.5,4,RBC", (3.5, 4, 3.5, 4)),
            ("x y label", "3 4 RBC", (3, 4, 3, 4)),
            ('"centroid_x"|"centroid_y"', "3|4", (3, 4, 3, 4)),
            ("x,y,label", '"3,5","4,25",RBC', (3.5, 4.25, 3.5, 4.25)),
            ("sep=;\nx;y", "3;4", (3, 4, 3, 4)),
            ("# made by hand\n# in March\nX,Y", "3,4", (3, 4, 3, 4)),
            ("x,y,label", "3,4,RBC,,", (3, 4, 3, 4)),
            ("Column;Row;class", "3,5;4;RBC", (3.5, 4, 3.5, 4)),
        ],
    )
    def test_columns_by_their_names(self, read, header, row, box):
        assert read(f"{header}\n{row}\n")[0].box == box

    @pytest.mark.parametrize("row", ['"1,234","5"', "1,2,3", "1", '"1,2,3",4'])
    def test_what_is_not_clear_is_not_guessed(self, read, row):
        assert [shape.reason for shape in read(f"x,y\n{row}\n")] == [Reason.MALFORMED_RECORD]

    def test_fractions_need_the_size(self, read):
        text = "image,xmin,ymin,xmax,ymax,label\na.png,0,0.1,0.5,1\na.png,0,0.1,0.5,1,rbc\n"
        assert [s.reason for s in read(text)] == [Reason.MALFORMED_RECORD, Reason.PLACE_UNKNOWN]
        assert read(text, size=(100, 50))[1].box == (0, 5, 50, 50)

    def test_fractions_may_reach_a_little_beyond(self, read):
        text = "x,y\n0.5,0.5\n0.25,0.75\n1.002,0.5\n"
        found = read(text, size=(100, 50))
        assert [shape.box[:2] for shape in found] == [(50, 25), (25, 37.5), (pytest.approx(100.2), 25)]
        assert [shape.reason for shape in found] == ["", "", Reason.OUTSIDE_SCAN]

    def test_a_bounding_rectangle_is_the_box_and_not_the_centroid(self, read):
        text = "Area,Mean,X,Y,BX,BY,Width,Height\n90,12,110.5,120.5,100,110,20,21\n"  # as ImageJ writes
        assert [shape.box for shape in read(text)] == [(100, 110, 120, 131)]

    def test_the_size_of_the_image_is_none_of_its_shapes(self, read):
        text = "filename,width,height,class,x,y\na.png,600,400,BLA,100,120\na.png,600,400,BLA,10,12\n"
        assert [(shape.kind, shape.box[:2]) for shape in read(text)] == [("point", (100, 120)), ("point", (10, 12))]
        apart = text.replace("600,400,BLA,10,", "20,30,BLA,10,")
        assert [shape.box for shape in read(apart)] == [(100, 120, 700, 520), (10, 12, 30, 42)]

    def test_a_row_that_cannot_be_read_keeps_its_id(self, read):
        found = read("id,x,y\n7,10,10\n8,,20\n1,50,60\n")
        assert [shape.annotation for shape in found] == ["7", "8", "1"]

    def test_a_position_gives_way_to_an_id(self, read):
        found = read("id,x,y\n7,10,10\n,20,20\n1,50,60\n")
        assert [shape.annotation for shape in found] == ["7", "1#1", "1"]

    def test_only_the_scan_that_is_meant(self, read):
        text = "slide,x,y,class,id\nA/1.svs,1,2,BLA,p\n2.svs,3,4,BLA,q\n"
        assert [(shape.box[0], shape.annotation) for shape in read(text, "1.svs")] == [(1, "p")]

    @pytest.mark.parametrize("text", ["1,2,3,4\n5,6,7,8\n", "a,b\n1,2\n", "10 20 3\n", "Read me.\n", "x\n1\n"])
    def test_a_table_without_header_is_refused(self, read, text):
        with pytest.raises(BadInput) as caught:
            read(text)
        assert caught.value.reason == Reason.HEADER_MISSING


class TestGeojson:
    def test_a_mark_of_utf8_whatever_stands_where_the_first_look_ends(self, read):
        for more in range(4):
            text = json.dumps([feature("Point", [1, 2], id="é" * 4096 + "x" * more)], ensure_ascii=False)
            assert [shape.box[:2] for shape in read("\ufeff" + text)] == [(1, 2)]

    def test_facts_of_any_kind(self, read):
        odd = feature("Point", [1, 2], properties={"metadata": {"round": [1, 2]}})
        assert [shape.box[:2] for shape in read(json.dumps([odd]))] == [(1, 2)]

    def test_as_qupath_writes(self, read):
        hole = [[2, 2], [4, 2], [4, 4], [2, 2]]
        found = read(
            json.dumps(
                [
                    feature("Polygon", [SQUARE, hole], id="u-1", properties={"classification": {"names": ["A", "B"]}}),
                    feature("MultiPolygon", [[hole], [SQUARE, hole]], id="PathAnnotationObject"),
                    feature("MultiPoint", [[1, 2], [3, 4]], id="u-2", properties={"classification": "C"}),
                    feature("LineString", [[1, 2], [30, 40]], properties={"classification": {"name": "D"}}),
                ]
            )
        )
        assert facts(found) == [
            ("polygon", RING, "A: B", ""),
            ("polygon", RING, "", Reason.UNLABELLED),
            ("point", (1, 2), "C", ""),
            ("point", (3, 4), "C", ""),
            ("line", (1, 2, 30, 40), "D", Reason.BOX_WITHOUT_AREA),
        ]
        assert [shape.annotation for shape in found] == ["u-1", "1", "u-2.0", "u-2.1", "4"]

    @pytest.mark.parametrize(
        "geometry",
        [
            None, 5, [], {}, {"type": "Point"}, {"type": "Point", "coordinates": "ab"},
            {"type": "Point", "coordinates": [1]}, {"type": "Point", "coordinates": [10**400, 1]},
            {"type": "Polygon", "coordinates": [[["1", {}]]]}, {"type": "Polygon", "coordinates": {"a": 1}},
            {"type": "Polygon", "coordinates": [[]]}, {"type": ["Point"], "coordinates": [1, 2]},
        ],
    )  # fmt: skip
    def test_a_malformed_one_is_not_lost(self, read, geometry):
        features = [{"type": "Feature", "geometry": geometry}, feature("Point", [1, 2])]
        found = read(json.dumps({"type": "FeatureCollection", "features": features}))
        assert [shape.reason for shape in found] == [Reason.MALFORMED_RECORD, ""]

    @pytest.mark.parametrize(
        ("kind", "coordinates", "expected"),
        [
            ("MultiPolygon", [[SQUARE], [[[20, 5], [22, 5], [22, 9]]]], ("box", (0, 0, 22, 10))),
            ("MultiPolygon", [[SQUARE]], ("polygon", RING)),
            ("MultiLineString", [[[1, 2], [3, 4]], [[5, 6], [7, 9]]], ("line", (1, 2, 3, 4, 5, 6, 7, 9))),
        ],
    )
    def test_several_parts_are_one_shape(self, read, kind, coordinates, expected):
        geometry = {"type": kind, "coordinates": coordinates}
        collection = {"type": "GeometryCollection", "geometries": [geometry, {"type": "Point", "coordinates": [1, 1]}]}
        found = read(json.dumps([feature("Point", [1, 2]), {"type": "Feature", "geometry": geometry}]))
        assert (found[1].kind, found[1].coordinates) == expected
        (shape,) = read(json.dumps([{"type": "Feature", "geometry": collection}]))
        assert (shape.kind, shape.coordinates) == (expected if expected[0] != "line" else ("point", (1, 1)))

    @pytest.mark.parametrize("geometries", [None, [], [7], [{"type": "Point"}]])
    def test_a_malformed_collection_is_not_lost(self, read, geometries):
        collection = {"type": "GeometryCollection", "geometries": geometries}
        assert [s.reason for s in read(json.dumps([{"type": "Feature", "geometry": collection}]))] == [
            Reason.MALFORMED_RECORD
        ]

    def test_a_number_of_a_million_digits(self, read):
        text = json.dumps([feature("Point", [1, 7]), feature("Point", [1, 2])]).replace("7", "7" * 1_000_000)
        assert [shape.reason for shape in read(text)] == [Reason.MALFORMED_RECORD, ""]


class TestAsap:
    def test_kinds_groups_and_order(self, read):
        def item(kind, *points, group="BLA"):
            places = "".join(f'<Coordinate Order="{n}" X="{x}" Y="{y}"/>' for n, x, y in points)
            return (
                f'<Annotation Type="{kind}" PartOfGroup="{group}"><Coordinates>\n {places}</Coordinates></Annotation>'
            )

        square = [(3, 0, 10), (1, 10, 0), (2, 10, 10), (0, 0, 0)]
        items = [
            *(item("Polygon", *square), item("Spline", *square, group="None"), item("Rectangle", *square)),
            *(item("PointSet", (0, "1,5", 2), (1, 3, 4)), item("Measurement", (0, 1, 2), (1, 9, 9))),
            *(item("Dot"), item("Star", *square), item("Dot", (0, "x", 1)), item("Dot", ("a", 1, 1))),
        ]
        text = (
            f"<?xml version='1.0'?>\n<ASAP_Annotations><Annotations>{''.join(items)}</Annotations></ASAP_Annotations>"
        )
        found = read(text)
        assert facts(found)[:6] == [
            ("polygon", RING, "BLA", ""),
            ("polygon", RING, "", Reason.UNLABELLED),
            ("box", (0, 0, 10, 10), "BLA", ""),
            ("point", (1.5, 2), "BLA", ""),
            ("point", (3, 4), "BLA", ""),
            ("line", (1, 2, 9, 9), "BLA", Reason.BOX_WITHOUT_AREA),
        ]
        assert [shape.reason for shape in found[6:]] == [Reason.MALFORMED_RECORD] * 4


def test_an_id_that_comes_again_is_told_apart(read):
    found = read("id,x,y\na,1,2\na,3,4\n,5,6\n")
    assert [shape.annotation for shape in found] == ["a", "a#1", "2"]
    assert pickle.loads(pickle.dumps(found)) == found


class TestJson:
    @pytest.mark.parametrize(
        ("text", "count"),
        [
            ('{"features": [], "a": {"b": [1]}, "type": "FeatureCollection"}', 0),
            ('{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}', 1),
            ('{"geometry": {"type": "Point", "coordinates": [1, 2]}, "type": "Feature"}\n', 1),
            (' [ {"type": "Feature"} , 7 ] ', 2),
            ('{"annotations": [ ], "categories": []}', 0),
            ('{"annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}', 1),
            ('{"images": [], "annotations": [5], "x": 1}', 1),
        ],
    )
    def test_members_in_any_order(self, read, text, count):
        assert len(read(text)) == count
