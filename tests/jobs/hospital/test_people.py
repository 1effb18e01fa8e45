"""Invented people: check digits, and numbers that nobody shares."""

from __future__ import annotations

from datetime import date

import pytest
from stdnum import luhn
from stdnum.fi import hetu as finnish

from jobs.hospital.people import SOURCES, hetu, kvnr, make_person

# 100 patients a site is more than any hospital here has
PEOPLE = [make_person(7, number, SOURCES[(number + 1) % 2]) for number in range(1, 101)]


@pytest.mark.parametrize("person", [p for p in PEOPLE if p.source == "helsinki"], ids=lambda p: str(p.number))
def test_hetu(person) -> None:
    assert finnish.is_valid(person.national_id, allow_temporary=True)
    assert 900 <= int(person.national_id[7:10]) <= 999
    assert (int(person.national_id[9]) % 2 == 1) == (person.sex == "male")


def test_hetu_of_the_public_example() -> None:
    assert hetu(date(1952, 10, 13), 308) == "131052-308T"


@pytest.mark.parametrize("person", [p for p in PEOPLE if p.source == "munich"], ids=lambda p: str(p.number))
def test_kvnr(person) -> None:
    # the rule is Luhn's with the weights the other way round: a zero behind the digits turns one into the other
    letter, digits = person.national_id[0], person.national_id[1:]
    number = f"{ord(letter) - 64:02d}{digits[:-1]}"
    total = sum(sum(map(int, str(int(d) * (2 if i % 2 else 1)))) for i, d in enumerate(number))
    assert total % 10 == int(digits[-1])
    assert (10 - int(luhn.calc_check_digit(number))) % 10 == int(digits[-1])


def test_kvnr_of_the_public_example() -> None:
    assert kvnr("A", 12345678) == "A123456780"


@pytest.mark.parametrize("number", ["national_id", "fhir_id", "pathology", "laboratory", "phone", "email"])
def test_numbers_are_unique(number: str) -> None:
    assert len({getattr(person, number) for person in PEOPLE}) == len(PEOPLE)


def test_both_sites_write_accents() -> None:
    for source in SOURCES:
        assert any(not person.full_name.isascii() for person in PEOPLE if person.source == source)
