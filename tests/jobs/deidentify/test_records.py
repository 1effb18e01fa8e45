"""Clinical records, cleaned; and shapes, judged."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.deidentify.annotations import clean_shape, shape_problem
from jobs.deidentify.record_values import number
from jobs.deidentify.records import Record, clean_records, withdrawn
from jobs.errors import BadInput
from jobs.ingest.content import read_content
from jobs.pseudonyms import Pseudonyms
from jobs.settings import Source
from jobs.vocabulary import Vocabulary
from schemas.annotations import ANNOTATIONS
from schemas.contract import MADE_BY
from schemas.deid_log import DEID_LOG
from schemas.diagnoses import DIAGNOSES
from schemas.genetics import GENETICS
from schemas.measurements import MEASUREMENTS
from schemas.outcomes import OUTCOMES
from schemas.patients import PATIENTS
from schemas.reasons import Reason
from schemas.specimens import SPECIMENS

SECRETS = Pseudonyms(bytes(range(32)))
DAYS = timedelta(days=SECRETS.shift_days("P"))
TABLES = (PATIENTS, SPECIMENS, DIAGNOSES, MEASUREMENTS, GENETICS, OUTCOMES, DEID_LOG)
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "text": {"div": "<div>Aino Mäkelä</div>"},
    "name": [{"family": "Mäkelä", "given": ["Aino"]}, {"family": "Aalto"}],
    "gender": "female",
    "birthDate": "1952-10-13",
}
SPECIMEN = {
    "resourceType": "Specimen",
    "accessionIdentifier": {"value": "B24-17"},
    "subject": {"reference": "Patient/p1"},
    "type": {"coding": [{"system": "http://snomed.info/sct", "code": "119359002"}]},
    "collection": {"collectedDateTime": "2024-03-01T10:45:12+02:00"},
    "note": [{"text": "Aino was nervous"}],
}


def observation(code, **values):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code, "display": "free text"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-03-02T08:30:00Z",
        **values,
    }


def quantity(value, unit="g/L", **more):
    return {"value": value, "unit": unit, "system": UCUM, "code": unit, **more}


def finding(gene="FLT3", **values):
    coding = {"system": "http://www.genenames.org/geneId", "code": "HGNC:3765", "display": gene}
    component = {
        "code": {"coding": [{"system": LOINC, "code": "48018-6"}]},
        "valueCodeableConcept": {"coding": [coding]},
    }
    return observation("69548-6", component=[component], **values)


def answer(code):
    return {"coding": [{"system": LOINC, "code": code}]}


def records(*bodies, source="helsinki", delivery="d1"):
    return [
        Record(
            f"{source}/{delivery}/fhir/{body.get('resourceType', 'laboratory')}",
            position,
            source,
            delivery,
            body.get("resourceType", "laboratory"),
            json.dumps(body),
        )
        for position, body in enumerate(bodies)
    ]


def clean(*bodies):
    return clean_records(records(*bodies), "P", SECRETS)


def one(table, *bodies):
    rows = clean(*bodies).tables[table]
    assert len(rows) == 1
    return rows[0]


def reasons(*bodies):
    return [reason for _, _, reason in clean(*bodies).held]


def test_a_patient_keeps_sex_and_a_shifted_year():
    row = one("patients", PATIENT)
    born = date(1952, 10, 13) + DAYS
    key = SECRETS.key_for("patient", "P")
    assert row == {"patient_key": key, "sex": "female", "birth_year": born.year, "region": None}


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ({"postalCode": "00290", "city": "Helsinki"}, "00"), ({"postalCode": "D-81377"}, "81"),
        ({"postalCode": "114 55"}, "11"), ({"postalCode": "8001"}, "8"), ({"postalCode": "02138-1234"}, "02"),
        ({"postalCode": "81377", "use": "old"}, None), ({"postalCode": "81377", "period": {"end": "2020"}}, None),
        ({"postalCode": "SW1A 1AA"}, None), ({"postalCode": "Mäkelä"}, None), ({"postalCode": "8412345678"}, None),
        ({"text": "81377 München"}, None), (None, None),
    ],
)  # fmt: skip
def test_of_an_address_the_region_stays(address, region):
    found = clean({**PATIENT, "address": [{"use": "temp", "postalCode": "99999"}, address]})
    assert [row["region"] for row in found.tables["patients"]] == [region]
    assert "München" not in json.dumps(found.tables, ensure_ascii=False, default=str)


def test_a_laboratory_may_say_the_postal_code():
    row = {"analyte": "6690-2", "value": "6,3", "unit": "E9/l", "collected_at": "04.03.2024", "postal_code": "81377"}
    assert one("patients", row)["region"] == "81"
    assert one("patients", PATIENT | {"address": [{"postalCode": "00290"}]}, row)["region"] == "81"


def test_no_birth_year_above_89():
    old = {**PATIENT, "birthDate": "1930-01-01"}
    assert one("patients", old)["birth_year"] is not None
    at_89 = observation("718-7", valueQuantity=quantity(120), effectiveDateTime="2019-12-31")
    assert one("patients", old, at_89)["birth_year"] is not None
    at_90 = {**at_89, "effectiveDateTime": "2020-01-01"}
    assert one("patients", old, at_90)["birth_year"] is None
    assert one("patients", {**old, "deceasedDateTime": "2021-05-01"})["birth_year"] is None


def test_a_birth_date_may_be_partial():
    assert one("patients", {**PATIENT, "birthDate": "1952"})["birth_year"] in (1951, 1952)


def test_the_latest_delivery_wins():
    first = records({**PATIENT, "gender": "male"}, delivery="d1")
    second = records(PATIENT, delivery="d2")
    found = clean_records([*second, *first], "P", SECRETS)
    assert found.tables["patients"][0]["sex"] == "female"
    assert len(found.passed) == 2


def test_a_specimen():
    moved = datetime(2024, 3, 1, 8, tzinfo=UTC) + DAYS
    assert one("specimens", SPECIMEN) == {
        "specimen_id": SECRETS.key_for("specimen", "helsinki", "B24-17"),
        "patient_key": SECRETS.key_for("patient", "P"),
        "material": "bone marrow",
        "collected": moved,
        "note": None,
        "staff_key": None,
    }
    other = {**SPECIMEN, "type": {"coding": [{"system": "x", "code": "119361006"}]}}
    assert one("specimens", other)["material"] == "other"
    assert one("specimens", {**SPECIMEN, "type": None})["material"] is None
    assert reasons({"resourceType": "Specimen"}) == [Reason.MALFORMED_RECORD]


def test_a_scan_sheet_names_specimens_too():
    row = Record("h/d/scans.csv", 0, "helsinki", "d", "scan", json.dumps({"file": "a", "specimen": "B24-17"}))
    found = clean_records([row], "P", SECRETS, materials={"helsinki": "blood"})
    assert found.tables["specimens"][0]["material"] == "blood"
    both = clean_records([row, *records(SPECIMEN)], "P", SECRETS)
    assert len(both.tables["specimens"]) == 1
    assert both.tables["specimens"][0]["material"] == "bone marrow"


def test_a_diagnosis():
    icd = {"system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "code": "C92.0", "display": "AML of Aino"}
    local = {"system": "https://local.example", "code": "Mäkelä"}
    snomed = {"system": "http://snomed.info/sct", "code": "91861009"}
    condition = {
        "resourceType": "Condition",
        "code": {"coding": [local, snomed, icd]},
        "onsetDateTime": "2024-02-03",
    }
    row = one("diagnoses", condition)
    assert (row["system"], row["code"]) == (icd["system"], "C92.0")
    assert row["onset"] == date(2024, 2, 3) + DAYS
    assert one("diagnoses", {**condition, "onsetDateTime": "2024"})["onset"] is None
    assert reasons({**condition, "code": {"text": "AML"}}) == [Reason.MALFORMED_RECORD]
    assert reasons({**condition, "code": {"coding": [local]}}) == [Reason.MALFORMED_RECORD]


def test_a_refuted_diagnosis_is_no_diagnosis():
    status = {"coding": [{"code": "refuted"}]}
    found = clean({"resourceType": "Condition", "verificationStatus": status})
    assert (found.tables["diagnoses"], found.held, len(found.passed)) == ([], [], 1)
    assert found.tables["deid_log"][0]["attribute_path"] == "Condition[void]"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (131, "g/L", (131.0, "g/L")),
        (13.1, "g/dL", (131.0, "g/L")),
        (6.34, "10*3/uL", (6.34, "10*9/L")),
        (4.5, "10*6/uL", (4.5, "10*12/L")),
        (6340, "/uL", (6.34, "10*9/L")),
        (41.2, "%", (41.2, "%")),
        (8.1, "mmol/L", (8.1, "mmol/L")),
    ],
)
def test_a_measurement_and_its_unit(value, unit, expected):
    row = one("measurements", observation("718-7", valueQuantity=quantity(value, unit)))
    assert (row["value"], row["unit"]) == expected
    assert (row["code"], row["taken"]) == ("718-7", datetime(2024, 3, 2, 8, tzinfo=UTC) + DAYS)


def test_any_laboratory_value_with_a_loinc_code_and_a_unit_stays():
    row = one("measurements", observation("11555-0", valueQuantity=quantity(-3.5, "mmol/L")))
    assert (row["code"], row["value"], row["unit"]) == ("11555-0", -3.5, "mmol/L")
    body = observation("85354-9", component=[
        {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")}
        for code, value in (("8480-6", 120), ("8462-4", 80))
    ])  # fmt: skip
    rows = clean(body).tables["measurements"]
    assert [(row["code"], row["value"]) for row in rows] == [("8480-6", 120.0), ("8462-4", 80.0)]
    assert len({row["measurement_id"] for row in rows}) == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"valueQuantity": quantity("many")},
        {"valueQuantity": quantity(float("nan"))},
        {"valueQuantity": quantity(1, "spoons")},
        {"valueQuantity": quantity(10, comparator="about")},
        {"valueQuantity": quantity(-1)},
        {"valueQuantity": {}},
        {"valueQuantity": "131"},
        {"valueQuantity": quantity(131), "effectiveDateTime": "2024"},
        {"valueQuantity": quantity(131), "effectiveDateTime": "0001-01-01"},
        {},
    ],
)
def test_a_measurement_that_cannot_be_used_is_held(broken):
    assert reasons(observation("718-7", **broken)) == [Reason.MALFORMED_RECORD]


def test_other_observations_are_dropped_and_logged():
    found = clean(observation("12345-6", valueQuantity=quantity(70, "kg")), observation("718-7", status="cancelled"))
    assert len(found.passed) == 2
    assert [row["attribute_path"] for row in found.tables["deid_log"]] == [
        "Observation[other]",
        "Observation[void]",
    ]
    absent = observation("718-7", dataAbsentReason={"coding": [{"code": "unknown"}]})
    assert clean(absent).held == []


def test_laboratory_rows():
    row = {
        "lab_number": "L-1",
        "national_id": "131052-308T",
        "collected_at": "04.03.2024 08:15",
        "analyte": "6690-2",
        "value": "6,3",
        "unit": "E9/l",
        "comment": "call Aino",
        "Käthe Müller": "x",
    }
    found = clean(row)
    measured = found.tables["measurements"][0]
    assert (measured["value"], measured["unit"]) == (6.3, "10*9/L")
    assert measured["taken"] == datetime(2024, 3, 4, 8, tzinfo=UTC) + DAYS
    actions = {entry["attribute_path"]: entry["action"] for entry in found.tables["deid_log"]}
    assert actions["laboratory.national_id"] == actions["laboratory.(other)"] == "removed"
    assert actions["laboratory.collected_at"] == "shifted"
    assert reasons({**row, "value": ""}) == [Reason.MALFORMED_RECORD]
    assert clean({**row, "analyte": "2345-7", "unit": "mmol/l"}).tables["measurements"][0]["code"] == "2345-7"
    assert clean({**row, "analyte": "glucose"}).tables["measurements"] == []


@pytest.mark.parametrize(
    ("values", "result"),
    [
        ({"valueCodeableConcept": answer("LA9633-4")}, "positive"),
        ({"valueCodeableConcept": answer("LA9634-2")}, "negative"),
        ({"valueCodeableConcept": answer("LA18198-4")}, "indeterminate"),
        ({"dataAbsentReason": {"coding": [{"code": "not-performed"}]}}, "not tested"),
    ],
)
def test_genetics(values, result):
    row = one("genetics", finding(**values))
    assert (row["gene"], row["result"]) == ("FLT3", result)
    assert row["tested"] == date(2024, 3, 2) + DAYS


def test_genetics_without_gene_or_answer_are_held():
    nobodys = finding("Aino Mäkelä", valueCodeableConcept=answer("LA9633-4"))
    assert one("genetics", nobodys)["gene"] == "HGNC:3765"
    nobodys["component"][0]["valueCodeableConcept"]["coding"][0]["code"] = "HGNC:8412345678"
    assert reasons(nobodys) == [Reason.MALFORMED_RECORD]
    assert reasons(finding(), finding(valueCodeableConcept=answer("LA0-0"))) == [Reason.MALFORMED_RECORD] * 2


def test_outcomes():
    dead = {**PATIENT, "deceasedDateTime": "2024-06-01"}
    measured = observation("718-7", valueQuantity=quantity(120), effectiveDateTime="2024-03-11")
    expected = {"patient_key": SECRETS.key_for("patient", "P"), "event": "death"}
    assert one("outcomes", dead, SPECIMEN) == {**expected, "days": 92, "state": "observed"}
    assert one("outcomes", PATIENT, SPECIMEN, measured) == {**expected, "days": 10, "state": "censored"}
    assert one("outcomes", PATIENT, SPECIMEN)["days"] == 0
    assert clean(dead).tables["outcomes"] == []
    assert clean({**dead, "deceasedDateTime": "2020-01-01"}, SPECIMEN).tables["outcomes"] == []
    assert clean({**PATIENT, "deceasedBoolean": True}, SPECIMEN).tables["outcomes"] == []


def test_the_log_counts_elements_and_holds_no_value():
    found = clean(PATIENT, PATIENT, SPECIMEN)
    log = {row["attribute_path"]: (row["action"], row["occurrences"]) for row in found.tables["deid_log"]}
    assert log["Patient.name"] == ("removed", 2)
    assert log["Patient.birthDate"] == ("generalised", 2)
    assert log["Specimen.note.text"] == ("removed", 1)
    assert log["Specimen.accessionIdentifier.value"] == ("replaced", 1)
    text = json.dumps(found.tables, default=str)
    for value in ("Aino", "Mäkelä", "p1", "B24-17", "1952-10-13", "2024-03-01"):
        assert value not in text


def test_rows_have_the_contracts_columns_and_values():
    found = clean(
        {**PATIENT, "deceasedDateTime": "2024-06-01"},
        SPECIMEN,
        observation("718-7", valueQuantity=quantity(131)),
        finding(valueCodeableConcept=answer("LA9633-4")),
        {
            "resourceType": "Condition",
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C92.0"}]},
        },
    )
    for table in TABLES:
        assert found.tables[table.name], table.name
        for row in found.tables[table.name]:
            assert set(row) == set(table.names) - {column.name for column in MADE_BY}
            for column in table.own_columns:
                value = row[column.name]
                assert value is not None or column.nullable
                assert value is None or not column.values or value in column.values


def test_withdrawn_consent():
    deny = {"resourceType": "Consent", "status": "active", "provision": {"type": "deny"}}
    assert withdrawn(records(deny))
    assert not withdrawn(records({**deny, "status": "entered-in-error"}))
    assert not withdrawn(records({**deny, "provision": {"type": "permit"}}))
    assert not withdrawn(records(PATIENT))
    log = clean(deny).tables["deid_log"]
    assert [(row["attribute_path"], row["action"]) for row in log] == [("Consent", "removed")]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(["2024-03-04", "718-7"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "code",
                    "coding",
                    "system",
                    "valueQuantity",
                    "value",
                    "birthDate",
                    "deceasedDateTime",
                    "accessionIdentifier",
                    "type",
                    "collection",
                    "collectedDateTime",
                    "component",
                    "effectiveDateTime",
                    "onsetDateTime",
                    "status",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Patient", "Specimen", "Condition", "Observation", "Encounter", "laboratory", "scan"]),
            JSON,
        ),
        max_size=4,
    )
)
def test_every_record_is_passed_or_held(bodies):
    came = [Record("s/d/f", n, "s", "d", kind, json.dumps(body)) for n, (kind, body) in enumerate(bodies)]
    found = clean_records(came, "P", SECRETS)
    places = [*found.passed, *((path, position) for path, position, _ in found.held)]
    assert sorted(places) == [(record.path, record.position) for record in came]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.integers(1, 10**6), st.text(min_size=1))
def test_intervals_between_records_hold(first, minutes, patient):
    second = first + timedelta(minutes=minutes)
    found = clean_records(
        records(
            *(
                observation("718-7", valueQuantity=quantity(1), effectiveDateTime=time.isoformat() + "Z")
                for time in (first, second)
            )
        ),
        patient,
        SECRETS,
    )
    taken = [row["taken"] for row in found.tables["measurements"]]
    true = second.replace(minute=0, second=0, microsecond=0) - first.replace(minute=0, second=0, microsecond=0)
    assert taken[1] - taken[0] == true


@given(st.decimals(-(10**6), 10**6, places=3), st.booleans())
def test_numbers_with_comma_or_point(value, comma):
    text = f"{value:.3f}"
    assert number(text.replace(".", ",") if comma else text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("1.234,5", 1234.5), ("1,234.5", 1234.5), ("1 234,5", 1234.5), (" 7 ", 7), (3, 3)]
)
def test_numbers_with_thousands(text, value):
    assert float(number(text)) == value


@pytest.mark.parametrize("text", ["", "x", None, True, "1e999", "nan", "<5"])
def test_what_is_no_number(text):
    with pytest.raises(BadInput):
        number(text)


@pytest.mark.parametrize(
    ("kind", "coordinates", "problem"),
    [
        ("box", [0, 0, 10, 10], None),
        ("box", [180, 328, 181, 329], Reason.BOX_WITHOUT_AREA),
        ("box", [10, 10, 5, 20], Reason.BOX_WITHOUT_AREA),
        ("box", [10, 10, 40, 10], Reason.BOX_WITHOUT_AREA),
        ("box", [-30, 0, 10, 20], Reason.OUTSIDE_SCAN),
        ("box", [-10, 0, 10, 20], None),
        ("box", [630, 470, 651, 491], Reason.OUTSIDE_SCAN),
        ("point", [0, 0], None),
        ("point", [639.9, 479.9], None),
        ("point", [640, 10], Reason.OUTSIDE_SCAN),
        ("polygon", [0, 0, 10, 0, 10, 10], None),
        ("polygon", [0, 0, 10, 0], Reason.BOX_WITHOUT_AREA),
        ("polygon", [5, 5, 5, 9, 5, 20], Reason.BOX_WITHOUT_AREA),
        ("polygon", [700, 5, 710, 5, 710, 20], Reason.OUTSIDE_SCAN),
    ],
)
def test_shape_problems(kind, coordinates, problem):
    assert shape_problem(kind, coordinates, 640, 480) == problem


SHAPE = {
    "path": "helsinki/d1/annotations/S-1.geojson",
    "position": 3,
    "source": "helsinki",
    "delivery": "d1",
    "scan_name": "S-1",
    "geometry_type": "box",
    "coordinates": [10, 20, 30, 60],
    "label_raw": " blast ",
    "examiner": "Dr. Aino Lehtonen",
    "annotator_kind": "human",
    "round": 1,
    "confidence": None,
    "annotated_at": datetime(2024, 3, 5, 11, 20, 30, tzinfo=UTC),
    "scan_id": "f" * 32,
    "patient_id": "P",
    "width_px": 640,
    "height_px": 480,
}
VOCABULARY = Vocabulary("munich_bmc", "0123456789ab", frozenset({"BLA"}), {"blast": "BLA"})


def test_a_clean_shape():
    row = clean_shape(SHAPE, SECRETS, VOCABULARY)
    assert set(row) == set(ANNOTATIONS.names) - {column.name for column in MADE_BY}
    assert (row["label_raw"], row["label_code"], row["center_x"], row["center_y"]) == ("blast", "BLA", 20, 40)
    assert row["annotated_at"] == datetime(2024, 3, 5, 11, tzinfo=UTC) + DAYS
    assert row["examiner_key"] == SECRETS.key_for("examiner", "helsinki", "Dr. Aino Lehtonen")
    assert "Lehtonen" not in json.dumps(row, default=str)


@pytest.mark.parametrize("label", [None, "", "virtanen"])
def test_unknown_labels_are_held(label):
    with pytest.raises(BadInput) as caught:
        clean_shape({**SHAPE, "label_raw": label}, SECRETS, VOCABULARY)
    assert caught.value.reason is Reason.LABEL_UNKNOWN


def test_bccd_has_two_boxes_without_area(real_data):
    problems: Counter[Reason] = Counter()
    degenerate = []
    for path in sorted((real_data / "BCCD" / "BCCD" / "Annotations").glob("*.xml")):
        data = path.read_bytes()
        content = read_content(f"bccd/d/Annotations/{path.name}", io.BytesIO(data), len(data), "bccd", Source())
        for shape in content.shapes:
            if problem := shape_problem(shape["geometry_type"], shape["coordinates"], 640, 480):
                problems[problem] += 1
                degenerate.append(shape["coordinates"])
    assert problems == {Reason.BOX_WITHOUT_AREA: 2}
    assert sorted(degenerate) == [[180, 328, 181, 329], [503, 336, 504, 337]]


def of_folder(paths):
    """Records and identifiers of files, by patient."""
    patients, identifiers = defaultdict(list), defaultdict(set)
    for path in paths:
        data = path.read_bytes()
        content = read_content(f"s/d/fhir/{path.name}", io.BytesIO(data), len(data), "s", Source())
        for row in content.records:
            facts = {name: row[name] for name in ("position", "kind", "body")}
            record = Record(path=f"s/d/fhir/{path.name}", source="s", delivery="d", **facts)
            patients[row["patient_number"]].append(record)
        for row in content.identifiers:
            identifiers[row["patient_number"]].add(row["value"])
    return patients, identifiers


@pytest.mark.parametrize("where", ["fhir_synthea10", "fhir_fi/input/examples"])
def test_every_real_resource_is_passed_or_held(real_data, where):
    paths = sorted(path for path in (real_data / where).iterdir() if path.suffix in (".json", ".ndjson"))
    assert paths
    held: Counter[str] = Counter()
    tables: Counter[str] = Counter()
    patients, identifiers = of_folder(paths)
    for patient, came in patients.items():
        found = clean_records(came, str(patient), SECRETS)
        assert len(found.passed) + len(found.held) == len(came)
        held.update(reason for _, _, reason in found.held)
        tables.update({name: len(rows) for name, rows in found.tables.items()})
        text = json.dumps({**found.tables, "deid_log": []}, default=str)
        assert not [value for value in identifiers[patient] if len(value) >= 4 and value in text]
    if where == "fhir_synthea10":
        assert held == {}
        assert tables["diagnoses"] == 555
    else:
        # 1494 Observations and 12 components of panels with a number
        assert held == {}
        assert tables["measurements"] == 1494 + 12
