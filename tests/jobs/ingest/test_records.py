"""Clinical records, whose they are, and what they name."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from schemas.reasons import Reason

FHIR = "fhir:helsinki"
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [
        {"system": "urn:oid:1.2.246.21", "value": "131052-308T"},
        {"system": "https://helsinki.example/pathology", "value": "HP-1234"},
        {"value": "no system"},
    ],
    "name": [{"family": "Mäkelä", "given": ["Aino", "Maria"], "prefix": ["Dr."]}],
    "telecom": [
        {"system": "phone", "value": "+358 40 1234567"},
        {"system": "email", "value": "aino@example.fi"},
    ],
    "address": [{"line": ["Mannerheimintie 12 A 4"], "city": "Espoo", "postalCode": "02100", "state": "U"}],
    "birthDate": "1952-10-13",
    "contact": [{"name": {"family": "Laine"}, "telecom": [{"value": "09 876543"}]}],
    "generalPractitioner": [{"display": "Dr. Eero Koski"}],
    "link": [{"other": {"reference": "Patient/p0"}, "type": "replaces"}],
}


def ndjson(*resources):
    return "\n".join(json.dumps(resource) for resource in resources).encode()


def values(content, kind, number="p1"):
    return [r["value"] for r in content.identifiers if r["kind"] == kind and r["patient_number"] == number]


def test_a_patient_with_numbers_and_identifiers(read):
    content = read("fhir/Patient.ndjson", ndjson(PATIENT))
    row = content.records[0]
    assert (row["kind"], row["patient_system"], row["patient_number"]) == ("Patient", FHIR, "p1")
    assert json.loads(row["body"]) == PATIENT
    assert content.links == [
        [
            (FHIR, "p1"),
            ("urn:oid:1.2.246.21", "131052-308T"),
            ("https://helsinki.example/pathology", "HP-1234"),
            (FHIR, "p0"),
        ]
    ]
    assert values(content, "name") == ["Mäkelä", "Aino", "Maria", "Laine"]
    assert values(content, "name", "") == ["Eero", "Koski"]
    assert values(content, "national_id") == ["131052-308T"]
    assert values(content, "record_number") == ["p1", "HP-1234", "no system"]
    assert values(content, "phone") == ["+358 40 1234567", "09 876543"]
    assert values(content, "email") == ["aino@example.fi"]
    assert values(content, "address") == ["Mannerheimintie 12 A 4", "Espoo", "02100"]
    assert values(content, "birth_date") == ["1952-10-13", "19521013"]


@pytest.mark.parametrize(
    ("reference", "patient"),
    [
        ({"reference": "Patient/p1"}, (FHIR, "p1")),
        ({"reference": "https://ehr.example/fhir/Patient/p1"}, (FHIR, "p1")),
        ({"reference": "Patient/p1/_history/3"}, (FHIR, "p1")),
        ({"reference": "urn:uuid:11f1"}, (FHIR, "11f1")),
        ({"reference": "Patient?identifier=urn:x|77"}, ("urn:x", "77")),
        ({"identifier": {"system": "urn:x", "value": "77"}}, ("urn:x", "77")),
        ({"reference": "Group/g1"}, (None, None)),
        ({"reference": "MyPatient/p1"}, (None, None)),
        ({"display": "somebody"}, (None, None)),
        ("Patient/p1", (None, None)),
        (None, (None, None)),
    ],
)
def test_whom_a_resource_is_about(read, reference, patient):
    content = read("a.ndjson", ndjson({"resourceType": "Observation", "subject": reference}))
    row = content.records[0]
    assert (row["patient_system"], row["patient_number"]) == patient
    assert content.links == []


def test_other_resources_name_staff_and_accession_numbers(read):
    specimen = {
        "resourceType": "Specimen",
        "accessionIdentifier": {"system": "https://lab.example", "value": "B24-00017"},
        "subject": {"reference": "Patient/p1", "display": "Aino Mäkelä"},
        "collection": {"collector": {"display": "Sari Niemi"}},
        "contained": [{"resourceType": "Practitioner", "name": [{"family": "Salo"}]}],
    }
    content = read("fhir/Specimen.ndjson", ndjson(specimen))
    assert values(content, "accession_number") == ["B24-00017"]
    assert values(content, "name") == ["Aino", "Mäkelä"]
    assert values(content, "name", "") == ["Sari", "Niemi", "Salo"]


def test_organisations_identify_nobody(read):
    organisation = {"resourceType": "Organization", "name": "HUS", "telecom": [{"value": "09 4711"}]}
    assert read("a.ndjson", ndjson(organisation)).identifiers == []


def test_malformed_lines_are_held_by_their_index(read):
    lines = [
        json.dumps(PATIENT),
        "",
        '{"resourceType": "Pat',
        "[]",
        '{"a": 1}',
        '{"resourceType": "Patient"}',
    ]
    content = read("fhir/Patient.ndjson", "\r\n".join(lines).encode() + b"\n\xff\xfe\n")
    assert [row["position"] for row in content.records] == [0]
    assert content.held == [(position, Reason.MALFORMED_RECORD) for position in (2, 3, 4, 5, 6)]


def test_a_bundle_resolves_its_own_urls(read):
    patient = {"resourceType": "Patient", "name": [{"family": "Korhonen"}]}
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "urn:uuid:aa", "resource": {**patient, "id": "p7"}},
            {"fullUrl": "urn:uuid:bb", "resource": patient},
            {"resource": {"resourceType": "Observation", "subject": {"reference": "urn:uuid:aa"}}},
            {"resource": {"resourceType": "Observation", "subject": {"reference": "urn:uuid:bb"}}},
            {"request": {"method": "DELETE"}},
        ],
    }
    content = read("bundle.json", json.dumps(bundle).encode())
    assert [row["patient_number"] for row in content.records] == ["p7", "bb", "p7", "bb"]
    assert content.held == [(4, Reason.MALFORMED_RECORD)]


LABORATORY = """lab_number,national_id,name,birth_date,collected_at,analyte,value,unit,comment
L-1,131052-308T,"Mäkelä, Aino",13.10.1952,2024-03-04T08:10:00,718-7,131,g/L,call 040 1234567
,131052-308T,Mäkelä Aino,1952-10-13,2024-03-04T08:10:00,6690-2,"6,3",10*9/L,

