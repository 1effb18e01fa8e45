from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from jobs.deidentify.fields import deidentify_field
from jobs.errors import BadInput
from schemas.reasons import Reason

PICTURE = Image.fromarray(np.random.default_rng(5).integers(0, 255, (48, 64, 3)).astype(np.uint8))


def cleaned(data: bytes) -> bytes:
    target = BytesIO()
    entries = deidentify_field(BytesIO(data), target, None, "p", -1)
    assert "lehtonen" not in str(entries).lower()
    return target.getvalue()


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def jpeg(**options) -> bytes:
    exif = Image.Exif()
    exif[0x013B] = "Aino Lehtonen"
    if options.pop("turned", False):
        exif[0x0112] = 6
    out = BytesIO()
    PICTURE.save(out, "JPEG", exif=exif, comment=b"Lehtonen", icc_profile=profile() + b"Lehtonen", **options)
    return out.getvalue() + b"Lehtonen"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"turned": True}])
def test_jpeg_keeps_pixels_orientation_and_colour(options):
    data = jpeg(**options)
    output = cleaned(data)
    assert b"Lehtonen" not in output
    before, after = Image.open(BytesIO(data)), Image.open(BytesIO(output))
    assert np.array_equal(np.asarray(before), np.asarray(after))
    assert after.getexif().get(0x0112, 1) == before.getexif().get(0x0112, 1)
    assert set(after.getexif()) <= {0x0112}
    transforms = [
        ImageCms.applyTransform(
            PICTURE,
            ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(BytesIO(p.info["icc_profile"])),
                ImageCms.createProfile("LAB"),
                "RGB",
                "LAB",
            ),
        )
        for p in (before, after)
    ]
    assert np.array_equal(*map(np.asarray, transforms))


def test_fields_of_real_smears_keep_their_pixels(real_data: Path):
    paths = sorted((real_data / "BCCD").rglob("*.jpg"))[:20] + sorted((real_data / "Aslan_BCD").rglob("*.png"))[:10]
    assert len(paths) == 30
    for path in paths:
        output = cleaned(path.read_bytes())
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(BytesIO(output))))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16"])
def test_png_keeps_pixels_and_loses_text(mode):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "Lehtonen")
    texts.add_itxt("Comment", "Lehtonen")
    exif = Image.Exif()
    exif[0x013B] = "Lehtonen"
    out = BytesIO()
    picture = PICTURE.convert("L").convert("I").convert("I;16") if mode == "I;16" else PICTURE.convert(mode)
    picture.save(out, "PNG", pnginfo=texts, exif=exif, icc_profile=profile(), dpi=(300, 300))
    output = cleaned(out.getvalue() + b"Lehtonen")
    assert b"Lehtonen" not in output
    before, after = Image.open(BytesIO(out.getvalue())), Image.open(BytesIO(output))
    assert after.mode == before.mode
    assert np.array_equal(np.asarray(before), np.asarray(after))
    assert set(after.info) <= {"dpi", "icc_profile", "transparency"}


@pytest.mark.parametrize(
    "kind",
    [
        b"IHDR",
        b"PLTE",
        b"tRNS",
        b"cHRM",
        b"gAMA",
        b"pHYs",
        b"sRGB",
        b"sBIT",
        b"cICP",
        b"bKGD",
        b"hIST",
        b"acTL",
        b"zzZz",
    ],
)
def test_no_chunk_of_a_png_hides_text(kind):
    out = BytesIO()
    PICTURE.save(out, "PNG")
    data = out.getvalue()
    for length in (1, 4, 6, 9, 13, 32, 600):
        content = (b"Lehtonen" * 80)[:length]
        chunk = struct.pack(">I", length) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        output = cleaned(data[:33] + chunk + data[33:])
        assert length == 1 or content not in output
        assert np.array_equal(np.asarray(Image.open(BytesIO(output))), np.asarray(PICTURE))


def test_bytes_behind_the_image_data_of_a_png_go():
    out = BytesIO()
    PICTURE.save(out, "PNG")
    data = out.getvalue()
    for content in (b"Lehtonen", b"Lehtonen" * 1000):
        chunk = struct.pack(">I", len(content)) + b"IDAT" + content + struct.pack(">I", zlib.crc32(b"IDAT" + content))
        output = cleaned(data[:-12] + chunk + data[-12:])
        assert b"Lehtonen" not in output
        assert np.array_equal(np.asarray(Image.open(BytesIO(output))), np.asarray(PICTURE))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp_is_written_anew(mode):
    out = BytesIO()
    PICTURE.convert(mode).save(out, "BMP")
    data = bytearray(out.getvalue() + b"Lehtonen")
    data[6:10] = b"Leht"
    output = cleaned(bytes(data))
    assert b"Leht" not in output
    assert np.array_equal(np.asarray(Image.open(BytesIO(out.getvalue()))), np.asarray(Image.open(BytesIO(output))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_cut_files_are_truncated(kind):
    out = BytesIO()
    PICTURE.save(out, kind)
    for share in (0.5, 0.9, 0.99):
        with pytest.raises(BadInput) as error:
            cleaned(out.getvalue()[: int(len(out.getvalue()) * share)])
        assert error.value.reason is Reason.TRUNCATED


@pytest.mark.parametrize("start", [b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF89a"])
def test_random_bytes_never_raise_anything_else(start):
    source = np.random.default_rng(6)
    for _ in range(200):
        with pytest.raises(BadInput):
            cleaned(start + source.bytes(int(source.integers(0, 200))))
