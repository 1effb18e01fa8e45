"""Shapes on one spot are one cell; ids last."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.crop.cells import Cell, Mark, Rule, cell_id, group, iou
from jobs.crop.stage import group_scan


def mark(
    name: str, x: float, y: float, examiner: str = "e1", when: float = 0.0, number: int = 1, side: float = 0.0
) -> Mark:
    """A point, or a box of some side around it."""
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2) if side else None
    return Mark(name, x, y, examiner, number, when, box)


def test_two_examiners_on_one_spot_are_one_cell():
    cells = group([mark("a", 10, 10), mark("b", 13, 14, "e2")], [], {}, Rule(15))
    assert [len(cell.marks) for cell in cells] == [2]


def test_one_examiner_marks_two_cells_however_near():
    assert len(group([mark("a", 10, 10), mark("b", 11, 10)], [], {}, Rule(15))) == 2


def test_an_examiner_may_vote_again_in_another_round():
    assert len(group([mark("a", 10, 10), mark("b", 11, 10, number=2)], [], {}, Rule(15))) == 1


def test_the_first_by_time_founds_the_cell():
    cells = group([mark("a", 10, 10, "e2", when=2), mark("b", 12, 10, "e1", when=1)], [], {}, Rule(15))
    assert [cell.cell_id for cell in cells] == [cell_id("b")]
    assert (cells[0].x, cells[0].y) == (12, 10)


def test_a_mark_goes_to_the_nearest_cell_that_takes_it():
    known = [Cell("near", 10, 10), Cell("nearer", 16, 10)]
    cells = {c.cell_id: c for c in group([mark("a", 14, 10)], known, {}, Rule(15))}
    assert set(cells) == {"nearer"}


@pytest.mark.parametrize(
    ("apart", "sides", "cells"),
    [
        (30, (100, 100), 1),  # boxes that share 54 % are one cell, far as their centres are
        (50, (100, 100), 2),
        (5, (100, 20), 2),  # a small cell within a large one
        (10, (0, 100), 1),  # a point goes by distance
        (20, (0, 100), 2),
        (10, (0, 0), 1),
    ],
)
def test_boxes_are_one_cell_by_what_they_share(apart, sides, cells):
    marks = [mark("a", 200, 200, side=sides[0]), mark("b", 200 + apart, 200, "e2", side=sides[1])]
    assert len(group(marks, [], {}, Rule(15, 0.5))) == cells


def test_a_box_goes_to_the_one_that_it_shares_most_with():
    cells = [mark("nucleus", 200, 200, side=60), mark("cell", 208, 200, side=100)]
    (vote,) = [c for c in group([*cells, mark("v", 200, 200, "e2", 9, side=100)], [], {}, Rule(15, 0.3)) if c.marks[1:]]
    assert vote.cell_id == cell_id("cell")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(0, 300), st.floats(2, 200)), min_size=2, max_size=30),
    st.sampled_from([0.1, 0.3, 0.5, 0.9]),
)
def test_no_box_that_shares_enough_is_overlooked(boxes, least):
    marks = [mark(f"m{n}", x, y, f"e{n}", n, side=side) for n, (x, y, side) in enumerate(boxes)]
    rule, founders = Rule(15, least), []
    for one in marks:  # the rule as it is told, without a grid
        if not any(iou(other.box, one.box) >= least for other in founders):
            founders.append(one)
    assert {cell.cell_id for cell in group(marks, [], {}, rule)} == {cell_id(one.annotation_id) for one in founders}


@given(st.floats(0, 40), st.floats(1, 40), st.floats(0, 40), st.floats(1, 40))
def test_iou_is_of_areas(x, width, y, height):
    one, other = (0.0, 0.0, 10.0, 10.0), (x, y, x + width, y + height)
    assert 0 <= iou(one, other) <= 1
    assert iou(one, other) == iou(other, one)
    assert iou(other, other) == pytest.approx(1)
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)


POINTS = st.lists(
    st.tuples(st.floats(0, 200), st.floats(0, 200), st.sampled_from("abc"), st.floats(0, 9)), min_size=1, max_size=30
)


@settings(max_examples=100, deadline=None)
@given(POINTS, POINTS, st.sampled_from([Rule(15), Rule(15, 0.5)]))
def test_late_votes_change_no_cell_and_lose_no_mark(first, late, rule):
    before = [mark(f"f{n}", x, y, who, t, side=40 * (n % 3)) for n, (x, y, who, t) in enumerate(first)]
    after = [mark(f"l{n}", x, y, who, 100 + t, side=30 * (n % 2)) for n, (x, y, who, t) in enumerate(late)]
    cells = group(before, [], {}, rule)
    voted = {m.annotation_id: c.cell_id for c in cells for m in c.marks}
    known = [Cell(c.cell_id, c.x, c.y) for c in cells]
    grown = group(before + after, known, voted, rule)
    assert sorted(m.annotation_id for c in grown for m in c.marks) == sorted(m.annotation_id for m in before + after)
    now = {m.annotation_id: c.cell_id for c in grown for m in c.marks}
    assert {name: now[name] for name in voted} == voted
    at_once = {m.annotation_id: c.cell_id for c in group(before + after, [], {}, rule) for m in c.marks}
    assert at_once == now, "a lake that is built in one go has the same cells"


def test_shapes_of_any_kind_vote_for_one_cell():
    def drawn(name, examiner, coordinates):
        x, y = coordinates[::2], coordinates[1::2]
        centre = {"center_x": (min(x) + max(x)) / 2, "center_y": (min(y) + max(y)) / 2}
        who = {"examiner_key": examiner, "round": 1, "label_code": "PMY", "vocabulary": "v", "annotated_at": None}
        return {"annotation_id": name, "coordinates": coordinates, **centre, **who}

    box, polygon = [100.0, 100.0, 200.0, 200.0], [130.0, 100.0, 230.0, 100.0, 180.0, 200.0]
    annotations = [drawn("a", "e1", box), drawn("b", "e2", polygon), drawn("c", "e3", [150.0, 150.0])]
    row = {"scan_id": "s", "region_id": "r", "annotations": annotations, "cells": None, "votes": None}
    assert len(group_scan(row, Rule(15, 0.5))["cells"]) == 1
    assert [len(group_scan(row, rule)["cells"]) for rule in (Rule(15), Rule(15, 0.6))] == [2, 2]
    assert len(group_scan(row, Rule(15, 0.5))["votes"]) == 3
