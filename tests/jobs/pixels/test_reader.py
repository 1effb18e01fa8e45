"""One contract for the readers of all formats, held against the pixels of someone else's reader."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from jobs.errors import BadInput
from jobs.pixels.open import open_scan
from jobs.pixels.reader import plausible_mpp
from schemas.reasons import Reason


class CountingFile(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


class TestContract:
    """What holds for every format."""

    def test_pixels_are_those_of_another_reader(self, scan, opened, whole):
        found, expected = whole(opened(*scan.paths)), scan.reference()
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).max() <= scan.tolerance

    def test_size_is_that_of_level_0(self, scan, opened):
        reader = opened(*scan.paths)
        assert reader.size == (reader.levels[0].width, reader.levels[0].height)
        assert reader.levels[0].downsample == 1

    def test_levels_go_from_fine_to_coarse(self, scan, opened):
        reader = opened(*scan.paths)
        assert len(reader.levels) == scan.levels
        downsamples = [level.downsample for level in reader.levels]
        assert downsamples == sorted(set(downsamples))
        for level in reader.levels:
            assert level.downsample == pytest.approx(reader.size[0] / level.width)

    def test_tiles_cover_each_level_once_in_raster_order(self, scan, opened):
        reader = opened(*scan.paths)
        for number, level in enumerate(reader.levels):
            covered = np.zeros((level.height, level.width), dtype=int)
            tiles = list(reader.tiles(number))
            for tile in tiles:
                covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
            assert (covered == 1).all()
            assert [(tile.y, tile.x) for tile in tiles] == sorted((tile.y, tile.x) for tile in tiles)
            assert [tile.index for tile in tiles] == list(range(len(tiles)))

    def test_decoding_again_and_backwards_gives_the_same(self, scan, opened):
        reader = opened(*scan.paths)
        tiles = [tile for number in range(len(reader.levels)) for tile in reader.tiles(number)]
        first = [reader.decode(tile) for tile in tiles]
        second = [reader.decode(tile) for tile in reversed(tiles)][::-1]
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))

    def test_pixel_size_or_why_there_is_none(self, scan, opened):
        reader = opened(*scan.paths)
        if scan.mpp is None:
            assert reader.mpp is None
            assert reader.mpp_missing
        else:
            assert (reader.mpp.x, reader.mpp.y) == pytest.approx(scan.mpp)
            assert reader.mpp.source
            assert reader.mpp_missing is None

    def test_facts(self, scan, opened):
        info = opened(*scan.paths).info
        assert info.codec == info.codec.lower() != ""
        for name, value in scan.facts.items():
            assert getattr(info, name) == value

    def test_a_file_cut_short_is_refused(self, scan, whole):
        data = [path.read_bytes() for path in scan.paths]
        for share in (0.5, 0.9):
            cut = [io.BytesIO(each[: int(len(each) * share)]) for each in data]
            with pytest.raises(BadInput):
                whole(open_scan(cut))


BIG_SIDE = 1024


def _big_files(tmp_path: Path, make) -> dict[str, Path]:
    pixels = make.picture(BIG_SIDE, BIG_SIDE)
    return {
        "dicom": make.slide(tmp_path / "a.dcm", pixels),
        "dicom without table": make.slide(tmp_path / "b.dcm", pixels, table="none"),
        "svs": make.pyramid(tmp_path / "a.svs", [pixels], compression="jpeg"),
    }


@pytest.mark.parametrize("kind", ["dicom", "dicom without table", "svs"])
def test_one_tile_is_read_without_the_rest(tmp_path, make, kind):
    data = _big_files(tmp_path, make)[kind].read_bytes()
    file = CountingFile(data)
    reader = open_scan([file])
    reader.decode(list(reader.tiles(0))[517])
    assert file.count < len(data) / 8


@pytest.mark.parametrize(
    ("x", "y", "missing"),
    [
        (0.25, 0.25, None),
        (0.25, 0.26, None),
        (None, 0.25, "states none"),
        (352.8, 352.8, "implausible"),
        (0.00025, 0.00025, "implausible"),
        (float("nan"), 0.25, "implausible"),
        (0.25, 0.5, "differs"),
    ],
)
def test_implausible_pixel_sizes_are_not_believed(x, y, missing):
    mpp, why = plausible_mpp(x, y, "somewhere")
    assert (mpp is None) == (missing is not None)
    assert why is None or missing in why


class TestRealFiles:
    """Files that other people made."""

    @pytest.mark.parametrize(
        "name", ["sm_image", "sm_image_control", "sm_image_dots", "sm_image_numbers", "sm_image_jpegls"]
    )
    def test_highdicom(self, real_data, opened, whole, make, name):
        path = real_data / f"highdicom_sm/data/test_files/{name}.dcm"
        expected = make.by_highdicom(path)
        assert np.array_equal(whole(opened(path)), expected)

    def test_jpeg_ls_without_offset_table(self, real_data, opened, whole, make):
        path = real_data / "highdicom_sm/data/test_files/sm_image_jpegls_nobot.dcm"
        assert np.array_equal(whole(opened(path)), make.by_highdicom(path))

    def test_grey_of_16_bits(self, real_data, opened, whole):
        highdicom = pytest.importorskip("highdicom")
        path = real_data / "highdicom_sm/data/test_files/sm_image_grayscale.dcm"
        deep = highdicom.imread(path).get_total_pixel_matrix(dtype=np.int64).squeeze()
        assert np.array_equal(whole(opened(path)), np.dstack([deep >> 8] * 3))

    @pytest.mark.parametrize("name", ["small.svs", "boxes.tiff", "boxes_0.dcm", "😐.svs"])
    def test_openslide(self, real_data, opened, whole, make, name):
        path = real_data / "openslide_fixtures/tests/fixtures" / name
        assert np.array_equal(whole(opened(path)), make.by_openslide(path))

    def test_coarse_levels(self, real_data, opened, whole):
        openslide = pytest.importorskip("openslide")
        path = real_data / "openslide_fixtures/tests/fixtures/boxes.tiff"
        reader = opened(path)
        with openslide.OpenSlide(path) as slide:
            assert [(level.width, level.height) for level in reader.levels] == list(slide.level_dimensions)
            for number, size in enumerate(slide.level_dimensions):
                expected = np.asarray(slide.read_region((0, 0), number, size).convert("RGB"))
                assert np.array_equal(whole(reader, number), expected)

    def test_series_of_a_level_and_a_thumbnail(self, real_data, opened):
        folder = real_data / "openslide_fixtures/tests/fixtures"
        reader = opened(folder / "boxes_1.dcm", folder / "boxes_0.dcm")
        assert [level.width for level in reader.levels] == [16]
        assert reader.info.codec == "jpeg"

    @pytest.mark.parametrize("name", ["unopenable.tiff", "unreadable.svs"])
    def test_what_openslide_cannot_read_is_refused(self, real_data, opened, whole, name):
        with pytest.raises(BadInput) as problem:
            whole(opened(real_data / "openslide_fixtures/tests/fixtures" / name))
        assert problem.value.reason is Reason.UNREADABLE

    @pytest.mark.parametrize("folder", ["BCCD/BCCD/JPEGImages", "Chula_RBC12_subset"])
    def test_fields(self, real_data, opened, whole, make, folder):
        for path in sorted((real_data / folder).rglob("*.jpg"))[:5]:
            assert np.array_equal(whole(opened(path)), make.by_pillow(path))

    def test_fields_with_alpha(self, real_data, opened, whole):
        paths = sorted((real_data / "Aslan_BCD/images").glob("*.png"))[:3]
        assert paths
        for path in paths:
            assert whole(opened(path)).shape[2] == 3

    @pytest.mark.parametrize("stem", ["RGB-8", "YBR-8", "GRAYSCALE-8"])
    def test_jpeg_frames_of_wsidicom(self, real_data, make, stem):
        from jobs.pixels import jpeg

        folder = real_data / "wsidicom_data/wsidicom_data/data/encoded"
        path = folder / f"JPEG_Baseline_(Process_1)-{stem}.jpg"
        declared = {"RGB-8": "RGB", "YBR-8": "YCBCR", "GRAYSCALE-8": "GRAY"}[stem]
        found = jpeg.decode(path.read_bytes(), declared, evidence_first=True)
        assert np.array_equal(found, make.by_pillow(path)) or stem == "RGB-8"
        original = make.by_pillow(folder.parent / "test_tile.png").astype(int)
        if stem != "GRAYSCALE-8":
            assert np.abs(found - original).mean() < 6
