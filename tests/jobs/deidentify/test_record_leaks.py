"""Tokens planted in every element of a record, at every depth: none is in any row."""

from __future__ import annotations

import copy
import json
from collections import Counter

import pytest

from jobs.deidentify.records import Record, clean_records
from jobs.pseudonyms import Pseudonyms
from schemas.reasons import Reason

SECRETS = Pseudonyms(bytes(range(32)))
LOINC, UCUM, SNOMED = "http://loinc.org", "http://unitsofmeasure.org", "http://snomed.info/sct"
TOKENS = ("Zyxwvut", "ZYXWVUT", "zyxwvut", "010190-973M", "X110411675", "8412345678")
"""A name in three spellings, a henkilötunnus, a KVNR and a record number."""


def concept(system, code):
    return {"coding": [{"system": system, "code": code, "display": "x", "version": "1"}], "text": "x"}


COMMON = {
    "id": "x", "meta": {"profile": ["x"], "source": "x", "tag": [{"display": "x"}]}, "text": {"div": "x"},
    "language": "fi", "extension": [{"url": "x", "valueString": "x", "extension": [{"valueAddress": {"city": "x"}}]}],
    "contained": [{"resourceType": "Practitioner", "name": [{"family": "x"}]}],
    "identifier": [{"system": "x", "value": "x", "assigner": {"display": "x"}}],
    "subject": {"reference": "Patient/x", "display": "x", "identifier": {"value": "x"}},
    "note": [{"text": "x", "authorString": "x"}],
}  # fmt: skip
OBSERVED = {
    "status": "final", "effectiveDateTime": "2024-03-02T08:30:00Z", "issued": "2024-03-02T08:30:00Z",
    "performer": [{"reference": "Practitioner/x", "display": "x"}], "device": {"display": "x"},
    "interpretation": [concept("x", "x")], "referenceRange": [{"text": "x", "low": {"value": 1, "unit": "x"}}],
}  # fmt: skip
QUANTITY = {"value": 131, "unit": "g/L", "system": UCUM, "code": "g/L", "extension": [{"url": "x"}]}
RESOURCES = [
    {
        **COMMON, "resourceType": "Patient", "gender": "female", "birthDate": "1952-10-13",
        "deceasedDateTime": "2024-06-01", "name": [{"family": "x", "given": ["x"], "text": "x"}],
        "telecom": [{"value": "x"}], "address": [{"line": ["x"], "city": "x", "postalCode": "x"}],
        "photo": [{"data": "x", "url": "x", "title": "x"}], "contact": [{"name": {"family": "x"}}],
        "generalPractitioner": [{"display": "x"}], "maritalStatus": concept("x", "x"),
    },
    {**COMMON, "resourceType": "Condition", "code": concept(SNOMED, "91861009"), "onsetDateTime": "2024-02-03",
     "recorder": {"display": "x"}, "asserter": {"display": "x"}, "encounter": {"reference": "x"}},
    {**COMMON, **OBSERVED, "resourceType": "Observation", "code": concept(LOINC, "718-7"), "valueQuantity": QUANTITY},
    {**COMMON, **OBSERVED, "resourceType": "Observation", "code": concept(LOINC, "85354-9"),
     "component": [{"code": concept(LOINC, "8480-6"), "valueQuantity": QUANTITY, "valueString": "x"}]},
    {**COMMON, **OBSERVED, "resourceType": "Observation", "code": concept(LOINC, "69548-6"),
     "valueCodeableConcept": concept(LOINC, "LA9633-4"),
     "component": [{"code": concept(LOINC, "48018-6"), "valueCodeableConcept": {
         "coding": [{"system": "http://www.genenames.org/geneId", "code": "HGNC:3765", "display": "FLT3"}]}}]},
    {**COMMON, **OBSERVED, "resourceType": "Observation", "code": concept(LOINC, "69548-6"),
     "valueCodeableConcept": concept(LOINC, "LA9633-4"), "component": [
        {"code": concept(LOINC, code), "valueString": "x", "valueCodeableConcept": concept("urn:x", x)}
        for code, x in (("48004-6", "c.1849G>T"), ("48005-3", "p.V617F"), ("81290-9", "g.5073770G>T"),
                        ("81291-7", "t(9;22)(q34;q11)"))]},
    *({**COMMON, **OBSERVED, "resourceType": "Observation", "code": concept(LOINC, "5196-1"),
       "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")],
       "interpretation": [concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "POS")],
       **value, "component": [{"code": concept(LOINC, "718-7"), "interpretation": [concept("x", "x")], **value}]}
      for value in ({"valueString": "neg."}, {"valueCodeableConcept": concept(SNOMED, "10828004")},
                    {"valueCodeableConcept": {"text": "negativ"}}, {"valueInteger": 3}, {"valueBoolean": True},
                    {"valueRatio": {"numerator": {"value": 1, "unit": "x"}, "denominator": {"value": 80}}},
                    {"valueQuantity": {**QUANTITY, "comparator": "<"},
                     "referenceRange": [{"low": QUANTITY, "high": QUANTITY, "text": "x", "age": {"low": QUANTITY},
                                         "appliesTo": [concept("x", "x")]}]})),
    {**COMMON, "resourceType": "Specimen", "accessionIdentifier": {"system": "x", "value": "B24-17"},
     "type": concept(SNOMED, "119359002"), "receivedTime": "2024-03-01",
     "collection": {"collectedDateTime": "2024-03-01T10:45:12+02:00", "collector": {"display": "x"}}},
    {"resourceType": "laboratory", "lab_number": "x", "national_id": "x", "analyte": "718-7", "value": "131",
     "unit": "g/L", "collected_at": "04.03.2024 08:15", "comment": "x", "name": "x", "operator": "x",
     "interpretation": "H", "flag": "H", "reference_low": "1", "reference_high": "2", "reference_range": "1-2",
     "comparator": "<"},
    {"resourceType": "scan", "file": "x", "specimen": "B24-17", "patient_number": "x", "scanned_at": "2024-03-01"},
    {**COMMON, "resourceType": "DocumentReference", "content": [{"attachment": {"data": "x", "title": "x"}}]},
    {**COMMON, "resourceType": "Consent", "status": "active"},
]  # fmt: skip


