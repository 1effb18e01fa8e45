"""Free text through Spark: kept where the settings name its path, without names of the patient and of staff."""

from __future__ import annotations

import json
from dataclasses import replace

from jobs.deidentify.batch import Everyone
from jobs.deidentify.cases import cleaned
from jobs.deidentify.stage import forget_others
from jobs.lake import Lake, contract
from jobs.settings import Source
from jobs.store import Store, hadoop_path

ICD = "http://hl7.org/fhir/sid/icd-10"
CONDITION = {
    "resourceType": "Condition",
    "code": {"coding": [{"system": ICD, "code": "C92.0"}]},
    "note": [{"text": "Aino Mäkelä seen by Virtanen; blasts 45 %"}],
}


def test_a_rebuild_forgets_scans_under_other_names(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "objects" / name).mkdir(parents=True)
        (tmp_path / "objects" / name / "x.dcm").touch()
    forget_others(Store(), f"{tmp_path.as_uri()}/objects", {"a"})
    assert [path.name for path in (tmp_path / "objects").rglob("*.dcm")] == ["x.dcm"]
    assert (tmp_path / "objects/a/x.dcm").exists()
    forget_others(Store(), f"{tmp_path.as_uri()}/nothing", set())


def put(lake, name, *rows):
    columns = [column.name for column in contract(name).columns]
    made = {"stage_version": "1", "settings_sha256": "0" * 64}
    frame = lake.spark.createDataFrame(
        [tuple((row | made).get(column) for column in columns) for row in rows], contract(name).ddl
    )
    frame.write.format("delta").save(hadoop_path(lake.uri(contract(name))))


def test_a_note_is_cleaned_of_what_all_inputs_know(settings, spark):
    sources = {"helsinki": Source(free_text=("Condition.note.text",))}
    lake = Lake(replace(settings, sources=sources), spark)
    of_patient = {"patient_system": "s", "patient_number": "1"}
    place = {"path": "helsinki/d/c.json", "source": "helsinki", "delivery": "d"}
    patient = {"position": 0, "kind": "Patient", "body": json.dumps({"resourceType": "Patient"})}
    condition = {"position": 1, "kind": "Condition", "body": json.dumps(CONDITION)}
    put(lake, "restricted.records", *({**place, **of_patient, **one} for one in (patient, condition)))
    put(lake, "restricted.identities", {"system": "s", "id": "1", "patient_id": "p"})
    nobody = {"patient_system": "", "patient_number": ""}
    names = [("Aino", of_patient), ("Mäkelä", of_patient), ("Virtanen", nobody)]
    rows = ({**place, "position": n, "kind": "name", "value": name, **of} for n, (name, of) in enumerate(names))
    put(lake, "restricted.identifiers", *rows)
    none = spark.createDataFrame([], "patient_id string")
    (row,) = cleaned(
        lake, spark.createDataFrame([("p",)], "patient_id string"), none, none, Everyone(frozenset(), frozenset())
    ).collect()
    assert [one.note for one in row.diagnoses] == ["[removed] [removed] seen by [removed]; blasts 45 %"]
    assert {one.action for one in row.deid_log if one.attribute_path == "Condition.note.text"} == {"cleaned"}
    assert len({one.site_key for one in row.deid_log}) == 1
