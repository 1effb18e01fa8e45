"""Shapes on one spot are one cell; ids last."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.crop.cells import Cell, Mark, cell_id, group


def mark(name: str, x: float, y: float, examiner: str = "e1", when: float = 0.0, number: int = 1) -> Mark:
    return Mark(name, x, y, examiner, number, when)


def test_two_examiners_on_one_spot_are_one_cell():
    cells = group([mark("a", 10, 10), mark("b", 13, 14, "e2")], [], {}, 15)
    assert [len(cell.marks) for cell in cells] == [2]


def test_one_examiner_marks_two_cells_however_near():
    assert len(group([mark("a", 10, 10), mark("b", 11, 10)], [], {}, 15)) == 2


def test_an_examiner_may_vote_again_in_another_round():
    assert len(group([mark("a", 10, 10), mark("b", 11, 10, number=2)], [], {}, 15)) == 1


def test_the_first_by_time_founds_the_cell():
    cells = group([mark("a", 10, 10, "e2", when=2), mark("b", 12, 10, "e1", when=1)], [], {}, 15)
    assert [cell.cell_id for cell in cells] == [cell_id("b")]
    assert (cells[0].x, cells[0].y) == (12, 10)


def test_a_mark_goes_to_the_nearest_cell_that_takes_it():
    known = [Cell("near", 10, 10), Cell("nearer", 16, 10)]
    cells = {c.cell_id: c for c in group([mark("a", 14, 10)], known, {}, 15)}
    assert set(cells) == {"nearer"}


POINTS = st.lists(
    st.tuples(st.floats(0, 200), st.floats(0, 200), st.sampled_from("abc"), st.floats(0, 9)), min_size=1, max_size=30
)


@settings(max_examples=100, deadline=None)
@given(POINTS, POINTS)
def test_late_votes_change_no_cell_and_lose_no_mark(first, late):
    before = [mark(f"f{n}", x, y, who, t) for n, (x, y, who, t) in enumerate(first)]
    after = [mark(f"l{n}", x, y, who, 100 + t) for n, (x, y, who, t) in enumerate(late)]
    cells = group(before, [], {}, 15)
    voted = {m.annotation_id: c.cell_id for c in cells for m in c.marks}
    known = [Cell(c.cell_id, c.x, c.y) for c in cells]
    grown = group(before + after, known, voted, 15)
    assert sorted(m.annotation_id for c in grown for m in c.marks) == sorted(m.annotation_id for m in before + after)
    now = {m.annotation_id: c.cell_id for c in grown for m in c.marks}
    assert {name: now[name] for name in voted} == voted
    at_once = {m.annotation_id: c.cell_id for c in group(before + after, [], {}, 15) for m in c.marks}
    assert at_once == now, "a lake that is built in one go has the same cells"