def places(value, path=()):
    """Path of every value and of every object, at every depth."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    elif path != ("resourceType",):
        yield path


def plant(resource, path, token):
    """The resource with the token as the value at a place; in an object, as the name and value of elements."""
    planted = copy.deepcopy(resource)
    at = planted
    for step in path[:-1]:
        at = at[step]
    target = at[path[-1]] if path else planted
    if isinstance(target, dict):
        target[token] = token
        target[f"_{token}"] = {"extension": [{"valueString": token}]}
        target["extra"] = [{"text": token, token: {"display": token}}]
    else:
        at[path[-1]] = token
    return planted


def cleaned(kind, body):
    text = json.dumps(body)
    return clean_records([Record("s/d/f", 0, "s", "d", kind, text)], "P", SECRETS)


def leaks(resource, path, token):
    kind = resource.get("resourceType", "laboratory")
    found = cleaned(kind, plant(resource, path, token))
    return token.lower() in json.dumps(found.tables, default=str, ensure_ascii=False).lower()


def is_number(path):
    """A number may be any number; the search of every output looks for those of the patient."""
    limits = {"reference_low", "reference_high", "reference_range"}
    return (
        path[-1:]
        and path[-1] in {"value", *limits}
        and path[:1] != ("accessionIdentifier",)
        and path[:1] != ("identifier",)
    )


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r["resourceType"])
def test_no_planted_token_is_in_a_row(resource):
    assert cleaned(resource["resourceType"], resource).passed
    planted = 0
    for path in places(resource):
        for token in TOKENS:
            if not (token.isdigit() and is_number(path)):
                assert not leaks(resource, path, token), path
                planted += 1
    assert planted >= 30


@pytest.mark.parametrize("kind", ["Zyxwvut", "Observation Zyxwvut", "Patient.Zyxwvut"])
@pytest.mark.parametrize("body", [{}, {"status": "cancelled"}, {"Zyxwvut": "x"}])
def test_a_kind_is_no_way_out_either(kind, body):
    assert "Zyxwvut" not in json.dumps(cleaned(kind, body).tables)


def real_resources(folder, each=2):
    """The first resources of each kind and set of elements."""
    seen: Counter[tuple[str, ...]] = Counter()
    for path in sorted(folder.iterdir()):
        text = path.read_text(encoding="utf-8") if path.suffix in (".json", ".ndjson") else ""
        whole = [text] if path.suffix == ".json" else [line for line in text.splitlines() if line.strip()]
        for body in map(json.loads, whole):
            entries = [entry.get("resource") for entry in body.get("entry", [])] if "entry" in body else [body]
            for resource in entries:
                shape = (resource.get("resourceType", ""), *sorted(resource))
                seen[shape] += 1
                if shape[0] and seen[shape] <= each:
                    yield resource


@pytest.mark.parametrize("where", ["fhir_synthea10", "fhir_fi/input/examples"])
def test_no_token_in_real_resources_survives(real_data, where):
    planted = 0
    for resource in real_resources(real_data / where):
        for path in list(places(resource))[:400]:
            token = TOKENS[planted % len(TOKENS)]
            if not (token.isdigit() and is_number(path)):
                assert not leaks(resource, path, token), (resource["resourceType"], path)
                planted += 1
    assert planted > 1500


def test_an_identifier_in_the_form_of_a_code_is_found_and_its_record_alone_held():
    records = [
        Record("s/d/o.ndjson", number, "s", "d", "Condition", json.dumps({
            "resourceType": "Condition", "code": concept(SNOMED, code), "onsetDateTime": "2024-02-03"}))
        for number, code in enumerate(("91861009", "110004001"))
    ]  # fmt: skip
    found = clean_records(records, "p", SECRETS, identifiers=["91861009"])
    assert [row["code"] for row in found.tables["diagnoses"]] == ["110004001"]
    assert found.held == [("s/d/o.ndjson", 0, Reason.IDENTIFIER_FOUND)]
    assert found.passed == [("s/d/o.ndjson", 1)]
