from __future__ import annotations

import unicodedata
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.deidentify.pixel_ranges import pixel_ranges
from jobs.deidentify.pixel_search import PixelSearch
from jobs.deidentify.rescan import find, find_in_text, pixel_forms, searchable
from jobs.deidentify.tokens import Range

NAME = "Mäkelä^Jürgen"
ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
FORMS = ("mäkelä", "MÄKELÄ", "Makela", "maekelae", "Jürgen", "JUERGEN", "jurgen")


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from(FORMS), st.sampled_from(ENCODINGS))
def test_a_name_is_found_in_each_form_and_encoding_among_any_bytes(before, after, form, encoding):
    planted = form.encode(encoding)
    data = before + b"\0\0" + planted + b"\0\0" + after
    assert any(abs(hit.offset - len(before) - 2) <= 1 for hit in find(data, [NAME]))


@given(st.sampled_from(FORMS))
def test_combining_accents_are_folded(form):
    assert find(unicodedata.normalize("NFD", form).encode(), [NAME])
    assert find(unicodedata.normalize("NFD", form).encode("utf-16-le"), [NAME])


@given(st.from_regex(r"[a-z0-9]{4,15}[a-z][a-z0-9]{3,15}", fullmatch=True), st.binary(), st.binary())
def test_a_long_token_is_found_without_any_boundary(token, before, after):
    assert find(before + token.upper().encode() + after, [token])


@pytest.mark.parametrize("form", ["010174-123A", "010174123a", "010174 123A", "010174_123A"])
def test_ids_are_found_with_other_separators(form):
    assert find(b"x " + form.encode(), ["010174-123A"])


@pytest.mark.parametrize("form", ["1974-03-02", "19740302", "2.3.1974", "02.03.1974", "02/03/1974", "03/02/1974"])
def test_dates_are_found_in_other_orders(form):
    assert find_in_text(f"born {form}.", ["1974-03-02"])


def test_transliterations_are_found_both_ways():
    assert find("Müller".encode(), ["Mueller"])
    assert find("Müller".encode(), ["Muller"])
    assert find(b"Mueller", ["Müller"])
    assert find(b'{"n":"M\\u00fcller"}', ["Müller"])
    assert find(b"/M%C3%BCller/", ["Müller"])


def test_short_tokens_count_as_whole_tokens_only():
    assert not find(b"beinahe", ["Ahe"])
    assert not find(b"Lehtosaari", ["Lehto"])
    assert find(b"Lehto_001.jpg", ["Lehto"])
    assert find(b"LehtoAnna", ["Lehto"])
    assert find(b"12Lehto34", ["Lehto"])


def test_tokens_below_four_characters_are_not_searched():
    assert searchable("Li") == set()
    assert not find(b"Li Bo", ["Bo"])
    assert find(b"Li Bo", ["Bo^Li"])


def test_hits_hold_no_value_and_say_what_kind_matched():
    (hit,) = find(b"--------Lehtonen", ["Lehtonen^Aino"])
    assert hit == (8, "part")


def test_pixel_bytes_are_searched_for_long_identifiers_only():
    data = b"head Lehto " + b"pixels Lehto Virtanen-Koskela"
    hits = find(data, ["Lehto", "Virtanen-Koskela"], pixels=[Range(11, len(data))])
    assert [hit.offset for hit in hits] == [5, 24]


def test_words_of_a_vocabulary_do_not_count():
    assert find(b"Giemsa stain", ["Giemsa"])
    assert not find(b"Giemsa stain", ["Giemsa"], ignore=["giemsa"])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, (3 << 20) - 40))
def test_nothing_is_lost_between_blocks(place):
    data = bytearray(3 << 20)
    data[place : place + 8] = b"Lehtonen"
    assert [hit.offset for hit in find(BytesIO(bytes(data)), ["Lehtonen"])] == [place]


def test_files_that_cannot_be_read_have_no_pixel_ranges():
    for media_type in ("application/dicom", "image/tiff", "image/jpeg", "image/png", "text/plain"):
        assert pixel_ranges(BytesIO(b"nothing"), media_type) == []


@given(st.from_regex(r"[1-9][0-9]{7,11}", fullmatch=True), st.text("0123456789", min_size=13, max_size=40))
def test_digits_among_many_are_no_number(number, around):
    assert find_in_text(f"id {number}.", [number])
    assert find_in_text(f"id 00{number}.", [number])
    assert not find_in_text(f"2.25.{around}{number}{around}", [number])


def test_a_date_is_found_with_its_time():
    assert find_in_text("DT 19740302120000.000000+0100", ["1974-03-02"])


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("Schönenberger", "SCHÖNENBERGER"),
        ("Schönenberger", "Schoenenberger"),
        ("Schönenberger", "schonenberger"),
        ("+49 30 1234567", "+49301234567"),
        ("HP-2024/00123", "HP202400123"),
        ("1980-01-01", "1.1.1980"),
        ("1980-01-01", "19800101"),
    ],
)
def test_pixels_are_searched_for_every_spelling(value, form, encoding):
    search = PixelSearch(pixel_forms(value))
    data = b"\x07" * 1001 + form.encode(encoding) + b"\x07" * 1001
    assert search.found_in(BytesIO(data), len(data))
    assert not search.found_in(BytesIO(b"\x07" * 3000), 3000)
