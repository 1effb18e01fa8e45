from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.dicom import values
from jobs.dicom.codes import public_meaning


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(-365, -1))
def test_dates_move_by_whole_days(day, shift):
    assert values.shift_date(day.strftime("%Y%m%d"), shift) == (day + timedelta(days=shift)).strftime("%Y%m%d")
    moved = values.shift_datetime(day.strftime("%Y%m%d") + "235959.123456-0500", shift)
    assert moved == (day + timedelta(days=shift)).strftime("%Y%m%d") + "230000-0500"


@given(st.text(max_size=20))
def test_nothing_but_dates_times_and_ages_passes(text):
    for clean in (values.cut_time, values.group_age, lambda t: values.shift_date(t, -1)):
        result = clean(text)
        assert result is None or text[:1].isdigit()


@pytest.mark.parametrize(
    ("age", "given"), [("089Y", "089Y"), ("090Y", "090Y"), ("104Y", "090Y"), ("999W", "999W"), ("45", None)]
)
def test_ages_above_89_are_one_group(age, given):
    assert values.group_age(age) == given


@pytest.mark.parametrize(("time", "cut"), [("235959.5", "230000"), ("07", "070000"), ("12:30", "120000"), ("99", None)])
def test_times_are_cut_to_the_hour(time, cut):
    assert values.cut_time(time) == cut


def test_vocabularies_are_public_words():
    assert values.is_public_term("MONOCHROME2")
    assert values.is_public_term("TILED_FULL")
    assert values.is_public_device("Aperio  GT450")
    assert not values.is_public_term("LEHTONEN")
    assert not values.is_public_term("AHO")
    assert values.is_public_text("Bone marrow smear, May-Grünwald-Giemsa")
    assert values.is_public_text("hematoxylin and eosin")
    assert not values.is_public_text("Bone marrow smear, Lehtonen")
    assert not values.is_public_text("Giemsa Lehtonen")
    assert not values.is_public_text(",")
    assert not values.is_public_device("Lehtonen")


@pytest.mark.parametrize(
    ("value", "scheme", "known"),
    [
        ("111741", "DCM", True),
        ("122611007", "SCT", False),
        ("12710003", "SCT", True),
        ("12710004", "SCT", False),
        ("718-7", "LN", True),
        ("718-8", "LN", False),
        ("111741", "99LOCAL", False),
        ("Lehtonen", "DCM", False),
    ],
)
def test_codes_pass_when_public(value, scheme, known):
    assert (public_meaning(value, scheme) is not None) is known
