from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import SettingsError
from jobs.pseudonyms import Pseudonyms

KEY = bytes(range(32))
texts = st.lists(st.text(), max_size=4)


@given(st.text(), texts, st.text(), texts)
def test_pseudonyms_are_equal_exactly_where_kind_and_parts_are(kind, parts, other_kind, other_parts):
    one, other = Pseudonyms(KEY).key_for(kind, *parts), Pseudonyms(KEY).key_for(other_kind, *other_parts)
    assert (one == other) == ((kind, parts) == (other_kind, other_parts))
    assert len(one) == 32
    assert int(one, 16) >= 0


@given(st.text(max_size=8), st.text(max_size=8))
def test_parts_do_not_run_together(a, b):
    assert Pseudonyms(KEY).key_for("k", a, b) != Pseudonyms(KEY).key_for("k", a + b)


@given(st.text())
def test_shift_is_whole_days_of_the_year_before_and_never_none(patient):
    assert -365 <= Pseudonyms(KEY).shift_days(patient) <= -1


@given(st.text())
def test_uids_are_valid_and_depend_on_the_key(uid):
    mapped = Pseudonyms(KEY).uid(uid)
    assert mapped.startswith("2.25.")
    assert len(mapped) <= 64
    assert mapped != Pseudonyms(KEY[::-1]).uid(uid)


def test_short_keys_are_refused():
    with pytest.raises(SettingsError):
        Pseudonyms(b"x" * 31)


def test_the_key_is_read_from_a_file_without_its_line_end(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"k" * 40 + b"\n")
    assert Pseudonyms.from_file(path).key_for("a") == Pseudonyms(b"k" * 40).key_for("a")
    with pytest.raises(SettingsError) as error:
        Pseudonyms.from_file(tmp_path / "absent")
    assert str(tmp_path) not in str(error.value)


def test_the_key_neither_shows_nor_travels():
    pseudonyms = Pseudonyms(b"sesame" * 6)
    assert "sesame" not in repr(pseudonyms)
    with pytest.raises(TypeError):
        pickle.dumps(pseudonyms)
