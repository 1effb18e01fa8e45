"""Codes and postal codes, step by step up their trees."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.hierarchy import CHAPTERS, broader, broader_postal_code


def steps(code, up=broader):
    found = [code]
    while (code := up(code)) is not None:
        found.append(code)
        assert len(found) < 12
    return found


@pytest.mark.parametrize(
    ("code", "tree"),
    [
        ("C92.01", ["C92.01", "C92.0", "C92", "C00-D48"]),
        ("D46.9", ["D46.9", "D46", "C00-D48"]),
        ("D64", ["D64", "D50-D89"]),
        ("C92.-", ["C92.-", "C92", "C00-D48"]),
        ("S52.521A", ["S52.521A", "S52.521", "S52.52", "S52.5", "S52", "S00-T98"]),
        ("O9A.2", ["O9A.2", "O9A", "O00-O99"]),
        ("A01.0+G01*", ["A01.0+G01*", "A01", "A00-B99"]),
        ("M05.8*", ["M05.8*", "M05", "M00-M99"]),
        ("9861/3", ["9861/3", "986/3"]),
        ("91861009", ["91861009"]),
        ("", [""]),
        ("Mäkelä", ["Mäkelä"]),
    ],
)
def test_trees(code, tree):
    assert steps(code) == tree


def test_postal_codes():
    assert steps("81377", broader_postal_code) == ["81377", "8137", "813", "81", "8"]
    assert broader_postal_code("") is None


@given(st.from_regex(r"[A-Z][0-9][0-9AB](\.[0-9]{1,2})?", fullmatch=True))
def test_a_tree_ends_and_each_step_holds_the_one_before(code):
    tree = steps(code)
    assert all(upper in lower or upper[0] <= lower[0] <= upper[4] for lower, upper in pairwise(tree))


def test_chapters_are_in_order_and_do_not_overlap():
    bounds = [(name[:3], last) for name, last in CHAPTERS]
    assert all(first <= last for first, last in bounds)
    assert all(before[1] < after[0] for before, after in pairwise(bounds))


@given(st.text(max_size=12))
def test_any_text_has_an_end(text):
    steps(text)
    steps(text, broader_postal_code)
