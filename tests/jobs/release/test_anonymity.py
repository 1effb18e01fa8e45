"""Every released profile is shared by enough patients, at the least loss, whatever the order of the rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.release.anonymity import (
    Measures,
    blank,
    combinations,
    generalise,
    measure,
    profiles,
    unique_share,
)
from jobs.release.ladders import LADDERS, block, category, chapter, twenty_years
from schemas.contract import Privacy
from schemas.released_cells import RELEASED_CELLS

FIGURES = Path(__file__).with_name("pycanon_figures.json")
COLUMNS = tuple(LADDERS)
RUNGS = tuple(LADDERS.values())
CODES = (None, "C92.0", "C92.1", "C91.1", "D46.9", "D50.9", "92.0", "109989006")
AGES = (None, "00-09", "60-69", "70-79", "80-89", "90+")
one = st.tuples(st.sampled_from(CODES), st.sampled_from(AGES), st.sampled_from((None, "female", "male")))
some_rows = st.lists(st.tuples(st.integers(0, 25).map(str), one), max_size=40)
threshold = st.integers(1, 8)


def of(*rows: tuple[str | None, str | None, str | None]) -> dict[str, frozenset]:
    """Patients with one combination each."""
    return profiles((str(n), values) for n, values in enumerate(rows))


def released(patients, k):
    found = generalise(patients, RUNGS, k)
    return {patient: found.profiles[profile] for patient, profile in patients.items()}


@given(some_rows, threshold)
def test_every_profile_has_k_patients_or_no_value(rows, k):
    after = released(profiles(rows), k)
    assert all(size >= k or blank(profile) for profile, size in Counter(after.values()).items())


@given(some_rows, threshold)
def test_whoever_looks_at_single_rows_finds_k_patients_too(rows, k):
    patients = profiles(rows)
    found: dict = {}
    for patient, _, now in combinations(patients, RUNGS, generalise(patients, RUNGS, k)):
        found.setdefault(now, set()).add(patient)
    assert all(len(who) >= k or not any(values) for values, who in found.items())


@given(some_rows, threshold, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, k, random):
    shuffled = [*rows, *rows[:3]]
    random.shuffle(shuffled)
    one, other = (generalise(profiles(some), RUNGS, k) for some in (rows, shuffled))
    assert one == other


@given(some_rows, threshold)
def test_a_value_only_ever_becomes_what_its_ladder_says(rows, k):
    patients = profiles(rows)
    found = generalise(patients, RUNGS, k)
    for _, was, now in combinations(patients, RUNGS, found):
        for ladder, before, after in zip(RUNGS, was, now, strict=True):
            assert after in {ladder.at(before, level) for level in range(ladder.height + 1)}


@given(some_rows)
def test_what_holds_already_is_left_as_it_is(rows):
    patients = profiles(rows)
    assert released(patients, 1) == patients
    held = measure(patients, 1, 0).k
    assert released(patients, held) == patients


def test_it_goes_no_further_than_it_must():
    patients = of(*[("C92.0", "60-69", "female")] * 2, *[("C92.1", "60-69", "female")] * 2)
    assert set(released(patients, 4).values()) == {frozenset({("C92", "60-69", "female")})}
    assert released(patients, 2) == patients


def test_only_those_climb_whose_class_is_too_small():
    patients = of(*[("C92.0", "60-69", "female")] * 3, ("C91.1", "60-69", "female"), ("C90.0", "60-69", "female"))
    after = Counter(next(iter(profile)) for profile in released(patients, 2).values())
    assert after == {("C92.0", "60-69", "female"): 3, ("C81-C96", "60-69", "female"): 2}


def test_the_order_that_loses_least_is_taken():
    patients = of(("C92.0", "60-69", "female"), ("C92.0", "70-79", "female"))
    found = generalise(patients, RUNGS, 2)
    assert COLUMNS[found.order[0]] == "age_group"
    assert set(found.profiles.values()) == {frozenset({("C92.0", "60-79", "female")})}


def test_too_few_patients_are_suppressed():
    patients = of(("C92.0", "60-69", "female"), ("D50.9", "00-09", "male"))
    assert all(map(blank, released(patients, 11).values()))


def test_a_patient_with_two_specimens_is_known_by_both():
    change = [("a", ("D46.9", "60-69", "male")), ("a", ("C92.0", "60-69", "male"))]
    others = [(name, ("C92.0", "60-69", "male")) for name in "bc"] + [(n, ("D46.9", "60-69", "male")) for n in "de"]
    patients = profiles(change + others)
    assert measure(patients, 2, 0) == Measures(1, 2, 3, 1, 1)
    after = released(patients, 2)
    assert after["b"] == frozenset({("C92.0", "60-69", "male")})
    assert blank(after["a"])


def test_null_equals_null_alone_and_no_value_is_no_class():
    patients = of((None, "60-69", "male"), (None, "60-69", "male"), ("C92.0", "60-69", "male"), (None, None, None))
    assert measure(patients, 2, 0) == Measures(1, 2, 2, 1, 1)


def test_without_patients_nothing_is_measured():
    assert measure({}, 11, 0) == Measures(0, 0, 0, 0, 0)
    assert unique_share({}) == 0.0
    assert generalise({}, RUNGS, 11).profiles == {}


def test_unique_values_are_a_residual_risk_unless_there_are_none():
    patients = of((92.0, 3.4, None), (92.0, 3.4, None), (80.0, 3.4, None), (None, None, None))
    assert unique_share(patients) == 0.25


@pytest.mark.parametrize(
    ("code", "rungs"),
    [
        ("C92.0", ("C92", "C81-C96", "C00-D48")),
        ("D46.9", ("D46", "D37-D48", "C00-D48")),
        ("D50", ("D50", "D50-D53", "D50-D89")),
        ("I10", ("I10", "I00-I99", "I00-I99")),
        ("D49.0", ("D49", "C00-D48", "C00-D48")),
        ("D46.A", ("D46", "D37-D48", "C00-D48")),
        ("C92.0-", ("C92", "C81-C96", "C00-D48")),
        ("C92.-", ("C92", "C81-C96", "C00-D48")),
        ("C84.AA", ("C84", "C81-C96", "C00-D48")),
        ("C4A.10", ("C4A", "C00-D48", "C00-D48")),
        ("A01.0+G01*", ("A01", "A00-B99", "A00-B99")),
        ("S52.521A", ("S52", "S00-T98", "S00-T98")),
        ("K95.09", ("K95", "K00-K93", "K00-K93")),
        ("109989006", (None, None, None)),
        ("9861/3", (None, None, None)),
    ],
)
def test_diagnoses_climb_the_tree_of_icd_10(code, rungs):
    assert (category(code), block(code), chapter(code)) == rungs


def test_ages_widen_to_twenty_years():
    assert [twenty_years(age) for age in AGES[1:]] == ["00-19", "60-79", "60-79", "80+", "80+"]
    assert twenty_years("old") is None


@pytest.mark.parametrize(
    "case", json.loads(FIGURES.read_text()), ids=lambda case: f"{case['rows']} rows, k {case['asked']}"
)
def test_pycanon_counts_the_same(case):
    """The figures are made by `pycanon_figures.py`, as pycanon needs other versions of NumPy and SciPy than we do."""
    for state in ("before", "after"):
        patients = of(*map(tuple, case[state]["table"]))
        found = measure({who: one for who, one in patients.items() if not blank(one)}, case["asked"], 0)
        assert (found.k, found.diversity) == (case[state]["k"], case[state]["l"])
    assert case["before"]["k"] < case["asked"] <= case["after"]["k"]


def test_every_quasi_identifier_of_a_release_has_a_ladder_that_ends_in_nothing():
    marked = {column.name for column in RELEASED_CELLS.columns if column.privacy is Privacy.QUASI}
    assert marked == set(LADDERS)
    assert all(ladder.at("C92.0", ladder.height) is None for ladder in RUNGS)
