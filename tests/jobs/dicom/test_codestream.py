from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from jobs.dicom.codestream import DamagedStream, clean_codestream, clean_jpeg, is_codestream
from jobs.dicom.icc import clean_profile


def encoded(real_data: Path) -> list[Path]:
    folder = real_data / "wsidicom_data/wsidicom_data/data/encoded"
    return [path for path in sorted(folder.iterdir()) if is_codestream(path.read_bytes()[:12])]


def test_streams_of_all_codecs_decode_to_the_same_pixels(real_data):
    imagecodecs = pytest.importorskip("imagecodecs")
    decoders = {".jpg": imagecodecs.jpeg_decode, ".jls": imagecodecs.jpegls_decode, ".jp2": imagecodecs.jpeg2k_decode,
                ".j2k": imagecodecs.jpeg2k_decode, ".jxl": imagecodecs.jpegxl_decode}  # fmt: skip
    seen = set()
    for path in encoded(real_data):
        data = path.read_bytes()
        if path.suffix in decoders:
            decode = decoders[path.suffix]
            assert np.array_equal(decode(data), decode(clean_codestream(data + b"Lehtonen"))), path.name
            assert b"Lehtonen" not in clean_codestream(data + b"Lehtonen")
            seen.add(path.suffix)
    assert {".jpg", ".jls", ".jp2"} <= seen


def test_comments_of_jpeg_2000_go(real_data):
    imagecodecs = pytest.importorskip("imagecodecs")
    image = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    data = imagecodecs.jpeg2k_encode(image, level=0, codecformat="j2k")
    comment = b"\xff\x64\x00\x0c\x00\x01Lehtonen"
    at = data.index(b"\xff\x52")
    planted = data[:at] + comment + data[at:]
    cleaned = clean_codestream(planted)
    assert b"Lehtonen" not in cleaned
    assert b"OpenJPEG" not in cleaned
    assert np.array_equal(imagecodecs.jpeg2k_decode(cleaned), image)


@pytest.mark.parametrize("start", [b"\xff\xd8", b"\xff\x4f", b"\0\0\0\x0cjP  \r\n\x87\n"])
def test_damage_is_one_error(start):
    source = np.random.default_rng(1)
    for _ in range(300):
        try:
            clean_codestream(start + source.bytes(60))
        except DamagedStream:
            continue


def test_a_jpeg_without_its_end_gets_one_or_is_damage():
    from PIL import Image

    out = BytesIO()
    Image.new("L", (8, 8)).save(out, "JPEG")
    assert clean_jpeg(out.getvalue()[:-2]).endswith(b"\xff\xd9")
    with pytest.raises(DamagedStream):
        clean_jpeg(out.getvalue()[:-2], whole=True)


def test_icc_profiles_lose_text_and_keep_colour():
    ImageCms = pytest.importorskip("PIL.ImageCms")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cleaned = clean_profile(profile)
    assert cleaned is not None
    described = ImageCms.ImageCmsProfile(BytesIO(cleaned))
    assert ImageCms.getProfileDescription(described).strip() == "ICC profile"
    assert clean_profile(cleaned) == cleaned
    assert clean_profile(b"no profile") is None
    assert cleaned[24:36] == bytes(12)
