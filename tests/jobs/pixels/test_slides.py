"""Slides as they lie on a disk: folders of a series, planes, formats of OpenSlide, frames that others encoded."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from jobs.errors import BadInput, UsageError
from jobs.pixels.dicom_codecs import FrameDecoder
from jobs.pixels.open import open_scan, open_slide
from jobs.pixels.openslide import OpenSlideReader
from jobs.pixels.rgb import from_cielab
from schemas.reasons import Reason
from tests.jobs.pixels.conftest import by_wsidicom, sparse, stack, write_slide

LEICA = """<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">
<collection name="c" uuid="u" sizeX="512500" sizeY="384500"><image name="i" uuid="v"><creationDate>2012</creationDate>
<device model="Leica SCN400" version="1"/><pixels sizeX="1024" sizeY="768">
<dimension sizeX="1024" sizeY="768" r="0" ifd="0"/></pixels>
<view sizeX="512000" sizeY="384000" offsetX="0" offsetY="0" spacingZ="0"/><scanSettings><objectiveSettings>
<objective>20</objective></objectiveSettings><illuminationSettings><numericalAperture>0.5</numericalAperture>
<illuminationSource>brightfield</illuminationSource></illuminationSettings></scanSettings></image></collection></scn>"""
NATIVE = {"syntax": ExplicitVRLittleEndian, "photometric": "RGB"}


def kind(name: str):
    def change(dataset):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", name, "NONE"]

    return change


def test_a_folder_is_one_slide_without_its_label_and_other_files(tmp_path, make, whole):
    make.slide(tmp_path / "1.dcm", make.picture(51, 35))
    fine = make.slide(tmp_path / "2.dcm", make.picture())
    make.slide(tmp_path / "3.dcm", make.picture(40, 40), change=kind("LABEL"))
    make.slide(tmp_path / "4.dcm", make.picture(60, 40), change=kind("OVERVIEW"))
    (tmp_path / "notes.txt").write_text("of the scanner")
    with open_slide(tmp_path) as slide:
        assert [level.width for level in slide.levels] == [101, 51]
        assert np.array_equal(whole(slide), make.by_openslide(fine))


def test_a_folder_with_a_broken_level_is_refused(tmp_path, make):
    make.slide(tmp_path / "1.dcm", make.picture(51, 35))
    data = make.slide(tmp_path / "2.dcm", make.picture()).read_bytes()
    (tmp_path / "2.dcm").write_bytes(data[:150])
    with pytest.raises(BadInput), open_slide(tmp_path):
        pass


@pytest.mark.parametrize("end", range(0, 460, 4))
def test_a_folder_whose_finest_level_was_cut_off_is_refused(tmp_path, make, end):
    make.slide(tmp_path / "1.dcm", make.picture(51, 35))
    data = make.slide(tmp_path / "2.dcm", make.picture()).read_bytes()
    (tmp_path / "2.dcm").write_bytes(data[:end])
    with pytest.raises(BadInput), open_slide(tmp_path):
        pass


@pytest.mark.parametrize(
    "height", [lambda n: 1e-9 * (n % 2), lambda n: 3.5 + n % 2, lambda n: 0.1 * n], ids=["noise", "two", "each its own"]
)
def test_tiles_that_were_focused_one_by_one_are_one_plane(tmp_path, make, whole, height):
    pixels = make.picture()

    def change(dataset):
        sparse()(dataset)
        for n, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            group.PlanePositionSlideSequence[0].ZOffsetInSlideCoordinateSystem = height(n)

    make.slide(tmp_path / "a.dcm", pixels, change=change, **NATIVE)
    with open_slide(tmp_path) as slide:
        assert np.array_equal(whole(slide), pixels)
        assert not any(tile.absent for tile in slide.tiles(0))


def test_a_folder_of_two_series_is_wrong_use(tmp_path, make):
    def change(dataset):
        dataset.SeriesInstanceUID = "1.2.3"

    make.slide(tmp_path / "1.dcm", make.picture())
    make.slide(tmp_path / "2.dcm", make.picture(51, 35), change=change)
    with pytest.raises(UsageError, match="series"), open_slide(tmp_path):
        pass


@pytest.mark.parametrize(("name", "reason"), [("LABEL", Reason.LABEL_IMAGE), ("", Reason.UNKNOWN_FORMAT)])
def test_a_folder_without_a_slide(tmp_path, make, name, reason):
    if name:
        make.slide(tmp_path / "1.dcm", make.picture(), change=kind(name))
    with pytest.raises(BadInput) as problem, open_slide(tmp_path):
        pass
    assert problem.value.reason is reason


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize("path", [0, 1])
def test_each_focal_plane_and_optical_path(tmp_path, make, whole, plane, path):
    change, pictures = stack(3, 2)
    make.slide(tmp_path / "a.dcm", make.picture(), change=change, **NATIVE)
    with open_slide(tmp_path, focal_plane=float(plane), optical_path=str(path + 1)) as slide:
        found = whole(slide)
        assert (slide.info.focal_plane, slide.info.optical_path) == (plane, str(path + 1))
        assert len(slide.info.notes) == 2
    assert np.array_equal(found, pictures[path * 3 + plane])
    assert np.array_equal(found, by_wsidicom(tmp_path, z=float(plane), path=str(path + 1)))


def test_an_unknown_optical_path_is_refused(tmp_path, make):
    file = make.slide(tmp_path / "a.dcm", make.picture())
    with pytest.raises(UsageError, match="optical path"), open_slide(file, optical_path="9"):
        pass


def test_a_broken_tile_costs_itself_alone_where_openslide_reads(tmp_path, make):
    """After an error OpenSlide refuses whatever else is asked of the slide."""
    path = tmp_path / "leica.scn"
    tifffile.imwrite(
        path,
        make.picture(1024, 768),
        photometric="ycbcr",
        tile=(256, 256),
        compression="jpeg",
        description=LEICA,
        metadata=None,
    )
    with open_slide(path) as slide:
        whole = [slide.decode(tile) for tile in slide.tiles(0)]
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[0].dataoffsets[5], file.pages[0].databytecounts[5]
    data = path.read_bytes()
    path.write_bytes(data[:offset] + bytes(count) + data[offset + count :])
    with open_slide(path) as slide:
        for tile, pixels in zip(slide.tiles(0), whole, strict=True):
            if (tile.x, tile.y) == (256, 256):
                with pytest.raises(BadInput):
                    slide.decode(tile)
            else:
                assert np.array_equal(slide.decode(tile), pixels)


def test_trestle_s_tiles_overlap(tmp_path, make):
    path = tmp_path / "slide.tif"
    said = "Background Color=FFFFFF;White Balance=FFFFFF;Objective Power=20;JPEG Quality=95;OverlapsXY= 32 32;"
    tifffile.imwrite(
        path, make.picture(512, 384), photometric="ycbcr", tile=(128, 128), compression="jpeg", software="MedScan",
        description=said, metadata=None,
    )  # fmt: skip
    with open_slide(path) as slide:
        assert slide.size == (512 - 3 * 32, 384 - 2 * 32)


def test_a_concatenation_without_one_of_its_parts_is_refused(tmp_path):
    from tests.jobs.pixels.conftest import SCANS

    for path in SCANS["dicom concatenation"](tmp_path).paths:
        with pytest.raises(BadInput) as problem, open_slide(path):
            pass
        assert problem.value.reason is Reason.UNREADABLE


def test_absent_tiles_take_the_declared_background(tmp_path, whole):
    def change(dataset):
        sparse([5])(dataset)
        dataset.RecommendedAbsentPixelCIELabValue = [65535 * 60 // 100, 0x8080, 0x8080]

    path = write_slide(tmp_path / "a.dcm", np.zeros((70, 101, 3), np.uint8), change=change, **NATIVE)
    with open_slide(path) as slide:
        pixels = whole(slide)
        assert [tile.index for tile in slide.tiles(0) if tile.absent] == [5]
    assert (pixels[32:64, 32:64] == slide.info.background).all()
    assert slide.info.background == pytest.approx((145, 145, 145), abs=1)


def test_white_is_white():
    assert from_cielab([65535, 0x8080, 0x8080]) == (255, 255, 255)
    assert from_cielab([0, 0x8080, 0x8080]) == (0, 0, 0)


def test_openslide_reads_the_same_pixels(tmp_path, make, whole):
    path = make.pyramid(tmp_path / "a.svs", [make.picture(700, 600)], compression="jpeg")
    reader = OpenSlideReader(path)
    assert np.array_equal(whole(reader), make.by_openslide(path))
    assert reader.tile(0, 1).x == reader.levels[0].tile_width


def test_contradictory_pixel_sizes_are_not_believed(tmp_path, make):
    def change(dataset):
        dataset.ImagedVolumeWidth = dataset.ImagedVolumeHeight = 90.0

    with open_slide(make.slide(tmp_path / "a.dcm", make.picture(), change=change)) as slide:
        assert slide.mpp is None
        assert "contradictory" in slide.mpp_missing
    text = "Aperio Image Library v12\r\n101x70|AppMag = 40|MPP = 2.5"
    with open_slide(make.pyramid(tmp_path / "a.svs", [make.picture()], description=text)) as slide:
        assert slide.mpp is None
        assert "contradictory" in slide.mpp_missing


def test_a_stream_that_only_openslide_could_read_is_staged_and_refused(tmp_path):
    with pytest.raises(BadInput) as problem:
        open_scan([io.BytesIO(b"[Virtual Microscope Specimen]\nNoLayers=1\n")])
    assert problem.value.reason is Reason.UNKNOWN_FORMAT


def test_the_example_cuts_a_grid(tmp_path, make, capsys):
    file = Path(__file__).parents[3] / "examples/crops.py"
    spec = importlib.util.spec_from_file_location("crops_example", file)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    path = make.pyramid(tmp_path / "a.svs", [make.picture(600, 300)], compression="jpeg")
    assert example.grid(path) == 2
    assert len(capsys.readouterr().out.splitlines()) == 2


CODECS = {"raw": "none", "rle": "rle", "jp2": "jpeg2000", "jls": "jpeg-ls", "jpg": "jpeg"}
TOLERANCE = {"JPEG_2000_Image_Compression-": 3, "Near-Lossless": 1, "JPEG_Baseline": 16, "JPEG_Extended": 1}
"""Largest difference from the picture that was encoded, in grey levels; nothing for all others."""


@pytest.mark.parametrize("colours", ["GRAYSCALE-8", "GRAYSCALE-12", "GRAYSCALE-16", "RGB-8", "YBR-8"])
def test_frames_that_others_encoded(real_data, colours):
    folder = real_data / "wsidicom_data/wsidicom_data/data"
    picture = Image.open(folder / "test_tile.png").convert("RGB")
    grey = colours.startswith("GRAY")
    expected = np.asarray(picture.convert("L").convert("RGB") if grey else picture).astype(int)
    bits = int(colours.rpartition("-")[2])
    files = [path for path in (folder / "encoded").glob(f"*{colours}.*") if "Big_Endian" not in path.name]
    assert files
    for path in files:
        codec = "jpeg-lossless" if "JPEG_Lossless" in path.name else CODECS[path.suffix[1:]]
        photometric = "MONOCHROME2" if grey else {"RGB": "RGB", "YBR": "YBR_FULL"}[colours.partition("-")[0]]
        facts = (240, 240, 1 if grey else 3, 8 if bits == 8 else 16, bits, photometric, False)
        found = FrameDecoder(codec, False, *facts)(path.read_bytes())
        most = next((most for name, most in TOLERANCE.items() if name in path.name), 0)
        assert np.abs(found.astype(int) - expected).max() <= most, path.name


def only_openslide_reads(path):
    """Aperio's JPEG 2000 of YCbCr (compression 33003)."""
    from tests.jobs.pixels.conftest import SVS_DESCRIPTION, picture

    options = {"photometric": "rgb", "compression": 33003, "description": SVS_DESCRIPTION, "metadata": None}
    tifffile.imwrite(path, picture(300, 200), tile=(64, 64), **options)
    return path


