"""Ids that are named in one breath are one person's, in whatever order they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.ingest.identity import resolve

FHIR, PATH, LAB, HETU = ("fhir", "1"), ("pathology", "2"), ("laboratory", "3"), ("hetu", "4")


def test_the_same_person_under_four_numbers_is_one_patient():
    found = resolve([[FHIR, PATH, HETU], [LAB, HETU]], {})
    assert len({patient for patient, _ in found.values()}) == 1
    assert set(found) == {FHIR, PATH, LAB, HETU}


def test_a_known_patient_keeps_its_name():
    assert resolve([[FHIR, PATH]], {PATH: "p-old"}) == {FHIR: ("p-old", None)}


def test_two_patients_that_turn_out_to_be_one_are_moved_and_say_where_from():
    found = resolve([[FHIR, PATH, HETU]], {PATH: "p-a", HETU: "p-b", LAB: "p-b"})
    assert found == {FHIR: ("p-a", None), HETU: ("p-a", "p-b"), LAB: ("p-a", "p-b")}


def test_nothing_new_changes_nothing():
    assert resolve([[FHIR, PATH]], {FHIR: "p", PATH: "p"}) == {}


IDS = st.tuples(st.sampled_from("abc"), st.sampled_from("12345"))


@given(st.lists(st.lists(IDS, min_size=1, max_size=3), max_size=8))
def test_linked_ids_share_a_patient_and_others_do_not(links):
    found = {i: patient for i, (patient, _) in resolve(links, {}).items()}
    for link in links:
        assert len({found[i] for i in link}) == 1
    for patient in set(found.values()):
        ids = {i for i in found if found[i] == patient}
        assert ids == _reach(next(iter(ids)), links)


def _reach(start, links):
    reached = {start}
    while True:
        more = reached.union(*(set(link) for link in links if reached & set(link)))
        if more == reached:
            return reached
        reached = more
