"""The size of a pixel has a source, or a reason why there is none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jobs.deidentify.scans import pixel_size
from jobs.pixels.reader import Mpp, ScanInfo
from jobs.settings import Source

OURS = {"Model 1": 0.23}


@pytest.mark.parametrize(
    ("stated", "sheet", "source", "expected", "where"),
    [
        (0.25, {"mpp": "0.5"}, Source(mpp=0.4, mpp_by_scanner=OURS), 0.23, "settings for the scanner"),
        (0.25, {"mpp": "0.5"}, Source(mpp=0.4, mpp_by_scanner={"Model 2": 0.1}), 0.25, "file"),
        (None, {"mpp": "0.5"}, Source(mpp=0.4), 0.5, "scan sheet"),
        (None, {}, Source(mpp=0.4), 0.4, "settings"),
        (None, {}, Source(), None, "none: implausible"),
    ],
)
def test_who_says_it_first(stated, sheet, source, expected, where):
    mpp = Mpp(stated, stated, "file") if stated else None
    info = ScanInfo("jpeg", lossy=True, model="Model 1")
    reader = SimpleNamespace(mpp=mpp, mpp_missing=None if mpp else "implausible", info=info)
    assert pixel_size(reader, sheet, source) == {"mpp_x": expected, "mpp_y": expected, "mpp_source": where}
