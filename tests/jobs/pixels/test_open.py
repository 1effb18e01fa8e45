"""What is no scan, or a broken one, is refused with its reason."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from jobs.errors import BadInput
from jobs.pixels.open import open_scan
from schemas.reasons import Reason


def reason_of(*files: bytes) -> Reason:
    """The reason for which files are refused on opening or on decoding their first tile."""

    with pytest.raises(BadInput) as problem:
        first_tile(*files)
    return problem.value.reason


def first_tile(*files: bytes) -> np.ndarray:
    """Its pixels."""
    reader = open_scan([io.BytesIO(file) for file in files])
    return reader.decode(next(iter(reader.tiles(0))))


def test_empty():
    assert reason_of(b"") is Reason.EMPTY_FILE


@pytest.mark.parametrize("data", [b"A", b"Hello\n" * 100, b"%PDF-1.7", bytes(1000)])
def test_unknown(data):
    assert reason_of(data) is Reason.UNKNOWN_FORMAT


def test_no_files():
    with pytest.raises(ValueError, match="at least one"):
        open_scan([])


def test_only_dicom_comes_in_several_files(make):
    assert reason_of(make.jpeg(make.picture()), make.jpeg(make.picture())) is Reason.UNKNOWN_FORMAT


@pytest.mark.parametrize(("kind", "expected"), [("LABEL", Reason.LABEL_IMAGE), ("OVERVIEW", Reason.OVERVIEW_IMAGE)])
def test_label_and_overview_are_no_levels(tmp_path, make, kind, expected):
    def change(dataset):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", kind, "NONE"]

    level = make.slide(tmp_path / "a.dcm", make.picture()).read_bytes()
    other = make.slide(tmp_path / "b.dcm", make.picture(64, 64), change=change).read_bytes()
    assert reason_of(level, other) is expected
    assert reason_of(other) is expected


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("DimensionOrganizationType", "TILED_SPARSE", Reason.UNREADABLE),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", Reason.UNKNOWN_FORMAT),
        ("NumberOfFrames", 3, Reason.UNREADABLE),
        ("NumberOfFrames", 1000, Reason.TRUNCATED),
        ("Rows", 0, Reason.UNREADABLE),
        ("Rows", 65535, Reason.UNREADABLE),
        ("TotalPixelMatrixColumns", 2**31, Reason.TOO_LARGE),
        ("PhotometricInterpretation", "PALETTE COLOR", Reason.UNREADABLE),
        ("PhotometricInterpretation", None, Reason.UNREADABLE),
        ("BitsAllocated", 12, Reason.UNREADABLE),
        ("InConcatenationNumber", 1, Reason.UNREADABLE),
    ],
)
def test_dicom_headers_that_lie(tmp_path, make, keyword, value, expected):
    def change(dataset):
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)

    assert reason_of(make.slide(tmp_path / "a.dcm", make.picture(), change=change).read_bytes()) is expected


def test_two_levels_of_one_size_are_no_pyramid(tmp_path, make):
    files = [make.slide(tmp_path / name, make.picture()).read_bytes() for name in ("a.dcm", "b.dcm")]
    assert reason_of(*files) is Reason.UNREADABLE


def test_the_same_instance_twice_counts_once(tmp_path, make):
    data = make.slide(tmp_path / "a.dcm", make.picture()).read_bytes()
    assert len(open_scan([io.BytesIO(data), io.BytesIO(data)]).levels) == 1


def test_two_series_are_no_scan(tmp_path, make):
    def change(dataset):
        dataset.SeriesInstanceUID = "1.2.3"

    first = make.slide(tmp_path / "a.dcm", make.picture()).read_bytes()
    second = make.slide(tmp_path / "b.dcm", make.picture(50, 35), change=change).read_bytes()
    assert reason_of(first, second) is Reason.UNREADABLE


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 0.999])
@pytest.mark.parametrize("table", ["basic", "extended", "none"])
def test_cut_dicom_is_truncated(tmp_path, make, share, table):
    data = make.slide(tmp_path / "a.dcm", make.picture(400, 400), table=table).read_bytes()
    assert reason_of(data[: int(len(data) * share)]) is Reason.TRUNCATED


def test_dicom_cut_in_its_header_is_refused(tmp_path, make):
    data = make.slide(tmp_path / "a.dcm", make.picture()).read_bytes()
    for end in range(133, 1200, 37):
        assert reason_of(data[:end]) in (Reason.TRUNCATED, Reason.UNREADABLE, Reason.UNKNOWN_FORMAT)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_cut_tiff_is_truncated(tmp_path, make, share):
    path = make.pyramid(tmp_path / "a.svs", [make.picture(300, 300)], compression="jpeg")
    data = path.read_bytes()
    assert reason_of(data[: int(len(data) * share)]) is Reason.TRUNCATED


@pytest.mark.parametrize("suffix", ["JPEG", "PNG", "BMP"])
def test_cut_field_is_truncated(make, suffix):
    target = io.BytesIO()
    Image.fromarray(make.picture(300, 300)).save(target, suffix)
    data = target.getvalue()
    assert reason_of(data[: len(data) // 2]) is Reason.TRUNCATED


@pytest.mark.parametrize("damage", ["junk", "zeros", "end", "rows"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_nothing_is_made_up_for_a_damaged_jpeg(make, damage, orientation):
    target = io.BytesIO()
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(make.picture(300, 300)).save(target, "JPEG", quality=95, exif=exif)
    data = target.getvalue()
    middle = len(data) // 2
    noise = np.random.default_rng(1).integers(0, 255, 500, dtype=np.uint8).tobytes()
    changed = {
        "junk": data[:middle] + noise + data[middle + 500 :],
        "zeros": data[:middle] + bytes(4000) + data[middle + 4000 :],
        "end": data[:middle] + b"\xff\xd9",
        "rows": data.replace(struct.pack(">HH", 300, 300), struct.pack(">HH", 600, 300), 1),
    }[damage]
    assert reason_of(changed) in (Reason.UNREADABLE, Reason.TRUNCATED)
    assert first_tile(data).shape == (300, 300, 3)


@pytest.mark.parametrize("tag", [279, 273])
@pytest.mark.parametrize("orientation", [1, 3])
def test_nothing_is_made_up_for_a_tiff_without_all_its_strips(tmp_path, tag, orientation):
    path = tmp_path / "a.tif"
    cmyk = np.random.default_rng(1).integers(0, 255, (96, 64, 4), dtype=np.uint8)
    extra = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(path, cmyk, photometric="separated", rowsperstrip=32, extratags=extra, metadata=None)
    assert first_tile(path.read_bytes()).shape[2] == 3
    with tifffile.TiffFile(path, mode="r+b") as file:
        field = file.pages[0].tags[tag]
        field.overwrite(field.value[:-1] if tag == 273 else (*field.value[:-1], field.value[-1] // 2))
    assert reason_of(path.read_bytes()) in (Reason.UNREADABLE, Reason.TRUNCATED)


def test_twelve_bits_of_grey_are_brought_to_eight(tmp_path):
    path = tmp_path / "a.tif"
    samples = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    packed = imagecodecs.packints_encode(samples.ravel(), 12)
    tifffile.imwrite(path, samples, photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        page = file.pages[0]
        at = page.dataoffsets[0]
        page.tags["BitsPerSample"].overwrite(12)
        page.tags["StripByteCounts"].overwrite(len(packed))
    data = bytearray(path.read_bytes())
    data[at : at + len(packed)] = packed
    assert np.array_equal(first_tile(bytes(data))[..., 0], samples >> 4)


def test_libraries_say_nothing_of_what_a_file_holds(tmp_path, make, caplog):
    path = make.pyramid(tmp_path / "Anna_19610203.svs", [make.picture(300, 300)], compression="jpeg")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["TileByteCounts"].overwrite((1,))
    reason_of(path.read_bytes())
    assert "Anna" not in caplog.text
    assert not [each for each in caplog.records if each.name == "tifffile"]


def test_pages_below_a_page_are_counted(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.zeros((32, 32), np.uint8), subifds=1, metadata=None)
        writer.write(np.zeros((16, 16), np.uint8), metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        below = file.pages[0].tags[330]
        below.overwrite(tuple(below.value) * 3000)
    assert reason_of(path.read_bytes()) is Reason.TOO_LARGE


def test_a_field_of_noise_behind_the_signature_is_unreadable():
    assert reason_of(b"\x89PNG\r\n\x1a\n" + bytes(range(256))) is Reason.UNREADABLE
    assert reason_of(b"\xff\xd8\xff" + bytes(100)) is Reason.UNREADABLE
    assert reason_of(b"BM" + bytes(100)) is Reason.UNREADABLE


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(12_000, 12_000), (100_000, 100_000), (1, 2**31 - 1), (0, 0)])
def test_decompression_bombs_are_refused_before_they_go_off(size):
    with pytest.raises(BadInput) as problem:
        open_scan([io.BytesIO(png_of_size(*size))])
    assert problem.value.reason is (Reason.TOO_LARGE if all(size) else Reason.UNREADABLE)


def test_a_jpeg_tile_that_is_larger_than_its_slide_says_is_refused(tmp_path, make):
    small = make.jpeg(make.picture(32, 32))
    place = small.index(b"\xff\xc0") + 5
    bomb = small[:place] + struct.pack(">HH", 60_000, 60_000) + small[place + 4 :]
    path = make.slide(tmp_path / "a.dcm", make.picture(), encode=lambda tile: bomb)
    assert reason_of(path.read_bytes()) is Reason.TOO_LARGE


def test_damaged_tiles_are_refused(tmp_path, make):
    path = make.slide(tmp_path / "a.dcm", make.picture(), encode=lambda tile: make.jpeg(tile)[:300])
    assert reason_of(path.read_bytes()) is Reason.UNREADABLE


def test_absent_tiles_of_a_tiff_are_white_and_said_to_be_absent(tmp_path, make, opened):
    path = tmp_path / "a.tif"
    pixels = make.picture(64, 64)
    with tifffile.TiffWriter(path) as target:
        tiles = [pixels[:32, :32], None, None, pixels[32:, 32:]]
        target.write(iter(tiles), shape=(64, 64, 3), dtype=np.uint8, tile=(32, 32), photometric="rgb")
    reader = opened(path)
    found = list(reader.tiles(0))
    assert [tile.absent for tile in found] == [False, True, True, False]
    assert (reader.decode(found[1]) == 255).all()
    assert np.array_equal(reader.decode(found[3]), pixels[32:, 32:])
