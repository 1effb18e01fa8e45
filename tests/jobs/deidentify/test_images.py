"""DICOM files: nothing planted is left, pixels are equal, and what science needs is still there."""

from __future__ import annotations

import logging
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from jobs.deidentify.images import deidentify_dicom, deidentify_image
from jobs.deidentify.pixel_ranges import pixel_ranges
from jobs.deidentify.rescan import find
from jobs.errors import BadInput
from jobs.pseudonyms import Pseudonyms
from schemas.reasons import Reason
from tests.jobs.deidentify.planting import TOKEN, planted

SHIFT = -40


@pytest.fixture(autouse=True)
def quiet():
    """The damaged files among pydicom's make it warn."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def cleaned(data: bytes, pseudonyms, patient="p1"):
    target = BytesIO()
    entries = deidentify_dicom(BytesIO(data), target, pseudonyms, patient, SHIFT)
    return target.getvalue(), entries


@pytest.fixture
def slide(real_data: Path) -> bytes:
    return (real_data / "highdicom_sm/data/test_files/sm_image.dcm").read_bytes()


def test_no_planted_token_is_left_at_any_depth(dicom_files, pseudonyms):
    passed = tokens = 0
    for path in dicom_files:
        try:
            data, count = planted(path.read_bytes())
        except ValueError:  # a transfer syntax that pydicom cannot write
            continue
        try:
            output, entries = cleaned(data, pseudonyms)
        except BadInput:
            continue
        passed, tokens = passed + 1, tokens + count
        assert TOKEN.lower().encode() not in output.lower(), path.name
        assert not find(BytesIO(output), [f"{TOKEN}{n:05d}" for n in range(1, 20)]), path.name
        assert TOKEN.lower() not in str(entries).lower(), path.name
    assert passed > 100
    assert tokens > 100_000


def test_decoded_pixels_are_equal(dicom_files, pseudonyms):
    compared = 0
    for path in dicom_files:
        data = path.read_bytes()
        try:
            output, _ = cleaned(data, pseudonyms)
            before = pydicom.dcmread(BytesIO(data), force=True).pixel_array
        except Exception:
            continue
        assert np.array_equal(before, pydicom.dcmread(BytesIO(output)).pixel_array), path.name
        compared += 1
    assert compared > 70


def test_few_files_are_refused_and_each_with_a_reason(dicom_files, pseudonyms):
    refused = {}
    for path in dicom_files:
        try:
            cleaned(path.read_bytes(), pseudonyms)
        except BadInput as error:
            refused[path.name] = error.reason
    assert refused["DICOMDIR"] is Reason.NOT_REWRITABLE
    assert refused["MR_truncated.dcm"] is Reason.TRUNCATED
    assert refused["3gb-bulk-data-truncated"] is Reason.TRUNCATED
    assert len(refused) < 10


def test_a_slide_keeps_what_science_needs(slide, pseudonyms):
    before = pydicom.dcmread(BytesIO(slide))
    after = pydicom.dcmread(BytesIO(cleaned(slide, pseudonyms)[0]))
    for keyword in ("SOPClassUID", "Rows", "Columns", "TotalPixelMatrixColumns", "ImagedVolumeWidth", "ImageType",
                    "PhotometricInterpretation", "DimensionOrganizationType", "PatientSex"):  # fmt: skip
        assert after[keyword].value == before[keyword].value, keyword
    measures = [d.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing for d in (before, after)]
    assert measures[0] == measures[1]
    assert _codes(after) >= {code for code in _codes(before) if not code[1].startswith("99")} - {("", "")}
    assert after.PatientName == after.PatientID == pseudonyms.key_for("patient", "p1")
    assert after.PatientIdentityRemoved == "YES"
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "113100" in {item.CodeValue for item in after.DeidentificationMethodCodeSequence}


def _codes(dataset) -> set[tuple[str, str]]:
    codes = set()
    for element in dataset.iterall():
        if element.VR == "SQ":
            codes |= {(i.CodeValue, i.CodingSchemeDesignator) for i in element.value if "CodeValue" in i}
    return codes


def test_patients_stay_linked_and_intervals_hold(slide, pseudonyms):
    first = pydicom.dcmread(BytesIO(slide))
    first.StudyDate, first.ContentDate = "20200131", "20200302"
    first.AcquisitionDateTime = "20200131235959.5+0200"
    first.StudyTime = "235959"
    outputs = []
    for study in ("1", "2"):
        first.StudyID = study
        data = BytesIO()
        first.save_as(data)
        outputs.append(pydicom.dcmread(BytesIO(cleaned(data.getvalue(), pseudonyms)[0])))
    one, two = outputs
    assert one.PatientID == two.PatientID
    assert one.SOPInstanceUID == two.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
    assert one.StudyID != two.StudyID
    assert (one.StudyDate, one.ContentDate) == ("20191222", "20200122")
    assert one.AcquisitionDateTime == "20191222230000+0200"
    assert one.StudyTime == "230000"
    other = pydicom.dcmread(BytesIO(cleaned(slide, pseudonyms, "p2")[0]))
    assert other.PatientID != one.PatientID


def test_file_meta_and_preamble_are_written_anew(slide, pseudonyms):
    before = pydicom.dcmread(BytesIO(slide))
    before.preamble = b"Lehtonen".ljust(128, b"\0")
    before.file_meta.SourceApplicationEntityTitle = "LEHTONEN"
    data = BytesIO()
    before.save_as(data)
    output, entries = cleaned(data.getvalue(), pseudonyms)
    assert output[:132] == bytes(128) + b"DICM"
    after = pydicom.dcmread(BytesIO(output))
    assert "SourceApplicationEntityTitle" not in after.file_meta
    assert after.file_meta.ImplementationVersionName == "HEMALAKE_1"
    assert {entry.path for entry in entries} >= {"preamble", "(0002,0016)"}


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("ImageType", ["ORIGINAL", "PRIMARY", "LABEL", "NONE"], Reason.LABEL_IMAGE),
        ("ImageType", ["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"], Reason.OVERVIEW_IMAGE),
        ("SpecimenLabelInImage", "YES", Reason.LABEL_IMAGE),
    ],
)
def test_labels_and_overviews_are_refused(slide, pseudonyms, keyword, value, reason):
    dataset = pydicom.dcmread(BytesIO(slide))
    setattr(dataset, keyword, value)
    data = BytesIO()
    dataset.save_as(data)
    with pytest.raises(BadInput) as error:
        cleaned(data.getvalue(), pseudonyms)
    assert error.value.reason is reason


def test_a_slide_cut_anywhere_is_refused(slide, pseudonyms):
    for end in range(200, len(slide) - 1, 397):
        with pytest.raises(BadInput) as error:
            cleaned(slide[:end], pseudonyms)
        assert error.value.reason in (Reason.TRUNCATED, Reason.UNREADABLE)


def test_comments_in_frames_and_bytes_behind_them_go(pseudonyms):
    path = pydicom.data.get_testdata_file("SC_rgb_jpeg_dcmtk.dcm")
    dataset = pydicom.dcmread(path)
    (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    comment = b"\xff\xfe\x00\x0aLehtonen\xff\xe1\x00\x0aLehtonen"
    dataset.PixelData = pydicom.encaps.encapsulate([frame[:2] + comment + frame[2:] + b"Lehtonen"])
    data = BytesIO()
    dataset.save_as(data)
    output, _ = cleaned(data.getvalue() + b"Lehtonen", pseudonyms)
    assert b"Lehtonen" not in output
    assert np.array_equal(pydicom.dcmread(path).pixel_array, pydicom.dcmread(BytesIO(output)).pixel_array)


def test_offset_tables_point_at_the_cleaned_frames(real_data, pseudonyms):
    dataset = pydicom.dcmread(real_data / "highdicom_sm/data/test_files/sm_image_jpegls.dcm")
    count = int(dataset.NumberOfFrames)
    frames = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=count))
    noisy = [frame[:2] + b"\xff\xfe\x00\x0aLehtonen" * n + frame[2:] for n, frame in enumerate(frames)]
    for extended in (False, True):
        if extended:
            parts = pydicom.encaps.encapsulate_extended(noisy)
            dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = parts
        else:
            dataset.PixelData = pydicom.encaps.encapsulate(noisy, has_bot=True)
        data = BytesIO()
        dataset.save_as(data)
        after = pydicom.dcmread(BytesIO(cleaned(data.getvalue(), pseudonyms)[0]))
        table = after.get("ExtendedOffsetTable")
        extras = (table, after.ExtendedOffsetTableLengths) if table else None
        for n in range(count):
            frame = pydicom.encaps.get_frame(after.PixelData, n, number_of_frames=count, extended_offsets=extras)
            assert frame.rstrip(b"\0") == frames[n].rstrip(b"\0")


def test_openslide_reads_a_rewritten_slide(real_data, pseudonyms, tmp_path):
    openslide = pytest.importorskip("openslide")
    folder = real_data / "openslide_fixtures/tests/fixtures"
    for name in ("boxes_0.dcm", "boxes_1.dcm"):
        (tmp_path / name).write_bytes(cleaned((folder / name).read_bytes(), pseudonyms)[0])
    before, after = openslide.OpenSlide(folder / "boxes_0.dcm"), openslide.OpenSlide(tmp_path / "boxes_0.dcm")
    assert after.level_dimensions == before.level_dimensions
    for level, size in enumerate(before.level_dimensions):
        pictures = [np.asarray(slide.read_region((0, 0), level, size)) for slide in (before, after)]
        assert np.array_equal(*pictures)


def test_pixel_ranges_of_a_slide_cover_its_pixels(slide):
    (pixels,) = pixel_ranges(BytesIO(slide), "application/dicom")
    native = pydicom.dcmread(BytesIO(slide)).PixelData
    assert slide[pixels.start : pixels.stop].startswith(native)


def test_random_bytes_never_raise_anything_else(pseudonyms):
    source = np.random.default_rng(3)
    for _ in range(300):
        data = bytes(128) + b"DICM" + source.bytes(int(source.integers(0, 300)))
        with pytest.raises(BadInput):
            cleaned(data, pseudonyms)


def test_bytes_changed_at_random_never_raise_anything_else(slide, pseudonyms):
    source = np.random.default_rng(4)
    for _ in range(300):
        data = bytearray(slide[:9000])
        for place in source.integers(132, 9000, 4):
            data[place] = source.integers(0, 256)
        try:
            cleaned(bytes(data) + slide[9000:], pseudonyms)
        except BadInput:
            continue


def test_unknown_media_types_are_not_rewritable(pseudonyms):
    with pytest.raises(BadInput) as error:
        deidentify_image(BytesIO(b""), BytesIO(), media_type="x/y", pseudonyms=pseudonyms, patient_id="", shift_days=-1)
    assert error.value.reason is Reason.NOT_REWRITABLE


def test_pixels_stay_where_the_number_of_frames_cannot_be_read():
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.PixelData = dataset.PixelData * 3
    dataset.add_new(0x00280008, "LO", "3A")
    data = BytesIO()
    dataset.save_as(data)
    target = BytesIO()
    deidentify_dicom(data, target, Pseudonyms(bytes(32)), "p", -40)
    assert pydicom.dcmread(BytesIO(target.getvalue())).PixelData == dataset.PixelData
