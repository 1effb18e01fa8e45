"""On S3 a scan is read by ranges: one crop costs its tiles and the headers, not the scan."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from jobs.errors import BadInput
from jobs.pixels.crop import crops
from jobs.pixels.open import open_scan
from jobs.store import Store, _s3_client
from schemas.reasons import Reason
from tests.jobs.pixels.conftest import picture, write_slide
from tests.s3 import s3_server

SIDE = 3000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3_server(tmp_path_factory.mktemp("s3")) as endpoint:
        yield endpoint


@pytest.fixture
def asked(server):
    """Bytes of each range that the server sends."""
    sent: list[int] = []
    events = _s3_client(server).meta.events
    events.register("after-call.s3.GetObject", lambda parsed, **_: sent.append(parsed["ContentLength"]), "asked")
    yield sent
    events.unregister("after-call.s3.GetObject", unique_id="asked")


def svs(path):
    with tifffile.TiffWriter(path) as target:
        for step in (1, 4):
            pixels = picture(SIDE, SIDE)[::step, ::step]
            target.write(pixels, tile=(240, 240), photometric="rgb", compression="jpeg", metadata=None)
    return path


@pytest.mark.parametrize("kind", ["svs", "dicom"])
def test_one_crop_reads_a_small_part(tmp_path, server, asked, kind):
    path = tmp_path / "scan"
    svs(path) if kind == "svs" else write_slide(path, picture(SIDE, SIDE), side=240)
    store, uri = Store(server), f"s3a://lake/{kind}"
    store.write(uri, path.read_bytes())
    centers = np.array([[SIDE / 2, SIDE / 2]])
    with store.open(uri) as stream:
        (found,) = [crop.pixels for _, crop in crops(open_scan([stream]), centers)]
    with path.open("rb") as stream:
        (expected,) = [crop.pixels for _, crop in crops(open_scan([stream]), centers)]
    assert np.array_equal(found, expected)
    assert sum(asked) < min(path.stat().st_size / 4, 1 << 20)
    assert len(asked) <= 8


def test_a_scan_that_is_replaced_while_it_is_read_is_refused(tmp_path, server):
    store, uri = Store(server), "s3a://lake/replaced"
    store.write(uri, svs(tmp_path / "a").read_bytes())
    with store.open(uri) as stream:
        reader = open_scan([stream])
        store.write(uri, bytes(100))
        with pytest.raises(BadInput) as problem:
            [reader.decode(tile) for tile in reader.tiles(0)]
    assert problem.value.reason is Reason.CHANGED
