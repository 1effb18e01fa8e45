"""A patient gets one side and keeps it; shares hold; patients that share an image share a side."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobs.join.splits import assign
from jobs.settings import Split

PEOPLE = st.lists(st.text("abcdef", min_size=3, max_size=6), unique=True, min_size=1, max_size=60)


@given(PEOPLE, PEOPLE)
def test_assigned_once_and_never_again(first, later):
    before = assign(first, {}, [], Split())
    assert set(before) == set(first)
    after = assign([*first, *later], before, [], Split())
    assert set(after) == set(later) - set(first)


@given(PEOPLE)
def test_the_order_of_arrival_within_a_run_does_not_matter(people):
    assert assign(people, {}, [], Split()) == assign(reversed(people), {}, [], Split())


def test_shares_hold_within_one_patient():
    sides = Counter(assign([f"p{n}" for n in range(100)], {}, [], Split()).values())
    assert sides == {"train": 70, "validation": 15, "test": 15}


@given(PEOPLE)
def test_patients_that_share_an_image_share_a_side(people):
    linked = list(pairwise(people))
    assert len(set(assign(people, {}, linked, Split()).values())) == 1


def test_a_new_patient_joins_the_side_of_the_one_it_shares_an_image_with():
    for side in ("train", "validation", "test"):
        assert assign(["old", "new"], {"old": side}, [("new", "old")], Split()) == {"new": side}
