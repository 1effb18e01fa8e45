"""Examiners, operators and physicians: told apart by a keyed HMAC, and not by name."""

from __future__ import annotations

import json

import pytest

from jobs.deidentify.records import Record, clean_records
from jobs.pseudonyms import Pseudonyms

SECRETS = Pseudonyms(bytes(range(32)))
LOINC = "http://loinc.org"
PERSON = {"reference": "Practitioner/zy-17", "display": "Dr. Zyxwvut", "identifier": {"system": "x", "value": "8412"}}


def cleaned(body, source="helsinki"):
    record = Record("h/d/f", 0, source, "d", body.get("resourceType", "laboratory"), json.dumps(body))
    return clean_records([record], "P", SECRETS)


def observed(performer):
    code = {"coding": [{"system": LOINC, "code": "718-7"}]}
    quantity = {"value": 131, "unit": "g/L"}
    return {"resourceType": "Observation", "code": code, "effectiveDateTime": "2024-03-02", "valueQuantity": quantity,
            "performer": performer}  # fmt: skip


def staff(body, table="measurements", source="helsinki"):
    found = cleaned(body, source)
    assert "zyxwvut" not in json.dumps(found.tables, default=str).lower()
    (row,) = found.tables[table]
    return row["staff_key"]


def key(name, source="helsinki"):
    return SECRETS.key_for("examiner", source, name)


@pytest.mark.parametrize(
    ("performer", "named"),
    [
        ([PERSON], "Practitioner/zy-17"),
        ([{"reference": "https://fhir.zyxwvut.fi/r4/Practitioner/zy-17/_history/3"}], "Practitioner/zy-17"),
        ([{"reference": "Organization/zyxwvut"}, PERSON], "Practitioner/zy-17"),
        ([{"reference": "Patient/zyxwvut", "display": "Zyxwvut"}], None),
        ([{"type": "RelatedPerson", "display": "Zyxwvut"}], None),
        ([{"display": "Dr. Zyxwvut"}], "Dr. Zyxwvut"),
        ([{"identifier": {"value": "8412"}, "display": "Dr. Zyxwvut"}], "8412"),
        ([{"reference": "urn:uuid:6f"}], "urn:uuid:6f"),
        ([], None), ("Dr. Zyxwvut", None), ([{}], None),
    ],
)  # fmt: skip
def test_who_measured_is_a_pseudonym(performer, named):
    assert staff(observed(performer)) == (key(named) if named else None)


def test_another_source_has_other_staff():
    assert (
        staff(observed([PERSON]), source="munich") == key("Practitioner/zy-17", "munich") != key("Practitioner/zy-17")
    )


def test_who_recorded_collected_and_tested():
    icd = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C92.0"}]}
    assert staff({"resourceType": "Condition", "code": icd, "asserter": PERSON}, "diagnoses") == key(
        "Practitioner/zy-17"
    )
    taken = {"collectedDateTime": "2024-03-01", "collector": PERSON}
    body = {"resourceType": "Specimen", "accessionIdentifier": {"value": "B24-17"}, "collection": taken}
    assert staff(body, "specimens") == key("Practitioner/zy-17")


@pytest.mark.parametrize("column", ["examiner", "operator", "physician", "requester", "ordered_by"])
def test_a_column_that_names_staff(column):
    row = {"analyte": "718-7", "value": "131", "unit": "g/L", "collected_at": "2024-03-02", column: " Dr. Zyxwvut "}
    assert staff(row) == key("Dr. Zyxwvut")
    log = {entry["attribute_path"]: entry["action"] for entry in cleaned(row).tables["deid_log"]}
    assert log[f"laboratory.{column}"] == "replaced"
