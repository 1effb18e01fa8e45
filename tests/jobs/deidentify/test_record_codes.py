"""The lists that officers read: their form, and what passes as a code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import verhoeff

from jobs.deidentify.record_codes import codes, is_diagnosis, is_loinc, table, unit
from jobs.deidentify.record_kinds import HANDLERS
from schemas.deid_log import DEID_LOG

ICD, SNOMED, ICD_O = (
    "http://hl7.org/fhir/sid/icd-10",
    "http://snomed.info/sct",
    "http://terminology.hl7.org/CodeSystem/icd-o-3",
)
OPEN = {"text", "display", "extension", "contained", "modifierExtension", "identifier", "reference", "id", "photo"}


def test_every_listed_code_has_its_check_digit():
    assert all(is_loinc(code) for code in codes("measurement"))
    assert all(verhoeff.is_valid(code) for code in codes("material"))


def test_no_code_is_listed_twice():
    rows = [(row["list"], row["code"]) for row in table("record_codes.csv")]
    assert len(rows) == len(set(rows))


def test_units_become_units_on_the_list():
    for row in codes("unit").values():
        assert codes("unit")[row["becomes"]]["becomes"] == row["becomes"]
        assert codes("unit")[row["becomes"]]["factor"] == "1"


def test_years_are_no_unit_so_that_no_age_passes_as_a_number():
    assert [unit(written) for written in ("a", "year", "years", "yr", "Jahre", "", None)] == [None] * 7


@pytest.mark.parametrize(
    "written",
    [
        "mmol/24.h", "ug/mL{FEU}", "10*3/mm3", "{cells}/uL",
        "/100{WBC}", "g/kg/d", "mosm/L", "ug/24.h", "k[IU]/mL", "meq/L",
        "mL/min/{1.73_m2}", "cm2",
        "umol/mol", "pg/mL", "mm/h", "nmol/mg", "{INR}", "{copies}/mL", "µg/dL", "U/g", "L/min",
    ],
)  # fmt: skip
def test_units_by_the_grammar_of_ucum(written):
    found = unit(written)
    assert found is not None
    assert found["becomes"] == written.replace("µ", "u") or written in codes("unit")


@pytest.mark.parametrize(
    "written",
    ["Mäkelä", "Aino", "Li", "g/Aino", "mL{Aino}", "{Aino}", "mg Aino", "mo", "wk", "a", "g/a", "131052-308T", "g/L;Li",
     "8412345678", "10*1234", "g" * 9, "24.03.1952", "Maki", "24.1", "1/24"],
)  # fmt: skip
def test_what_is_no_unit(written):
    assert unit(written) is None


@given(st.text(alphabet=st.characters(categories=["L"]), min_size=5, max_size=12))
def test_no_word_of_five_letters_is_a_unit(word):
    assert unit(word) is None or word in codes("unit")


def test_every_rule_has_an_action_of_the_log_and_a_reason():
    rows = table("record_rules.csv")
    actions = next(column.values for column in DEID_LOG.own_columns if column.name == "action")
    places = [(row["record"], row["element"]) for row in rows]
    assert len(places) == len(set(places))
    assert all(row["action"] in actions and row["rule"] and row["why"] for row in rows)
    assert set(HANDLERS) <= {row["record"] for row in rows}


READ_BY_VALUE = {
    "gene symbol on the list, HGNC id, HGVS or ISCN by its grammar",
    "HGVS or ISCN by its grammar; else removed",
    "number, titre, HGVS, ISCN or word of the list; else removed",
}
"""Rules under which the text of an open-ended element is compared with a grammar or a list, and goes otherwise."""


def test_nothing_open_ended_is_let_through():
    for row in table("record_rules.csv"):
        last = row["element"].rpartition(".")[2]
        if row["action"] in ("kept", "generalised") and last in OPEN:
            assert row["rule"] in READ_BY_VALUE
        assert "*" not in row["element"]


def test_only_a_removal_names_an_element_with_all_that_it_holds():
    rows = table("record_rules.csv")
    for row in rows:
        if row["action"] != "removed" and row["element"]:
            inside = f"{row['element']}."
            assert not [r for r in rows if r["record"] == row["record"] and r["element"].startswith(inside)]


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (ICD, "C92.0"), (ICD, "C92.00"), (ICD, "D46"), (ICD, "C91.10"), (ICD, "S52.521A"), (ICD, "T84.54XA"),
        (ICD, "D46.A"), (ICD, "D47.Z9"), (ICD, "C84.AA"), (ICD, "QA0.0101"), (ICD, "S06.0XAD"), (ICD, "C49.A0"),
        (ICD, "C4A.10"), (ICD, "M1A.0110"), (ICD, "A01.0+G01*"), (ICD, "M05.8*"), (ICD, "C92.-"),
        (ICD_O, "9861/3"), (ICD_O, "C42.1"), (SNOMED, "91861009"), (SNOMED, "314529007"),
    ],
)  # fmt: skip
def test_codes_of_diagnoses(system, code):
    assert is_diagnosis(system, code)


@pytest.mark.parametrize("system", [ICD, SNOMED, ICD_O, "https://local.example"])
@pytest.mark.parametrize(
    "token",
    [
        "MAKELA",
        "VIRTANEN",
        "131052-308T",
        "X110411675",
        "8412345678",
        "B24-17",
        "1952-10-13",
        "91861008",
        "",
        "C92.AINO",
        "MAA",
        "C92.MIKA",
        "A0A.ELLA",
        "C92 Aino",
        "C92.0Aino",
    ],
)
def test_names_and_numbers_are_no_diagnosis(system, token):
    assert not is_diagnosis(system, token)


@given(st.integers(1, 999999), st.integers(0, 9))
def test_one_check_digit_is_right(number, digit):
    right = [d for d in range(10) if is_loinc(f"{number}-{d}")]
    assert len(right) == 1
    assert is_loinc(f"{number}-{digit}") == (digit in right)
