"""Rows of delimited text: what a writer wrote comes back, and a stray quote costs its own line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.delimited import rows_of

VALUES = st.text(st.sampled_from('ab",;\t\r\n é'), max_size=6)


@given(
    rows=st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width))),
    delimiter=st.sampled_from(",;\t"),
    ending=st.sampled_from(("\n", "\r\n")),
)
def test_what_was_written_comes_back(rows: list[list[str]], delimiter: str, ending: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows(rows)
    assert list(rows_of(text.getvalue(), delimiter)) == [row for row in rows if any(row)]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(ending: str) -> None:
    assert list(rows_of(ending.join(["x,y", "1,2", "", "3,4"]), ",")) == [["x", "y"], ["1", "2"], ["3", "4"]]


@pytest.mark.parametrize(
    "stray",
    ['"3,4', '3,"4\r', '3,"' + "z" * 200_000, '3,"a ""b""', '"3,"4",', '3,"4" ft'],
    ids=["first", "last", "endless", "doubled", "crossed", "inner"],
)
def test_a_quote_out_of_place_costs_its_line(stray: str) -> None:
    good = [["5", "6"], ["7", 'a "b"'], ["8", "two\nlines"], ["9", "0"]]
    text = f'x,y\n1,2\n{stray}\n5,6\n7,a "b"\n8,"two\nlines"\n9,0\n'
    assert list(rows_of(text, ",")) == [["x", "y"], ["1", "2"], [], *good]


def test_many_stray_quotes_take_no_longer_than_their_lines() -> None:
    text = "x,y\n" + '"1,2\n' * 100_000
    assert sum(1 for _ in rows_of(text, ",")) == 100_001
