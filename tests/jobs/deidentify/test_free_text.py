"""Identifiers in free text: by their form, and by what is known of the patient."""

from __future__ import annotations

import unicodedata
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.deidentify.free_text import fold, scrub
from jobs.deidentify.recognise import is_kvnr, recognise
from jobs.hospital.people import hetu, kvnr


def kinds(text):
    return [finding.kind for finding in recognise(text)]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("131052-308T", "national id"), ("131052-308t", "national id"), ("010190-973M", "number"),
        ("X110411675", "health insurance number"), ("x110 411 675", "health insurance number"),
        ("X110411676", "number"), ("aino.makela@posti.fi", "e-mail"), ("a+b@uni-x.de", "e-mail"),
        ("+358 40 123 4567", "phone"), ("+49 (89) 4400-0123", "phone"), ("040-1234567", "phone"),
        ("089/44 00 12", "phone"), ("0049 89 440012", "phone"),
        ("Mannerheimintie 12 A 4", "address"), ("Marchioninistraße 15", "address"), ("Ziemssenstr. 1a", "address"),
        ("Am Stadtplatz 3", "address"), ("81377 München", "address"), ("D-81377 München", "address"),
        ("00290 Helsinki", "address"), ("PL 340", "address"), ("Postfach 12 34", "address"),
        ("Esplanadgatan 7", "address"), ("2024-03-05", "date"), ("2024-03-05T11:20:30+02:00", "date"),
        ("5.3.2024", "date"), ("05.03.24", "date"), ("5. 3. 2024", "date"), ("5.3.", "date"), ("05/03/2024", "date"),
        ("3. März 2024", "date"), ("3. maaliskuuta 2024", "date"), ("maaliskuussa 2024", "date"), ("3 March", "date"),
        ("March 3, 2024", "date"), ("https://x.example/p/1", "web address"), ("123456", "number"),
        ("B24-1234-567", "number"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["{}", "Soitto {} huomenna", "({}),", "Tel.: {}; siehe oben"])
def test_forms_are_recognised_and_nothing_of_them_is_left(written, kind, around):
    text = around.format(written)
    found = recognise(text)
    assert kind in [finding.kind for finding in found]
    digits = [character for character in scrub(text, []) if character.isdigit()]
    assert digits == []


@pytest.mark.parametrize(
    "text",
    [
        "12 % blasts, dysplasia in 3 of 10 megakaryocytes", "FLT3-ITD positive, NPM1 wild type", "Hb 131 g/L",
        "Blasten 45 %, Auer-Stäbchen", "WBC 6.34 10*9/L", "grade 2, MF-1", "CD34+ CD117+", "x400",
        "3 marrow samples, 10 markers", "t(8;21)(q22;q22)",
    ],
)  # fmt: skip
def test_findings_of_a_smear_are_no_identifiers(text):
    assert kinds(text) == []
    assert scrub(text, ["Aino Mäkelä", "B24-17"]) == text


@pytest.mark.parametrize(
    ("number", "valid"),
    [("X110411675", True), ("x110411675", True), ("X110411674", False), ("X11041167", False), ("1110411675", False),
     ("Ä110411675", False), ("", False)],
)  # fmt: skip
def test_kvnr(number, valid):
    assert is_kvnr(number) == valid


@given(st.sampled_from("ABMXZ"), st.integers(0, 99_999_999), st.dates(date(1900, 1, 1), date(2024, 1, 1)))
def test_the_numbers_of_the_synthetic_hospital_are_recognised(letter, number, born):
    assert kinds(f"nro {kvnr(letter, number)}") == ["health insurance number"]
    assert kinds(f"nro {hetu(born, 2 + number % 890)}") == ["national id"]


@given(st.from_regex(r"\A[A-Z][0-9]{8}\Z"))
def test_one_digit_is_the_check_digit(start):
    assert sum(is_kvnr(f"{start}{digit}") for digit in range(10)) == 1


KINDS = (
    *("removed", "name", "e-mail", "web address", "national id", "health insurance number"),
    *("date", "phone", "address", "number"),
)
SPELLINGS = ["Mäkelä", "MÄKELÄ", "Makela", "maekelae", unicodedata.normalize("NFD", "Mäkelä"), "Mäkelän", "Mäkelälle"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("known", ["Aino Mäkelä", "MAEKELAE^AINO", "Makela, Aino"])
def test_names_go_in_every_spelling(spelling, known):
    assert scrub(f"Puhelu: {spelling} ja aino.", [known]) == "Puhelu: [removed] ja [removed]."


@pytest.mark.parametrize(
    "text",
    ["Dr. Lehtonen", "Prof. Dr. med. Müller-Lüdenscheidt", "Frau Öztürk", "Herrn Meier", "lääkäri Virtanen",
     "Mrs O'Neil", "Dr Anna Lehtonen"],
)  # fmt: skip
def test_names_behind_a_title_go_unknown_as_they_are(text):
    assert scrub(f"seen by {text}, blasts 45 %", []) == "seen by [name], blasts 45 %"


def test_numbers_go_with_other_separators():
    for written in ("B24-17", "b24/17", "B2417", "B 24 17"):
        assert scrub(f"see {written}.", ["B24-17"]) == "see [removed]."
    assert scrub("B24-178 and AB24-17", ["B24-17"]) == "B24-178 and AB24-17"


def test_short_names_go_as_words_only():
    assert scrub("Li likes lithium", ["Li"]) == "[removed] likes lithium"
    assert scrub("Straße Weiß WEISS", ["Weiß"]) == "Straße [removed] [removed]"


def test_a_name_in_an_address_of_mail_goes_with_it():
    assert scrub("aino@x.fi Aino", ["Aino"]) == "[e-mail] [removed]"


@given(st.text(max_size=60), st.lists(st.text(max_size=12), max_size=3))
def test_no_known_word_is_left(text, known):
    left = fold(scrub(text, known))[0].split()
    marks = {word for kind in KINDS for word in fold(kind)[0].split()}
    words = {word for value in known for word in fold(value)[0].split() if word.isalpha() and len(word) > 1}
    assert not (words - marks) & set(left)


@given(st.text(max_size=60))
def test_findings_are_in_order_and_apart(text):
    found = recognise(text)
    assert all(0 <= f.start < f.stop <= len(text) for f in found)
    assert all(a.stop <= b.start for a, b in pairwise(found))


@given(st.text(max_size=40))
def test_folding_again_changes_nothing_but_digraphs(text):
    folded, origin = fold(text)
    assert len(folded) == len(origin)
    assert origin == sorted(origin)
    assert all(0 <= index < len(text) for index in origin)
