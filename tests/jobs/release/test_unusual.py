"""What the officer need not have read before: the lines that differ from the last report."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.release.unusual import compared


def treated(pattern, action, files, rule="r"):
    return {"pattern": pattern, "name": "", "action": action, "rule": rule, "files": files}


def held(reason, count):
    return {
        "stage": "ingest",
        "unit_kind": "file",
        "reason": reason,
        "sentence": reason,
        "open": count,
        "by_policy": reason == "p",
    }


def counts(rows=(), places=(), back=()):
    origins = [{"site": site, "device": device, "files": 1} for site, device in places]
    return {"treated": list(rows), "origins": origins, "held": list(back)}


def test_the_first_candidate_has_nothing_before_it():
    found = compared(None, counts([treated("a", "kept", 1)]))
    assert (found.first, found.count) == (True, 0)


def test_new_attributes_devices_and_reasons_are_told():
    before = counts([treated("a", "kept", 4)], [("s", "d")], [held("x", 2)])
    now = counts(
        [treated("a", "kept", 9), treated("b", "removed", 1)],
        [("s", "d"), ("s", None)],
        [held("x", 3), held("y", 1), held("p", 9)],
    )
    found = compared(before, now)
    assert [row["pattern"] for row in found.attributes] == ["b"]
    assert [(row["site"], row["device"]) for row in found.origins] == [("s", None)]
    assert [(row["reason"], row["before"], row["now"]) for row in found.held] == [("x", 2, 3), ("y", 0, 1)]
    assert (found.actions, found.count) == ([], 4)


def test_an_action_on_another_share_of_files_is_told():
    before = counts([treated("a", "kept", 90), treated("a", "removed", 10), treated("b", "kept", 10)])
    now = counts([treated("a", "kept", 70), treated("a", "removed", 30), treated("b", "kept", 3)])
    told = [(row["pattern"], row["action"], row["before"], row["now"]) for row in compared(before, now).actions]
    assert told == [("a", "kept", 0.9, 0.7), ("a", "removed", 0.1, 0.3)]


LOG = st.lists(
    st.builds(treated, st.sampled_from("abc"), st.sampled_from(["kept", "removed"]), st.integers(1, 50)), max_size=8
)


@given(LOG, st.integers(2, 9))
def test_more_of_the_same_is_not_unusual(rows, times):
    before = counts(rows, [("s", "d")], [held("x", 3)])
    more = [{**row, "files": row["files"] * times} for row in rows]
    assert compared(before, counts(more, [("s", "d")], [held("x", 2)])).count == 0


@given(LOG, LOG)
def test_every_new_attribute_is_told_and_shares_are_shares(one, other):
    found = compared(counts(one), counts(other))
    assert {row["pattern"] for row in found.attributes} == {r["pattern"] for r in other} - {r["pattern"] for r in one}
    assert all(0 <= row["before"] <= 1 and 0 <= row["now"] <= 1 for row in found.actions)
