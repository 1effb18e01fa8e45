"""A small file that would unpack to a large picture is refused before anything makes room for it."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid

from jobs.errors import BadInput
from jobs.pixels.open import open_scan
from jobs.pixels.stated import stated_size
from schemas.reasons import Reason
from tests.jobs.pixels.conftest import picture, write_slide

ENCODERS = {
    "jpeg": imagecodecs.jpeg8_encode,
    "jpeg-ls": imagecodecs.jpegls_encode,
    "jpeg2000": lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", level=0),
    "jp2": lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="jp2", level=0),
    "jpeg-xl": lambda pixels: imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1),
    "jpeg-xl boxes": lambda pixels: imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1, usecontainer=True),
    "webp": lambda pixels: imagecodecs.webp_encode(pixels, level=80),
    "webp lossless": lambda pixels: imagecodecs.webp_encode(pixels, lossless=True),
    "webp alpha": lambda pixels: imagecodecs.webp_encode(np.dstack([pixels, pixels[..., :1] // 2 + 9]), level=80),
    "png": imagecodecs.png_encode,
}
SIDE = 3000


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 700), st.integers(1, 700))
@pytest.mark.parametrize("codec", ENCODERS)
def test_the_size_that_a_stream_states_is_that_of_its_picture(codec, width, height):
    assert stated_size(bytes(ENCODERS[codec](np.full((height, width, 3), 9, np.uint8)))) == (width, height)


@pytest.mark.parametrize("size", [(8, 8), (256, 256), (320, 240), (1920, 1080), (2000, 1000), (300, 9000)])
def test_jpeg_xl_has_several_ways_to_state_it(size):
    data = imagecodecs.jpegxl_encode(np.zeros((size[1], size[0], 3), np.uint8), lossless=True, effort=1)
    assert stated_size(bytes(data)) == size


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(list(ENCODERS)), st.integers(0, 60), st.binary(max_size=6))
def test_a_broken_header_is_refused(codec, place, junk):
    data = bytes(ENCODERS[codec](np.zeros((16, 16, 3), np.uint8)))
    for changed in (data[:place], data[:place] + junk + data[place + len(junk) :]):
        try:
            width, height = stated_size(changed)
            assert min(width, height) >= 0
        except (BadInput, IndexError, struct.error):
            pass


def reason_of(data: bytes) -> Reason:
    with pytest.raises(BadInput) as problem:
        read_all(data)
    return problem.value.reason


def read_all(data: bytes) -> None:
    reader = open_scan([io.BytesIO(data)])
    for tile in reader.tiles(0):
        reader.decode(tile)


@pytest.mark.parametrize(
    ("syntax", "codec"),
    [
        (uid.JPEGBaseline8Bit, "jpeg"),
        (uid.JPEGLSLossless, "jpeg-ls"),
        (uid.JPEG2000Lossless, "jpeg2000"),
        (uid.HTJ2KLossless, "jpeg2000"),
        (uid.UID("1.2.840.10008.1.2.4.110"), "jpeg-xl"),
    ],
)
def test_frames_of_dicom(tmp_path, syntax, codec):
    bomb = bytes(ENCODERS[codec](np.zeros((SIDE, SIDE, 3), np.uint8)))
    path = write_slide(tmp_path / "a", picture(), syntax=syntax, photometric="RGB", encode=lambda tile: bomb)
    assert reason_of(path.read_bytes()) is Reason.TOO_LARGE


def test_run_lengths_of_dicom(tmp_path):
    bomb = struct.pack("<16I", 3, 64, 65, 66, *[0] * 12) + b"\x81\x00" * 1_000_000
    path = write_slide(tmp_path / "a", picture(), syntax=uid.RLELossless, photometric="RGB", encode=lambda tile: bomb)
    assert reason_of(path.read_bytes()) is Reason.UNREADABLE


def tiff(compression: int, data: bytes, side: int = 64) -> bytes:
    """A TIFF of one tile whose bytes are as given."""
    tags = [
        *((256, 4, 1, side), (257, 4, 1, side), (258, 3, 3, 134), (259, 3, 1, compression), (262, 3, 1, 2)),
        *((277, 3, 1, 3), (322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 140), (325, 4, 1, len(data))),
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return head + bytes(4) + struct.pack("<HHH", 8, 8, 8) + data


@pytest.mark.parametrize(
    ("compression", "codec"),
    [
        (7, "jpeg"),
        (33005, "jpeg2000"),
        (34712, "jp2"),
        (34933, "png"),
        (50001, "webp"),
        (34927, "webp lossless"),
        (50002, "jpeg-xl"),
        (52546, "jpeg-xl boxes"),
    ],
)
def test_tiles_of_tiff(compression, codec):
    assert reason_of(tiff(compression, bytes(ENCODERS[codec](np.zeros((SIDE, SIDE, 3), np.uint8))))) is Reason.TOO_LARGE
    pixels = picture(64, 64)
    read_all(tiff(compression, bytes(ENCODERS[codec](pixels))))


def test_an_animation_shows_its_first_picture():
    pixels = np.stack([picture(64, 64), *[np.zeros((64, 64, 3), np.uint8)] * 50])
    data = tiff(50002, bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1)))
    reader = open_scan([io.BytesIO(data)])
    assert np.array_equal(reader.decode(reader.tile(0, 0)), pixels[0])


PLAIN = {
    5: lambda: imagecodecs.lzw_encode(bytes(1 << 28)),
    8: lambda: zlib.compress(bytes(1 << 30)),
    32773: lambda: b"\x81\x00" * 4_000_000,
    50000: lambda: imagecodecs.zstd_encode(bytes(1 << 30)),
    34925: lambda: imagecodecs.lzma_encode(bytes(1 << 28)),
}
CHILD = """
import resource, sys
from tests.jobs.pixels.test_bombs import BadInput, Path, read_all
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        read_all(Path(path).read_bytes())
    except BadInput:
        pass
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory in use is told by Linux only")
def test_strips_of_a_gigabyte_of_zeros_take_no_room(tmp_path):
    for compression, make in PLAIN.items():
        (tmp_path / str(compression)).write_bytes(tiff(compression, bytes(make())))
    command = [sys.executable, "-c", CHILD, *map(str, tmp_path.iterdir())]
    assert subprocess.run(command, check=False, cwd=Path(__file__).parents[3], timeout=120).returncode == 0


def test_a_tile_of_too_many_samples_is_refused():
    data = tiff(1, bytes(100))
    many = data.replace(struct.pack("<HHII", 277, 3, 1, 3), struct.pack("<HHII", 277, 3, 1, 65535))
    wide = struct.pack("<HHII", 322, 4, 1, 9000) + struct.pack("<HHII", 323, 4, 1, 9000)
    many = many.replace(struct.pack("<HHII", 322, 4, 1, 64) + struct.pack("<HHII", 323, 4, 1, 64), wide)
    assert reason_of(many) in (Reason.TOO_LARGE, Reason.UNREADABLE)
