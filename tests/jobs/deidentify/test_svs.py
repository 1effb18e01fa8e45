from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile

import numpy as np
import pytest
import tifffile
from PIL import Image

from jobs.deidentify.images import deidentify_image
from jobs.deidentify.pixel_ranges import pixel_ranges
from jobs.errors import BadInput
from schemas.reasons import Reason

DESCRIPTION = (
    "Aperio Image Library v12.0.15 \r\n512x512 [0,0 512x512] (256x256) JPEG/RGB Q=70"
    "|AppMag = 40|MPP = 0.2500|Date = 03/01/24|Time = 10:11:12|User = lehtonen|Filename = Lehtonen Aino"
    "|ScanScope ID = SS1234|Barcode=HEL-77|Lehtonen = 1"
)


def cleaned(data: bytes, pseudonyms, shift=-30):
    target = BytesIO()
    entries = deidentify_image(
        BytesIO(data),
        target,
        media_type="image/x-aperio-svs",
        pseudonyms=pseudonyms,
        patient_id="p",
        shift_days=shift,
    )
    return target.getvalue(), entries


@pytest.fixture(params=["classic", "big", "big-endian"])
def svs(request) -> bytes:
    """Two levels, thumbnail, label, macro, and identifiers wherever a tag can hold text."""
    rng = np.random.default_rng(1)
    level = np.kron(rng.integers(0, 255, (64, 64, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    out = BytesIO()
    tagged = [(305, "s", 0, "Lehtonen software", False), (65000, "s", 0, "Lehtonen", False)]
    tiled = {
        "tile": (256, 256),
        "compression": "jpeg",
        "photometric": "rgb",
        "metadata": None,
        "extratags": tagged,
    }
    order = {"byteorder": ">"} if request.param == "big-endian" else {}
    with tifffile.TiffWriter(out, bigtiff=request.param == "big", **order) as tiff:
        tiff.write(level, description=DESCRIPTION, **tiled)
        tiff.write(level[::4, ::4], description="thumbnail Lehtonen", metadata=None)
        tiff.write(level[::2, ::2], description=DESCRIPTION, **tiled)
        tiff.write(level[:120, :300], description="Aperio\r\nlabel 1x1 Lehtonen", metadata=None, subfiletype=1)
        tiff.write(level[:200, :500], description="Aperio\r\nmacro 1x1 Lehtonen", **tiled)
    return out.getvalue() + b"Lehtonen behind the end"


def test_only_levels_and_numbers_are_left(svs, pseudonyms):
    output, entries = cleaned(svs, pseudonyms)
    assert b"lehtonen" not in output.lower()
    assert b"ss1234" not in output.lower()
    assert "lehtonen" not in str(entries).lower()
    with tifffile.TiffFile(BytesIO(output)) as after, tifffile.TiffFile(BytesIO(svs)) as before:
        assert len(after.pages) == 2
        for new, old in zip(after.pages, (before.pages[0], before.pages[2]), strict=True):
            assert np.array_equal(new.asarray(), old.asarray())
        text = after.pages[0].description
    assert "|AppMag = 40|MPP = 0.2500|Date = 01/31/24|Time = 10:00:00" in text
    assert text.startswith("Aperio Image Library v12.0.15\r\n512x512 [0,0 512x512] (256x256) JPEG/RGB Q=70")


def test_openslide_sees_the_same_slide(svs, pseudonyms, tmp_path: Path):
    openslide = pytest.importorskip("openslide")
    if svs[:2] == b"MM":
        pytest.skip("OpenSlide knows Aperio's files in little-endian order only")
    (tmp_path / "b.svs").write_bytes(cleaned(svs, pseudonyms)[0])
    after = openslide.OpenSlide(tmp_path / "b.svs")
    assert after.properties["openslide.vendor"] == "aperio"
    assert after.level_dimensions == ((512, 512), (256, 256))
    assert float(after.properties["openslide.mpp-x"]) == 0.25
    assert len(after.associated_images) == 0


def test_the_fixture_of_openslide_is_equal_in_levels_pixels_and_scale(real_data, pseudonyms, tmp_path):
    openslide = pytest.importorskip("openslide")
    folder = real_data / "openslide_fixtures/tests/fixtures"
    for name in ("small.svs", "boxes.tiff"):
        (tmp_path / name).write_bytes(cleaned((folder / name).read_bytes(), pseudonyms)[0])
        before, after = openslide.OpenSlide(folder / name), openslide.OpenSlide(tmp_path / name)
        assert after.level_dimensions == before.level_dimensions
        for key in ("openslide.vendor", "openslide.mpp-x", "openslide.objective-power"):
            assert after.properties.get(key) == before.properties.get(key)
        for level, size in enumerate(before.level_dimensions):
            pictures = [np.asarray(slide.read_region((0, 0), level, size)) for slide in (before, after)]
            assert np.array_equal(*pictures)


def test_comments_in_tiles_go(pseudonyms):
    tile = BytesIO()
    Image.new("RGB", (256, 256), "red").save(tile, "JPEG", comment=b"Lehtonen")
    out = BytesIO()
    tifffile.imwrite(out, iter([tile.getvalue()] * 4), shape=(512, 512, 3), dtype="u1", tile=(256, 256),
                     compression="jpeg", photometric="ycbcr", metadata=None, description="Aperio")  # fmt: skip
    assert b"Lehtonen" in out.getvalue()
    assert b"Lehtonen" not in cleaned(out.getvalue(), pseudonyms)[0]


def test_cut_files_are_truncated(svs, pseudonyms):
    with pytest.raises(BadInput) as error:
        cleaned(svs[: len(svs) // 2], pseudonyms)
    assert error.value.reason is Reason.TRUNCATED


def test_files_without_a_tiled_page_are_not_rewritable(pseudonyms):
    out = BytesIO()
    with tifffile.TiffWriter(out) as tiff:
        tiff.write(np.zeros((64, 64, 3), np.uint8), photometric="rgb", metadata=None)
        tiff.write(np.zeros((32, 32, 3), np.uint8), photometric="rgb", metadata=None)
    with pytest.raises(BadInput) as error:
        cleaned(out.getvalue(), pseudonyms)
    assert error.value.reason is Reason.NOT_REWRITABLE


def test_random_bytes_never_raise_anything_else(svs, pseudonyms):
    source = np.random.default_rng(2)
    for _ in range(300):
        data = bytearray(svs)
        for place in source.integers(0, len(svs), 40):
            data[place] = source.integers(0, 256)
        data[:4] = svs[:4]
        try:
            cleaned(bytes(data), pseudonyms)
        except BadInput:
            continue


@pytest.mark.parametrize("kept", [1 << 26, 10])
def test_pixel_ranges_are_the_tiles(svs, kept):
    with SpooledTemporaryFile(kept) as stream:  # what the stage cleans into: in memory, or in a file without a name
        stream.write(svs)
        assert pixel_ranges(stream, "image/tiff") == pixel_ranges(BytesIO(svs), "image/tiff")
    assert len(pixel_ranges(BytesIO(svs), "image/tiff")) >= 6
