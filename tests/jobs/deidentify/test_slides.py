"""Slides in TIFF: nothing planted comes out, levels and pixels stay, for tifffile and OpenSlide alike."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile

from jobs.deidentify.images import deidentify_image
from tests.jobs.deidentify.slide_files import SLIDES, TOKEN, Slide, pages_of, saved

FORMS = [form for text in (TOKEN, TOKEN.lower()) for form in (text.encode(), text.encode("utf-16-le"))]


def cleaned(data: bytes, pseudonyms, shift: int = -30) -> tuple[bytes, list]:
    target = BytesIO()
    entries = deidentify_image(
        BytesIO(data), target, media_type="image/tiff", pseudonyms=pseudonyms, patient_id="p", shift_days=shift
    )
    return target.getvalue(), entries


@pytest.fixture(scope="module", params=list(SLIDES))
def slide(request) -> Slide:
    """A slide of each format in turn."""
    return SLIDES[request.param]()


@pytest.fixture(scope="module")
def output(slide, pseudonyms) -> bytes:
    """What comes out of it."""
    data, entries = cleaned(slide.data, pseudonyms)
    assert TOKEN not in str(entries)
    return data


def test_no_token_comes_out(slide, output):
    assert slide.data.count(TOKEN.encode()) > 5
    assert not [form for form in FORMS if form in output]


def test_tifffile_reads_the_same_levels(slide, output, tmp_path: Path):
    before, after = saved(slide, tmp_path), saved(Slide(output, [], suffix=slide.suffix), tmp_path, "out")
    with tifffile.TiffFile(before) as one, tifffile.TiffFile(after) as other:
        old, new = dict(pages_of(one)), [page for _, page in pages_of(other)]
        assert len(new) == len(slide.levels)
        for path, page in zip(slide.levels, new, strict=True):
            assert np.array_equal(old[path].asarray(), page.asarray())


def test_openslide_reads_the_same_levels(slide, output, tmp_path: Path):
    if not slide.openslide:
        pytest.skip("OpenSlide does not read the original")
    (tmp_path / "in").write_bytes(slide.data)
    (tmp_path / "out").write_bytes(output)
    with openslide.OpenSlide(tmp_path / "in") as one, openslide.OpenSlide(tmp_path / "out") as other:
        assert not other.associated_images
        for name in ("vendor", "mpp-x", "mpp-y", "objective-power"):
            key = f"openslide.{name}"
            assert other.properties.get(key) == one.properties.get(key)
        sizes = list(one.level_dimensions)
        assert len(other.level_dimensions) == slide.openslide
        for level, size in enumerate(other.level_dimensions):
            same = [n for n, old in enumerate(sizes) if old == size]
            seen = np.asarray(other.read_region((0, 0), level, size))
            assert any(np.array_equal(seen, np.asarray(one.read_region((0, 0), n, size))) for n in same)
