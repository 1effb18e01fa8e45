"""Which of several scans of one name an annotation means."""

from __future__ import annotations

import pytest

from jobs.annotations.names import nearest


@pytest.mark.parametrize(
    ("scans", "image", "drawing", "found"),
    [
        (["lab/d/a/s.png", "lab/d/b/s.png"], "", "lab/d/b/s.xml", [1]),
        (["lab/d/a/s.png", "lab/d/b/s.png"], "a/s.png", "lab/d/b/all.csv", [0]),
        (["lab/d/a/s.png", "lab/d/b/s.png"], "C:\\Users\\x\\B\\S.png", "lab/d/all.csv", [1]),
        (["lab/d/images/train/s.png", "lab/d/images/val/s.png"], "", "lab/d/labels/val/s.txt", [1]),
        (["lab/d/s.svs", "lab/d/s.png"], "s.svs", "lab/d/all.csv", [0]),
        (["lab/d/s.svs", "lab/e/s.svs"], "s.svs", "lab/e/all.csv", [1]),
        (["lab/d/a/s.png", "lab/d/b/s.png"], "s.png", "lab/d/all.csv", [0, 1]),
        (["lab/d/1.dcm", "lab/d/2.dcm"], "S-1", "lab/d/ann.dcm", [0, 1]),
    ],
)
def test_by_name_then_by_folders_written_then_by_those_around(scans, image, drawing, found):
    assert nearest(scans, image, drawing) == found