L-2,,,,,777-3
,,Nobody,,2024-03-04,718-7,120,g/L,
"""


def test_laboratory_rows(read):
    content = read("laboratory.csv", LABORATORY.encode("cp1252"))
    lab = "https://helsinki.example/laboratory"
    assert [(r["position"], r["patient_system"], r["patient_number"]) for r in content.records] == [
        (0, lab, "L-1"),
        (1, "urn:oid:1.2.246.21", "131052-308T"),
        (3, None, None),
    ]
    assert content.held == [(2, Reason.MALFORMED_RECORD)]
    assert content.links == [
        [(lab, "L-1"), ("urn:oid:1.2.246.21", "131052-308T")],
        [("urn:oid:1.2.246.21", "131052-308T")],
    ]
    assert json.loads(content.records[1]["body"])["value"] == "6,3"
    assert values(content, "name", "L-1") == ["Mäkelä", "Aino"]
    assert values(content, "birth_date", "L-1") == ["13.10.1952"]


def test_a_quote_out_of_place_costs_its_row(read):
    header, first, second, *_ = LABORATORY.splitlines()
    comment = 'the "blue" tube,\nagain'.replace('"', '""')
    rows = [
        header,
        first,
        second.replace("6690-2", '"6690-2'),
        second,
        f'{first.rpartition(",")[0]},"{comment}"',
        first,
    ]
    content = read("laboratory.csv", "\n".join(rows).encode())
    assert content.held == [(1, Reason.MALFORMED_RECORD)]
    assert [row["position"] for row in content.records] == [0, 2, 3, 4]
    assert json.loads(content.records[2]["body"])["comment"] == 'the "blue" tube,\nagain'


def test_scan_sheet_rows_name_their_file(read):
    data = b"file,patient_number,specimen,scanner_serial\nfields/a.jpg,HP-1,B24-1,SN-9\n,HP-1,B24-2,SN-9\n"
    content = read("scans.csv", data)
    row = content.records[0]
    assert (row["kind"], row["file"], row["patient_number"]) == ("scan", "helsinki/d1/fields/a.jpg", "HP-1")
    assert content.held == [(1, Reason.MALFORMED_RECORD)]
    assert values(content, "accession_number", "HP-1") == ["B24-1"]
    assert values(content, "device_serial", "") == ["SN-9"]


def test_synthea_bulk_data_is_accounted_for(read, real_data):
    kinds: Counter[str] = Counter()
    for path in sorted((real_data / "fhir_synthea10").glob("*.ndjson")):
        content = read(f"fhir/{path.name}", path.read_bytes())
        if path.name == "log.ndjson":
            assert content.held == [(None, Reason.UNKNOWN_FORMAT)]
            continue
        lines = path.read_text().splitlines()
        assert [row["position"] for row in content.records] == list(range(len(lines)))
        assert content.held == []
        kinds.update(row["kind"] for row in content.records)
        about_nobody = {row["kind"] for row in content.records if row["patient_number"] is None}
        assert about_nobody <= {"Organization", "Location", "Practitioner", "PractitionerRole"}
    assert (kinds["Patient"], kinds["Condition"], kinds.total()) == (13, 555, 7160)


def test_finnish_bundles_are_accounted_for(read, real_data):
    kinds: Counter[str] = Counter()
    for path in sorted((real_data / "fhir_fi" / "input" / "examples").glob("*.json")):
        content = read(f"fhir/{path.name}", path.read_bytes())
        body = json.loads(path.read_text())
        resources = [entry["resource"] for entry in body["entry"]] if body["resourceType"] == "Bundle" else [body]
        assert content.held == []
        assert [row["kind"] for row in content.records] == [r["resourceType"] for r in resources]
        for row, resource in zip(content.records, resources, strict=True):
            subject = resource.get("subject") or resource.get("patient")
            if subject:
                assert row["patient_number"] == subject["reference"].removeprefix("Patient/")
        kinds.update(row["kind"] for row in content.records)
    assert kinds["Patient"] >= 8
    assert kinds["Observation"] >= 2 * 646 + 189
