"""One unit stands for all that are linked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.join.groups import representatives


def test_the_lowest_key_stands_for_a_chain():
    assert representatives([("b", "c"), ("a", "c"), ("c", "d")]) == {"b": "a", "c": "a", "d": "a"}


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda two: (str(two[0]), str(two[1])))))
def test_each_group_has_one_representative_and_order_does_not_matter(pairs):
    found = representatives(pairs)
    assert found == representatives([(b, a) for a, b in reversed(pairs)])
    assert not set(found.values()) & set(found)
    assert all(found.get(a, a) == found.get(b, b) for a, b in pairs)
    assert all(low < unit for unit, low in found.items())
