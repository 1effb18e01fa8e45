"""Every image of the synthetic hospital: what is written holds no identifier that was planted anywhere."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest

from jobs.deidentify.images import deidentify_image
from jobs.deidentify.pixel_ranges import pixel_ranges
from jobs.deidentify.rescan import find
from jobs.errors import BadInput
from jobs.hospital.build import build

TYPES = {".dcm": "application/dicom", ".svs": "image/x-aperio-svs", ".jpg": "image/jpeg"}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital") / "h"
    build(folder, patients=4, cells=60, seed=1)
    return folder


@pytest.fixture(scope="module")
def outcomes(hospital, pseudonyms):
    """By path: the cleaned bytes, or the reason why there are none."""
    results = {}
    for path in sorted((hospital / "landing").rglob("*")):
        if path.suffix in TYPES and path.stat().st_size:
            target = BytesIO()
            try:
                with path.open("rb") as source:
                    deidentify_image(source, target, media_type=TYPES[path.suffix], pseudonyms=pseudonyms,
                                     patient_id="p", shift_days=-9)  # fmt: skip
                results[path] = target.getvalue()
            except BadInput as error:
                results[path] = error.reason
    return results


def test_the_rescan_finds_identifiers_before_and_none_after(hospital, outcomes):
    identifiers = [entry["value"] for entry in json.loads((hospital / "truth.json").read_text())["identifiers"]]
    assert len(identifiers) > 100
    for path, output in outcomes.items():
        if isinstance(output, bytes):
            media_type, raw = TYPES[path.suffix], path.read_bytes()
            assert not find(output, identifiers, pixels=pixel_ranges(BytesIO(output), media_type))
            if path.suffix != ".jpg":
                assert find(raw, identifiers, pixels=pixel_ranges(BytesIO(raw), media_type))


def test_labels_overviews_and_broken_files_have_the_outcome_that_is_due(hospital, outcomes):
    truth = json.loads((hospital / "truth.json").read_text())
    due = {entry["place"]: entry["outcome"] for entry in truth["policy"]}
    due |= {e["place"]: e["outcome"] for e in truth["broken"] if e["outcome"] == "truncated"}
    assert {"label_image", "overview_image", "truncated"} <= set(due.values())
    for place, outcome in due.items():
        assert outcomes[hospital / "landing" / place] == outcome


def test_openslide_reads_the_slides_as_before(outcomes, tmp_path):
    openslide = pytest.importorskip("openslide")
    compared = 0
    for path, output in outcomes.items():
        if path.suffix == ".svs" and isinstance(output, bytes):
            (tmp_path / "after.svs").write_bytes(output)
            before, after = openslide.OpenSlide(path), openslide.OpenSlide(tmp_path / "after.svs")
            for key in ("openslide.vendor", "openslide.mpp-x", "openslide.objective-power"):
                assert after.properties[key] == before.properties[key]
            assert after.level_dimensions == before.level_dimensions
            assert not list(after.associated_images)
            pictures = [np.asarray(s.read_region((64, 64), 0, (512, 512))) for s in (before, after)]
            assert np.array_equal(*pictures)
            compared += 1
    for folder in sorted({path.parent for path in outcomes if path.suffix == ".dcm"}):
        new = tmp_path / folder.name
        new.mkdir()
        kept = [path for path in sorted(folder.iterdir()) if isinstance(outcomes.get(path), bytes)]
        for path in kept:
            (new / path.name).write_bytes(outcomes[path])
        if len(kept) < 2:
            continue
        before, after = openslide.OpenSlide(kept[0]), openslide.OpenSlide(new / kept[0].name)
        assert after.level_dimensions == before.level_dimensions
        assert after.properties["openslide.mpp-x"] == before.properties["openslide.mpp-x"]
        assert not list(after.associated_images)
        pictures = [np.asarray(s.read_region((64, 64), 0, (512, 512))) for s in (before, after)]
        assert np.array_equal(*pictures)
        compared += 1
    assert compared >= 2