def test_what_only_openslide_reads_is_staged_once_and_removed(tmp_path, make, whole, monkeypatch):
    path = only_openslide_reads(tmp_path / "a.svs")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    reader = open_scan([io.BytesIO(path.read_bytes())])
    assert isinstance(reader, OpenSlideReader)
    assert np.array_equal(whole(reader), make.by_openslide(path))
    assert [file.stat().st_size for file in (tmp_path / "scratch").iterdir()] == [path.stat().st_size]
    del reader
    assert not list((tmp_path / "scratch").iterdir())
    with open_slide(path) as local:
        assert isinstance(local, OpenSlideReader)
        assert not list((tmp_path / "scratch").iterdir())


def test_scratch_is_bounded(tmp_path, monkeypatch):
    data = only_openslide_reads(tmp_path / "a.svs").read_bytes()
    monkeypatch.setattr("jobs.pixels.open.SCRATCH_MOST", 1000)
    with pytest.raises(BadInput):
        open_scan([io.BytesIO(data)])


def test_what_a_tiff_holds_beside_what_is_shown_is_noted(tmp_path, make):
    planes = np.moveaxis(make.picture(64, 48), 2, 0)
    tifffile.imwrite(tmp_path / "planes.ome.tif", planes, tile=(16, 16), photometric="minisblack")
    with open_slide(tmp_path / "planes.ome.tif") as slide:
        assert "one of 3 planes, of focus or of colour, is shown" in slide.info.notes
    turn = [(274, 3, 1, 6, False)]
    tifffile.imwrite(tmp_path / "turned.tif", make.picture(64, 48), tile=(16, 16), photometric="rgb", extratags=turn)
    with open_slide(tmp_path / "turned.tif") as slide:
        assert any("Orientation" in note for note in slide.info.notes)
