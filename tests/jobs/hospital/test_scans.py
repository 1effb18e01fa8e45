"""Slides open everywhere, and level 0 is what was drawn."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import openslide
import pydicom
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import parse_basic_offsets
from wsidicom import WsiDicom

from jobs.hospital import deliver
from jobs.hospital.cases import plan
from jobs.hospital.plan import Hospital, Scan
from jobs.hospital.pyramid import reduced
from jobs.hospital.section import paint_section
from jobs.hospital.smear import paint_smear


@pytest.fixture(scope="module")
def hospital() -> Hospital:
    return plan(4, 1, 60)


@pytest.fixture(scope="module")
def landing(hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landing")
    deliver.render_all(hospital.scans, folder, 1, None)
    return folder


def scans(hospital: Hospital, source: str, kind: str) -> list[Scan]:
    return [scan for scan in hospital.scans if (scan.source, scan.kind) == (source, kind)]


def painted(scan: Scan) -> NDArray[np.uint8]:
    return paint_section(scan) if scan.kind == "section" else paint_smear(scan)


def differs(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize(("source", "vendor"), [("helsinki", "dicom"), ("munich", "aperio")])
@pytest.mark.parametrize("kind", ["smear", "section"])
def test_openslide(hospital: Hospital, landing: Path, source: str, vendor: str, kind: str) -> None:
    scan = scans(hospital, source, kind)[0]
    drawn = painted(scan)
    with openslide.OpenSlide(landing / scan.files[0]) as slide:
        assert slide.properties["openslide.vendor"] == vendor
        assert slide.dimensions == (scan.width, scan.height)
        assert slide.level_count == 2
        assert {"label", "macro"} <= set(slide.associated_images)
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(scan.um)
        assert slide.properties["openslide.objective-power"] == "40"
        read = [
            np.asarray(slide.read_region((0, 0), n, size))[..., :3] for n, size in enumerate(slide.level_dimensions)
        ]
    assert differs(read[0], drawn) < 4
    assert differs(read[1], reduced(drawn)) < 9  # chroma at half the resolution counts for more here


def test_wsidicom(hospital: Hospital, landing: Path) -> None:
    scan = scans(hospital, "helsinki", "smear")[0]
    drawn = painted(scan)
    with WsiDicom.open(landing / scan.path) as slide:
        assert [(level.size.width, level.size.height) for level in slide.levels] == [
            (scan.width, scan.height),
            (scan.width // 4, scan.height // 4),
        ]
        assert slide.mpp.width == pytest.approx(scan.um)
        assert slide.labels
        assert slide.overviews
        assert slide.read_label().size == (320, 320)
        region = np.asarray(slide.read_region((0, 0), 0, (scan.width, scan.height)))
    assert differs(region, drawn) < 4


def test_pydicom(hospital: Hospital, landing: Path) -> None:
    scan = scans(hospital, "helsinki", "smear")[0]
    drawn = painted(scan)
    files = [pydicom.dcmread(landing / path) for path in scan.files]
    assert [file.ImageType[2] for file in files] == ["VOLUME", "VOLUME", "LABEL", "OVERVIEW"]
    assert len({file.SeriesInstanceUID for file in files}) == 1
    assert len({file.SOPInstanceUID for file in files}) == 4
    for file in files:
        assert file.DimensionOrganizationType == "TILED_FULL"
        assert str(file.PatientName) == scan.person.dicom_name
        offsets = parse_basic_offsets(file.PixelData)
        assert len(offsets) == file.NumberOfFrames
    first = files[0].pixel_array[0]
    assert differs(first, drawn[:256, :256]) < 4


def test_dicom_header_names_the_patient_at_every_depth(hospital: Hospital, landing: Path) -> None:
    scan = scans(hospital, "helsinki", "smear")[0]
    header, person = pydicom.dcmread(landing / scan.files[0]), scan.person
    private = header.private_block(0x0109, "ISOSCAN LIS LINK")
    assert private[0x02].value == person.national_id
    inner = private[0x10].value[0]
    assert inner.private_block(0x0109, "ISOSCAN LIS LINK")[0x11].value == person.laboratory
    assert header.OtherPatientIDsSequence[0].PatientID == person.national_id
    assert person.phone in header.PatientComments
    assert header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0] == pytest.approx(
        scan.um / 1000
    )


def test_header_is_of_standard_types(hospital: Hospital, landing: Path) -> None:
    """Nothing in it that pydicom would warn about on reading with strict validation."""
    pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
    try:
        for path in scans(hospital, "helsinki", "section")[0].files:
            for element in pydicom.dcmread(landing / path).iterall():
                assert element.VR != "UN"
    finally:
        pydicom.config.settings.reading_validation_mode = pydicom.config.WARN


def test_svs_pages_are_in_aperios_order(hospital: Hospital, landing: Path) -> None:
    scan = scans(hospital, "munich", "smear")[0]
    with tifffile.TiffFile(landing / scan.path) as tiff:
        assert tiff.is_svs
        assert [page.is_tiled for page in tiff.pages] == [True, False, True, False, False]
        told = [page.tags["ImageDescription"].value for page in tiff.pages]
    assert told[0].startswith("Aperio Image Library v")
    assert "|User = Roland Aschenbrenner|" in told[0]
    assert "\r\nlabel " in told[3]
    assert "\r\nmacro " in told[4]


def test_fields_are_what_was_drawn(hospital: Hospital, landing: Path) -> None:
    for scan in scans(hospital, "munich", "field"):
        read = np.asarray(Image.open(landing / scan.path))
        assert differs(read, painted(scan)) < 5


def test_overlapping_fields_show_the_same_canvas(hospital: Hospital) -> None:
    pair = next(pair for pair in hospital.duplicates if pair.kind == "overlapping")
    a, b = painted(pair.a), painted(pair.b)
    left, top = pair.b.canvas.left, pair.b.canvas.top
    assert np.array_equal(a[top:, left:], b[: a.shape[0] - top, : a.shape[1] - left])
    shared = {cell.seed for cell in pair.a.cells} & {cell.seed for cell in pair.b.cells}
    assert shared
    assert replace(pair.a, name="other").canvas == pair.a.canvas


def test_a_truncated_file_is_told_by_pydicom(tmp_path: Path) -> None:
    from jobs.hospital.build import build

    build(tmp_path / "h", patients=4, cells=60, seed=9)
    cut = next((tmp_path / "h/landing/helsinki/2024-03-04_001/slides").glob("*-C3/1.dcm"))
    file = pydicom.dcmread(io.BytesIO(cut.read_bytes()), stop_before_pixels=True)
    assert file.NumberOfFrames > 1
    with pytest.raises(Exception, match=r"."):
        _ = pydicom.dcmread(cut).pixel_array
