"""DICOM annotations: graphic types, levels, frames and millimetres; checked against highdicom."""

from __future__ import annotations

import io
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.spatial import ImageToReferenceTransformer
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from jobs.annotations import read_shapes
from jobs.errors import BadInput
from schemas.reasons import Reason
from tests.jobs.annotations.writers import ann_group, ann_header, saved

SQUARE = np.array([(10, 20), (30, 20), (30, 50), (10, 50)], float)
TURNED = np.array([(20, 0), (40, 20), (20, 40), (0, 20)], float)
SPACING, ORIGIN = (0.0005, 0.00025), (20.5, 30.25)
"""Between rows and between columns, in mm; x and y of the first pixel's centre, in mm."""
ORIENTATION = [0.0, -1.0, 0.0, -1.0, 0.0, 0.0]


def ann(graphic, pieces, tmp_path: Path, header: Dataset | None = None, name: str = "BLA"):
    found = header or ann_header()
    found.AnnotationGroupSequence.append(ann_group(graphic, pieces, name, double=True))
    path = tmp_path / "annotations"
    path.write_bytes(saved(found))
    return path


def level(folder: Path, width: int, height: int, series: str, **more) -> Dataset:
    """A file of a whole slide without pixels: 64 x 32 tiles."""
    found = Dataset()
    found.SOPClassUID, found.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.77.1.6", generate_uid()
    found.SeriesInstanceUID, found.FrameOfReferenceUID = series, "1.2.3"
    found.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    found.Columns, found.Rows, found.TotalPixelMatrixColumns, found.TotalPixelMatrixRows = 64, 32, width, height
    found.NumberOfFrames = -(-width // 64) * -(-height // 32)
    origin, measures, shared = Dataset(), Dataset(), Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = ORIGIN
    measures.PixelSpacing = list(SPACING)
    shared.PixelMeasuresSequence = [measures]
    found.TotalPixelMatrixOriginSequence, found.SharedFunctionalGroupsSequence = [origin], [shared]
    found.ImageOrientationSlide = ORIENTATION
    for name, value in more.items():
        setattr(found, name, value)
    (folder / f"{found.SOPInstanceUID}.dcm").write_bytes(saved(found))
    return found


def refer(found: Dataset, image: Dataset, frame: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    if frame is not None:
        item.ReferencedFrameNumber = frame
        found.PixelOriginInterpretation = "FRAME"
    found.ReferencedImageSequence = [item]
    return found


@pytest.fixture
def slide(tmp_path):
    """A scan of two levels, of 1000 x 500 and 250 x 125 pixels, in its own folder."""
    folder = tmp_path / "slide"
    folder.mkdir()
    series = generate_uid()
    first, second = level(folder, 1000, 500, series), level(folder, 250, 125, series)
    level(folder, 4000, 4000, generate_uid())
    level(folder, 9000, 9000, series, ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM junk")
    return folder, first, second


def test_graphic_types(tmp_path):
    def one(graphic, *points):
        return [(s.kind, s.coordinates, s.reason) for s in read_shapes(ann(graphic, list(points), tmp_path))]

    assert one("POINT", SQUARE[:1], SQUARE[1:2]) == [("point", (10, 20), ""), ("point", (30, 20), "")]
    assert one("RECTANGLE", SQUARE) == [("box", (10, 20, 30, 50), "")]
    assert one("RECTANGLE", TURNED) == [("polygon", tuple(TURNED.ravel()), "")]
    assert one("POLYGON", SQUARE, TURNED[:3])[1] == ("polygon", tuple(TURNED[:3].ravel()), "")
    assert one("POLYLINE", SQUARE) == [("line", tuple(SQUARE.ravel()), Reason.BOX_WITHOUT_AREA)]
    assert one("POLYLINE", np.vstack([SQUARE, SQUARE[:1]])) == [("polygon", tuple(SQUARE.ravel()), "")]


@pytest.mark.parametrize("turn", [0, 0.3, 1, 2.5])
def test_the_box_of_an_ellipse_is_exact(tmp_path, turn):
    a, b = 4000, 1500
    axis = np.array([np.cos(turn), np.sin(turn)])
    side = np.array([-axis[1], axis[0]])
    ends = np.array([-a * axis, a * axis, -b * side, b * side]) + 5000
    reach = np.sqrt((a * axis) ** 2 + (b * side) ** 2)
    shape = read_shapes(ann("ELLIPSE", [ends], tmp_path))[0]
    assert shape.kind == "polygon"
    assert shape.box == pytest.approx((*(5000 - reach), *(5000 + reach)), abs=0.01)


def test_a_deflated_file_is_read_without_what_it_does_not_need(tmp_path):
    found = ann_header()
    found.AnnotationGroupSequence = [ann_group("POINT", [SQUARE[:1]], "BLA")]
    found.add_new(0x00091010, "OB", bytes(1 << 24))
    plain = pydicom.dcmread(io.BytesIO(saved(found)))
    plain.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    path = tmp_path / "deflated"
    plain.save_as(path)
    assert path.stat().st_size < 1 << 16
    assert [(s.coordinates, s.label, s.reason) for s in read_shapes(path)] == [((10, 20), "BLA", "")]
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(BadInput):
        read_shapes(path)


def test_what_a_group_says(tmp_path):
    shapes = read_shapes(ann("POINT", [SQUARE[:1], SQUARE[1:2]], tmp_path), size=(25, 100))
    assert [(s.annotation, s.label, s.annotator, s.image) for s in shapes] == [
        (f"1.{n}", "BLA", "Lehtonen^Aino", "scan") for n in (1, 2)
    ]
    assert [s.reason for s in shapes] == ["", Reason.OUTSIDE_SCAN]


def test_coordinates_of_another_level(tmp_path, slide):
    folder, first, second = slide
    path = ann("POLYGON", [SQUARE], tmp_path, refer(ann_header(), second))
    assert read_shapes(path, image=folder)[0].box == (40, 80, 120, 200)
    file = folder / f"{first.SOPInstanceUID}.dcm"
    assert read_shapes(path, image=file)[0].box == (40, 80, 120, 200)
    coarse = folder / f"{second.SOPInstanceUID}.dcm"
    assert read_shapes(path, image=coarse)[0].box == (10, 20, 30, 50)
    assert read_shapes(ann("POLYGON", [SQUARE], tmp_path, refer(ann_header(), first)), image=folder)[0].box == (
        10, 20, 30, 50,
    )  # fmt: skip


@pytest.mark.parametrize(("frame", "corner"), [(1, (0, 0)), (16, (15 * 64, 0)), (17, (0, 32)), (35, (2 * 64, 64))])
def test_coordinates_of_a_frame(tmp_path, slide, frame, corner):
    folder, first, _ = slide
    path = ann("POINT", [np.array([(3.5, 4.5)])], tmp_path, refer(ann_header(), first, frame))
    assert read_shapes(path, image=folder)[0].coordinates == (corner[0] + 3.5, corner[1] + 4.5)


def test_coordinates_of_a_frame_that_says_where_it_lies(tmp_path):
    plane, frame = Dataset(), Dataset()
    plane.ColumnPositionInTotalImagePixelMatrix, plane.RowPositionInTotalImagePixelMatrix = 65, 33
    frame.PlanePositionSlideSequence = [plane]
    image = level(tmp_path, 1000, 500, generate_uid(), PerFrameFunctionalGroupsSequence=[frame])
    path = ann("POINT", [np.array([(3.5, 4.5)])], tmp_path, refer(ann_header(), image, 1))
    assert read_shapes(path)[0].coordinates == (67.5, 36.5)


@pytest.mark.parametrize("common_z", [True, False])
def test_millimetres(tmp_path, slide, common_z):
    folder, first, _ = slide
    to_glass = ImageToReferenceTransformer((*ORIGIN, 0.0), ORIENTATION, SPACING)
    glass = to_glass(SQUARE)
    header = refer(ann_header("3D"), first)
    path = ann("POLYGON", [glass[:, :2] if common_z else glass, glass[:3, : 2 if common_z else 3]], tmp_path, header)
    if common_z:
        found = pydicom.dcmread(path)
        found.AnnotationGroupSequence[0].CommonZCoordinateValue = 0.0
        path.write_bytes(saved(found))
    shapes = read_shapes(path, image=folder)
    assert np.reshape(shapes[0].coordinates, (-1, 2)) == pytest.approx(SQUARE, abs=1e-6)
    assert np.reshape(shapes[1].coordinates, (-1, 2)) == pytest.approx(SQUARE[:3], abs=1e-6)


@pytest.mark.parametrize("kind", ["millimetres", "frame", "frame beyond"])
def test_without_the_scan_they_have_no_place_but_are_counted(tmp_path, slide, kind):
    folder, first, _ = slide
    header, width = ann_header("3D" if kind == "millimetres" else "2D"), 3 if kind == "millimetres" else 2
    refer(header, first, {"millimetres": None, "frame": 1, "frame beyond": 99_999}[kind])
    path = ann("POINT", [np.zeros((1, width))] * 3, tmp_path, header)
    shapes = read_shapes(path, image=folder if kind == "frame beyond" else None)
    assert [shape.reason for shape in shapes] == [Reason.PLACE_UNKNOWN] * 3


def test_of_an_image_that_is_not_at_hand_the_first_level_is_taken(tmp_path, slide):
    folder, first, _ = slide
    other = Dataset()
    other.SOPClassUID, other.SOPInstanceUID = first.SOPClassUID, generate_uid()
    path = ann("POINT", [SQUARE[:1]], tmp_path, refer(ann_header(), other))
    assert read_shapes(path, image=folder)[0].coordinates == (10, 20)


@pytest.mark.parametrize(
    "change",
    [
        {"LongPrimitivePointIndexList": np.array([1, 5], "<u4").tobytes() + b"\0"},
        {"LongPrimitivePointIndexList": np.array([1, 1], "<u4").tobytes()},
        {"LongPrimitivePointIndexList": np.array([9, 1], "<u4").tobytes()},
        {"LongPrimitivePointIndexList": np.array([1, 99], "<u4").tobytes()},
        {"DoublePointCoordinatesData": bytes(24)},
        {"GraphicType": "STAR"},
        {"NumberOfAnnotations": 3},
    ],
)
def test_a_malformed_group_is_counted(tmp_path, change):
    found = ann_header()
    found.AnnotationGroupSequence = [ann_group("POLYGON", [SQUARE, TURNED], "A", double=True) for _ in range(2)]
    for name, value in change.items():
        setattr(found.AnnotationGroupSequence[0], name, value)
    path = tmp_path / "annotations"
    path.write_bytes(saved(found))
    shapes = read_shapes(path)
    assert {s.reason for s in shapes[:-2]} == {Reason.MALFORMED_RECORD}
    assert [s.reason for s in shapes[-2:]] == ["", ""]


def test_points_that_are_no_numbers(tmp_path):
    shapes = read_shapes(ann("POINT", [np.array([(np.nan, 1)]), np.array([(1, 2)])], tmp_path))
    assert [s.reason for s in shapes] == [Reason.MALFORMED_RECORD, ""]


def test_highdicoms_own_file(real_data):
    path = real_data / "highdicom_sm" / "data" / "test_files" / "sm_annotations.dcm"
    shapes = read_shapes(path, image=path.parent)
    truth = highdicom.ann.MicroscopyBulkSimpleAnnotations.from_dataset(pydicom.dcmread(io.BytesIO(path.read_bytes())))
    points = [tuple(p.ravel()) for g in truth.get_annotation_groups() for p in g.get_graphic_data("2D")]
    assert [(s.coordinates, s.label, s.reason) for s in shapes] == [(point, "nuclei", "") for point in points]
