"""Registration, likeness, vectors and neighbours, each by a property that must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from jobs.pixels import neighbours, pairs, register, spectrum
from jobs.pixels.likeness import SIDE, Likeness, Match, reach_of
from jobs.pixels.square import padding, square_of
from jobs.pixels.texture import spread


def textures(count: int, seed: int = 0) -> np.ndarray:
    """Squares (count, 64, 64) of smooth noise, none alike."""
    noise = np.random.default_rng(seed).normal(size=(count, 64, 64))
    smooth = ndimage.gaussian_filter(noise, (0, 2.5, 2.5), mode="nearest")
    return np.clip(smooth / smooth.std() * 40 + 128, 1, 255).astype(np.uint8)


def test_pictures_that_share_only_what_padding_leaves_of_both_are_not_one() -> None:
    whole, blurred = textures(1)[0], ndimage.gaussian_filter(textures(1)[0].astype(np.float32), 0.5).astype(np.uint8)
    left, right, same = whole.copy(), blurred.copy(), np.maximum(blurred, 1)
    left[:, 40:], same[:, 42:], right[:, :20] = 0, 0, 0
    reach = reach_of(np.full(3, 250), np.full(3, 250), np.full(3, 0.08, np.float32), 13.0)
    copy, other = Likeness(np.stack([left, same, right]), reach).compare(np.array([[0, 1], [0, 2]]))
    assert copy is not None
    assert other is None


def test_a_speck_spreads_less_than_a_texture() -> None:
    y, x = np.mgrid[:64, :64]
    speck = np.where(np.hypot(y - 32, x - 32) < 5, 40, 230).astype(np.uint8)
    padded = textures(1)[0]
    padded[:, 32:] = 0
    plain = np.full((64, 64), 200, np.uint8)
    shown = np.stack([speck, padded, textures(1)[0], plain])
    found = spread(register.band(*register.as_floats(shown), 1, 4))
    assert found[3] < 0.01 < found[0] < 0.1 < found[1] < 0.6 < found[2]


@given(which=st.integers(0, 7), seed=st.integers(0, 100))
def test_a_dihedral_is_undone_by_its_inverse(which: int, seed: int) -> None:
    square = np.random.default_rng(seed).integers(0, 255, (5, 5))
    assert (register.dihedral(register.dihedral(square, which), register.inverse(which)) == square).all()


@given(
    turn=st.sampled_from([0, 90, 180, 270]), flip=st.booleans(), dx=st.integers(-50, 50), dy=st.integers(-50, 50)
)  # fmt: skip
def test_undoing_twice_changes_nothing(turn: int, flip: bool, dx: int, dy: int) -> None:
    match = Match(0.9, turn, flip, dx, dy)
    assert match.undone().undone() == match


@settings(deadline=None, max_examples=20)
@given(n=st.integers(2, 300), count=st.integers(1, 12), seed=st.integers(0, 1000))
def test_neighbours_are_those_of_a_full_sort(n: int, count: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    found = np.concatenate(list(neighbours.nearest(points, np.arange(n), count, always=count, within=0)))
    distances = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    wanted = {(a, b) for a in range(n) for b in np.argsort(distances[a])[: min(count, n - 1)]}
    assert set(map(tuple, found.tolist())) == wanted


def test_many_columns_are_searched_in_groups() -> None:
    points = np.random.default_rng(1).normal(size=(3000, 4)).astype(np.float32)
    found = np.concatenate(list(neighbours.nearest(points, np.arange(10), 3, always=3, within=0)))
    distances = ((points[:10, None] - points[None]) ** 2).sum(axis=2)
    distances[np.arange(10), np.arange(10)] = np.inf
    assert set(map(tuple, found.tolist())) == {(a, b) for a in range(10) for b in np.argsort(distances[a])[:3]}


def test_far_neighbours_are_left_out() -> None:
    points = np.array([[0, 0], [1, 0], [9, 0]], dtype=np.float32)
    found = np.concatenate(list(neighbours.nearest(points, np.arange(3), 2, always=0, within=4)))
    assert found.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("which", range(8))
def test_vectors_forget_turns_and_flips(which: int) -> None:
    squares = textures(3)
    assert np.allclose(spectrum.vectors(squares), spectrum.vectors(register.dihedral(squares, which)), atol=1e-3)


@pytest.mark.parametrize("which", range(8))
def test_a_match_names_the_turn_and_flip(which: int) -> None:
    squares = textures(2)
    moved = register.dihedral(np.roll(squares, (2, 3), axis=(1, 2)), which)
    likeness = Likeness(np.concatenate([squares, moved]), reach_of(*np.full((2, 4), 64), np.full(4, 0.1), 5))
    match = likeness.compare(np.array([[0, 2]]))[0]
    assert match is not None
    undo = register.inverse(which)
    assert (match.turn, match.flip) == (undo % 4 * 90, undo >= 4)
    assert (match.dx * 64, match.dy * 64) == pytest.approx((-3, -2), abs=0.2)
    assert likeness.compare(np.array([[0, 1], [0, 3]])) == [None, None]


def test_a_verdict_is_the_same_to_the_last_bit_whatever_it_comes_with() -> None:
    """A batch gives what a rebuild gives, and two workers what one does."""
    squares = textures(40)
    noise = np.random.default_rng(1).normal(0, 3, squares.shape)
    copies = np.clip(np.roll(squares, (1, 2), axis=(1, 2)) + noise, 1, 255).astype(np.uint8)
    likeness = Likeness(np.concatenate([squares, copies]), reach_of(*np.full((2, 80), 64), np.full(80, 0.1), 5))
    asked = np.stack([np.arange(40), 40 + np.arange(40)], axis=1)
    together = likeness.compare(asked)
    assert None not in together
    assert [likeness.compare(asked[n : n + 1])[0] for n in range(0, 40, 3)] == together[::3]
    assert likeness.compare(asked[7:20]) == together[7:20]


@pytest.mark.parametrize("colour", [0, 255, 90])
def test_padding_is_unknown_whatever_its_colour(colour: int) -> None:
    noise = np.random.default_rng(0).integers(60, 220, (100, 100, 3)).astype(np.uint8)
    padded = np.pad(noise, ((0, 0), (0, 40), (0, 0)), constant_values=colour)
    unknown = padding(padded)
    assert unknown[:, 104:].all()
    assert not unknown[:, :96].any()
    assert not padding(noise).any()
    assert (square_of(padded)[:, 48:] == 0).all()


def test_ground_that_became_white_is_no_padding() -> None:
    noise = np.random.default_rng(0).normal(0, 2, (250, 250, 1))
    cell = np.clip(lone_cell((40, 45), (60, 190), (215, 130)) + noise, 0, 255).astype(np.uint8)
    brighter = np.clip(cell * 1.15 + 8, 0, 255).astype(np.uint8)
    assert (brighter[0, 0] == 255).all()
    assert not padding(brighter)[100:150, 95:155].any()
    squares = np.stack([square_of(cell), square_of(brighter)])
    judge = pairs.judge(squares, *2 * [np.full(2, 250)], np.zeros(2, dtype=bool))
    assert judge.compare(np.array([[0, 1]])) != [None]


def lone_cell(*neighbours: tuple[int, int]) -> np.ndarray:
    """A cell on a wide ground, the same each time, with others around it."""
    y, x = np.mgrid[:250, :250]
    picture = np.full((250, 250), 235.0)
    for row, column, radius in ((125, 125, 34), *((row, column, 22) for row, column in neighbours)):
        picture[np.hypot(x - column, y - row) < radius] = 150
    picture[np.hypot(x - 133, y - 120) < 16] = 60
    picture[np.hypot(x - 112, y - 134) < 9] = 90
    return np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)


def test_a_neighbour_that_only_one_shows_tells_two_apart():
    shown = [lone_cell(), lone_cell(), lone_cell((40, 45)), lone_cell((125, 225))]
    squares = np.stack([square_of(one, np.zeros((250, 250), dtype=bool)) for one in shown])
    sides = np.full(len(shown), 250)
    judge = pairs.judge(squares, sides, sides, np.zeros(len(shown), dtype=bool))
    same, one_more, other_neighbours = judge.compare(np.array([[0, 1], [0, 2], [2, 3]]))
    assert same is not None
    assert one_more is None
    assert other_neighbours is None


def test_a_wide_picture_may_be_turned_a_little():
    """In a square to which it was stretched, a turn looks as if it stretched it."""
    noise = np.random.default_rng(0).normal(size=(900, 900))
    field = np.clip(ndimage.gaussian_filter(noise, 12) * 1200 + 128, 1, 254).astype(np.uint8)
    shown = [one[290:610, 130:770] for one in (field, ndimage.rotate(field, 5, reshape=False, order=1))]
    squares = np.stack([square_of(np.repeat(one[..., None], 3, axis=2)) for one in shown])
    judge = pairs.judge(squares, np.full(2, 640), np.full(2, 320), np.ones(2, dtype=bool))
    assert judge.compare(np.array([[0, 1]])) != [None]


@pytest.mark.parametrize("high", [(0, 288), (32, 320), (16, 304)])
def test_a_copy_may_be_trimmed_along_one_axis(high):
    noise = np.random.default_rng(0).normal(size=(900, 900))
    field = np.clip(ndimage.gaussian_filter(noise, 8) * 800 + 128, 1, 254).astype(np.uint8)[:320, :420]
    shown = [field, field[slice(*high)]]
    squares = np.stack([square_of(np.repeat(one[..., None], 3, axis=2)) for one in shown])
    widths, heights = np.array([one.shape[::-1] for one in shown]).T
    judge = pairs.judge(squares, widths, heights, np.ones(2, dtype=bool))
    assert None not in judge.compare(np.array([[0, 1], [1, 0]]))


@pytest.mark.parametrize("seed", range(8))
def test_a_round_cell_is_found_where_it_moved(seed):
    """It fits in any turn, about as well: the right one is not among the first two."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:280, :280]
    cell, nucleus = (1 / (1 + np.exp((np.hypot(x - at, y - at) - radius) / 2)) for at, radius in ((140, 34), (143, 24)))
    grain = ndimage.gaussian_filter(random.normal(size=(280, 280)), 5) * 18
    picture = 225 - 90 * cell - 70 * nucleus + 8 * grain * cell + random.normal(0, 2, (280, 280))
    rgb = np.repeat(np.clip(picture, 1, 254)[..., None], 3, axis=2).astype(np.uint8)
    squares = np.stack([square_of(rgb[10:260, 10:260]), square_of(rgb[22:272, 22:272])])
    judge = pairs.judge(squares, *2 * [np.full(2, 250)], np.zeros(2, dtype=bool))
    match = judge.compare(np.array([[0, 1]]))[0]
    assert match is not None
    assert (match.turn, match.flip) == (0, False)


def test_distinct_cells_that_look_alike_are_told_apart():
    """Squares of drawn cells, a pair a row: those most alike in each of a few hospitals, among 15 billion pairs.

    Of the last but four, what both show is a cell alone: its neighbour falls on the padding of the other; what comes
    after it has neighbours of the same kinds at the same places, and the last three fit when they are bent.
    """
    rows = np.asarray(Image.open(Path(__file__).with_name("look_alikes.png")))
    shown = rows.reshape(-1, SIDE, 2, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)
    sides = np.full(len(shown), 250)
    judge = pairs.judge(shown, sides, sides, np.zeros(len(shown), dtype=bool))
    found = judge.compare(np.arange(len(shown)).reshape(-1, 2))
    assert found == [None] * len(found)
