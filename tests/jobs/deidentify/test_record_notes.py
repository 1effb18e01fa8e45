"""Free text of records: removed unless the settings keep it, and then without what identifies anybody."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.deidentify.batch import Everyone
from jobs.deidentify.cases import check_free_text
from jobs.deidentify.record_rules import free_text_paths
from jobs.deidentify.records import Record, clean_records
from jobs.deidentify.rescan import find_in_text
from jobs.errors import SettingsError
from jobs.pseudonyms import Pseudonyms
from schemas.reasons import Reason

SECRETS = Pseudonyms(bytes(range(32)))
LOINC, ICD = "http://loinc.org", "http://hl7.org/fhir/sid/icd-10"
NAMES = ["Aino", "Mäkelä", "B24-1234", "131052-308T", "aino.makela@posti.fi", "Mannerheimintie"]
STAFF = ["Virtanen"]


def bodies(text):
    """A record of each kind that may hold a note, and the table that it goes to."""
    note = [{"text": text, "authorString": "Dr. Virtanen", "time": "2024-03-02"}]
    quantity = {"value": 131, "unit": "g/L"}
    observed = {"resourceType": "Observation", "effectiveDateTime": "2024-03-02T08:30:00Z", "note": note}
    gene = {"coding": [{"system": "http://www.genenames.org/geneId", "code": "HGNC:6192", "display": "JAK2"}]}
    studied = {"code": {"coding": [{"system": LOINC, "code": "48018-6"}]}, "valueCodeableConcept": gene}
    return {
        "Condition": {"resourceType": "Condition", "code": {"coding": [{"system": ICD, "code": "C92.0"}]},
                      "note": note},
        "Observation[measurement]": {**observed, "code": {"coding": [{"system": LOINC, "code": "718-7"}]},
                                     "valueQuantity": quantity},
        "Observation[genetics]": {**observed, "code": {"coding": [{"system": LOINC, "code": "69548-6"}]},
                                  "valueCodeableConcept": {"coding": [{"system": LOINC, "code": "LA9633-4"}]},
                                  "component": [studied]},
        "Specimen": {"resourceType": "Specimen", "accessionIdentifier": {"value": "B24-17"}, "note": note},
        "laboratory": {"analyte": "718-7", "value": "131", "unit": "g/L", "collected_at": "2024-03-02",
                       "comment": text},
    }  # fmt: skip


def cleaned(body, texts=()):
    record = Record("s/d/f", 0, "s", "d", body.get("resourceType", "laboratory"), json.dumps(body))
    return clean_records([record], "P", SECRETS, identifiers=NAMES, texts={"s": texts}, staff=STAFF)


def notes(found):
    return [row["note"] for rows in found.tables.values() for row in rows if row.get("note")]


def path_of(form):
    return next(path for path in free_text_paths() if path.startswith(f"{form}."))


TEXT = "Aino Mäkelän blasts 45 %, MAEKELAE called +358 40 123 4567 on 5.3.2024; see b24/1234. Virtanen"


@pytest.mark.parametrize("form", list(bodies("")))
def test_a_note_is_removed_unless_the_settings_keep_it(form):
    body = bodies(TEXT)[form]
    found = cleaned(body)
    assert (notes(found), len(found.passed)) == ([], 1)
    path = path_of(form)
    assert {row["action"] for row in found.tables["deid_log"] if row["attribute_path"] == path} == {"removed"}
    kept = cleaned(body, [path])
    expected = "[removed] [removed] blasts 45 %, [removed] called [phone] on [date]; see [removed]. [removed]"
    assert (notes(kept), len(kept.passed)) == ([expected], 1)
    assert {row["action"] for row in kept.tables["deid_log"] if row["attribute_path"] == path} == {"cleaned"}
    assert notes(cleaned(body, [other for other in free_text_paths() if other != path])) == []


def test_a_record_that_names_another_patient_of_the_batch_is_held():
    body = bodies("as in Korhonen, blasts 45 %")["Condition"]
    record, texts = Record("s/d/f", 0, "s", "d", "Condition", json.dumps(body)), {"s": [path_of("Condition")]}
    for names, held in ((["Korhonen"], [Reason.IDENTIFIER_FOUND]), (["Lahtinen"], [])):
        batch = Everyone(frozenset(names), frozenset(["B24-9999"])).batch
        found = clean_records([record], "P", SECRETS, texts=texts, batch=batch)
        assert ([reason for *_, reason in found.held], bool(notes(found))) == (held, not held)


def test_another_source_keeps_nothing():
    body = bodies(TEXT)["Condition"]
    record = Record("t/d/f", 0, "t", "d", "Condition", json.dumps(body))
    assert notes(clean_records([record], "P", SECRETS, texts={"s": ["Condition.note.text"]})) == []


@given(
    st.lists(st.sampled_from([*NAMES, *STAFF, "blasts", "45 %", "Makela", "MÄKELÄ", "b24 1234"]), max_size=8),
    st.sampled_from([" ", ", ", ": ", " - ", "\n", "(", '"']),
    st.sampled_from(list(bodies(""))),
)
def test_no_identifier_is_left_in_a_note(words, between, form):
    found = cleaned(bodies(between.join(words))[form], free_text_paths())
    assert (len(found.passed), found.held) == (1, [])
    assert not find_in_text("\n".join(notes(found)), [*NAMES, *STAFF])


def test_only_listed_paths_can_be_kept():
    check_free_text({"s": free_text_paths()})
    with pytest.raises(SettingsError, match=r"sources\.s\.free_text.*Condition\.note\.text"):
        check_free_text({"s": ["Patient.name"]})
