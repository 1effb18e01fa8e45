"""Where a point of one scan lies in another that shows the same, turned, mirrored or moved."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.deduplicate.spots import on_one_spot, placed
from jobs.pixels.likeness import Match


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_point_goes_where_its_pixel_goes(turn, flip):
    picture = np.zeros((40, 60))
    picture[7, 11] = 1
    seen = np.rot90(picture[:, ::-1] if flip else picture, turn // 90)
    row, column = np.argwhere(seen)[0]
    size = seen.shape[1], seen.shape[0]
    match = Match(1.0, turn, flip, 0.0, 0.0)
    assert placed(np.array([[11.5, 7.5]]), match, size, (60, 40), stretched=True).tolist() == [
        [column + 0.5, row + 0.5]
    ]


def test_a_copy_of_another_size_is_stretched_and_an_overlap_is_not():
    match = Match(1.0, 0, False, 30.0, -4.0)
    points = np.array([[10.0, 20.0]])
    assert placed(points, match, (200, 200), (100, 100), stretched=True).tolist() == [[50, 36]]
    assert placed(points, match, (200, 200), (100, 100), stretched=False).tolist() == [[40, 16]]


def test_spots_are_one_within_the_distance():
    a, b = np.array([[0.0, 0.0], [100.0, 100.0]]), np.array([[103.0, 96.0], [0.0, 16.0]])
    assert list(on_one_spot(a, b, 15)) == [(1, 0, 3.0, -4.0)]
