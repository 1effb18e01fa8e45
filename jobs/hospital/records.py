"""Write clinical records as FHIR R4 bulk NDJSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from jobs.hospital.blood import ANALYTES, counts_at
from jobs.hospital.people import COUNTRY, NATIONAL_SYSTEM, PHYSICIANS, Person
from jobs.hospital.plan import Case
from jobs.hospital.seeds import Generator, rng, uuid
from jobs.hospital.truth import Truth

Resource = dict[str, Any]
RESOURCES = ("Patient", "Condition", "Observation", "Specimen", "Consent")
_HGNC = {
    "FLT3": "3765", "NPM1": "7910", "DNMT3A": "2978", "IDH2": "5383", "SF3B1": "10768", "TET2": "25941",
    "ASXL1": "18318", "TP53": "11998", "NOTCH1": "7881", "KRAS": "6407", "NRAS": "7989",
}  # fmt: skip
_OFFSET = {"helsinki": "+02:00", "munich": "+01:00"}


def resources(seed: int, case: Case) -> dict[str, list[Resource]]:
    """All FHIR resources of a case, by type."""
    gen = rng(seed, "records", case.person.number)
    patient = patient_of(gen, case)
    observations = [*_blood(seed, gen, case), *_genetics(seed, gen, case)]
    return {
        "Patient": [patient],
        "Condition": [_condition(seed, gen, case)],
        "Observation": observations,
        "Specimen": [_specimen(seed, case)],
        "Consent": _consents(seed, case),
    }


def ndjson(items: list[Resource]) -> bytes:
    """Bulk data: one resource a line."""
    return "".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) + "\n" for item in items).encode()


def patient_of(gen: Generator, case: Case) -> Resource:
    """Patient with all that names a person."""
    person = case.person
    source = person.source
    resource: Resource = {
        "resourceType": "Patient",
        "id": person.fhir_id,
        "text": _narrative(f"{person.full_name}, {person.born:%d.%m.%Y}, {person.address}"),
        "identifier": [
            {"use": "official", "system": NATIONAL_SYSTEM[source], "value": person.national_id},
            {"use": "usual", "system": f"https://{source}.example/pathology", "value": person.pathology},
        ],
        "active": True,
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "telecom": [{"system": "phone", "value": person.phone}, {"system": "email", "value": person.email}],
        "gender": person.sex,
        "birthDate": person.born.isoformat(),
        "address": [
            {
                "line": [person.street],
                "city": person.city,
                "postalCode": person.postal_code,
                "country": COUNTRY[source],
            }
        ],
    }
    if gen.random() < case.disease.death:
        resource["deceasedDateTime"] = moment(case, case.taken + timedelta(days=int(gen.integers(30, 700))))
    return resource


def _condition(seed: int, gen: Generator, case: Case) -> Resource:
    person, code = case.person, case.disease.code
    german = person.source == "munich"
    system = "http://fhir.de/CodeSystem/bfarm/icd-10-gm" if german else "http://hl7.org/fhir/sid/icd-10"
    text = case.disease.text[person.source]
    return {
        "resourceType": "Condition",
        "id": uuid(seed, "condition", person.number),
        "text": _narrative(f"{person.full_name}: {text}"),
        "clinicalStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "code": {"coding": [{"system": system, "code": code, "display": text}]},
        "subject": _subject(person),
        "onsetDateTime": (case.taken - timedelta(days=int(gen.integers(2, 400)))).date().isoformat(),
        "recorder": {"display": _staff(person)},
        "note": [{"text": f"{person.family} {person.given}: {text}. Tel. {person.phone}"}],
    }


def blood_observation(seed: int, person: Person, analyte: str, at: str, value: float, number: int) -> Resource:
    """One value of a blood count."""
    loinc, unit, text = ANALYTES[analyte]
    return {
        "resourceType": "Observation",
        "id": uuid(seed, "observation", person.number, number),
        "status": "final",
        "category": [_concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")],
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc, "display": text}]},
        "subject": _subject(person),
        "effectiveDateTime": at,
        "performer": [{"display": _staff(person)}],
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def _blood(seed: int, gen: Generator, case: Case) -> Iterator[Resource]:
    """Blood counts before, at and after the sampling."""
    days = [
        -int(gen.integers(20, 60)),
        -int(gen.integers(0, 3)),
        int(gen.integers(5, 40)),
        int(gen.integers(60, 120)),
    ]
    number = 0
    for day in days:
        at = moment(case, case.taken + timedelta(days=day, minutes=-int(gen.integers(20, 300))))
        for analyte, value in counts_at(gen, case.disease.blood).items():
            observation = blood_observation(seed, case.person, analyte, at, value, number)
            if number == 0:
                observation["note"] = [{"text": f"Sample of {case.person.full_name}, repeated"}]
            yield observation
            number += 1


def _genetics(seed: int, gen: Generator, case: Case) -> Iterator[Resource]:
    """Present, absent or not tested, for the genes that matter in the disease."""
    person = case.person
    for gene in case.disease.genes:
        resource: Resource = {
            "resourceType": "Observation",
            "id": uuid(seed, "gene", person.number, gene),
            "status": "final",
            "code": {
                "coding": [{"system": "http://loinc.org", "code": "69548-6", "display": "Genetic variant assessment"}]
            },
            "subject": _subject(person),
            "effectiveDateTime": moment(case, case.taken + timedelta(days=6)),
            "component": [_gene_studied(gene)],
        }
        luck = gen.random()
        if luck < 0.25:
            absent = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
            resource["dataAbsentReason"] = _concept(absent, "not-performed")
        else:
            answer = ("LA9633-4", "Present") if luck < 0.55 else ("LA9634-2", "Absent")
            coding = {"system": "http://loinc.org", "code": answer[0], "display": answer[1]}
            resource["valueCodeableConcept"] = {"coding": [coding]}
        yield resource


def _gene_studied(gene: str) -> Resource:
    studied = {"system": "http://loinc.org", "code": "48018-6", "display": "Gene studied [ID]"}
    symbol = {"system": "http://www.genenames.org/geneId", "code": f"HGNC:{_HGNC[gene]}", "display": gene}
    return {"code": {"coding": [studied]}, "valueCodeableConcept": {"coding": [symbol]}}


def _specimen(seed: int, case: Case) -> Resource:
    person = case.person
    return {
        "resourceType": "Specimen",
        "id": uuid(seed, "specimen", person.number),
        "accessionIdentifier": {
            "system": f"https://{person.source}.example/accession",
            "value": case.specimen,
        },
        "type": {
            "coding": [{"system": "http://snomed.info/sct", "code": "119359002", "display": "Bone marrow specimen"}]
        },
        "subject": _subject(person),
        "collection": {
            "collector": {"display": _staff(person)},
            "collectedDateTime": moment(case, case.taken),
        },
        "note": [{"text": f"{person.full_name}, {person.national_id}"}],
    }


def _consents(seed: int, case: Case) -> list[Resource]:
    """A consent to research; who withdrew has the former one ended and a refusal in its place."""
    given = _consent(seed, case, "permit", case.taken - timedelta(days=1))
    if not case.withdrawn:
        return [given]
    return [{**given, "status": "inactive"}, _consent(seed, case, "deny", case.taken + timedelta(days=21))]


def _consent(seed: int, case: Case, kind: str, at: datetime) -> Resource:
    person = case.person
    return {
        "resourceType": "Consent",
        "id": uuid(seed, "consent", person.number, kind),
        "text": _narrative(f"{person.full_name} ({person.national_id})"),
        "status": "active",
        "scope": _concept("http://terminology.hl7.org/CodeSystem/consentscope", "research"),
        "category": [_concept("http://loinc.org", "59284-0")],
        "patient": _subject(person),
        "dateTime": moment(case, at),
        "provision": {"type": kind},
    }


def _subject(person: Person) -> Resource:
    return {"reference": f"Patient/{person.fhir_id}", "display": person.full_name}


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _narrative(text: str) -> Resource:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


def _staff(person: Person) -> str:
    family, given, *_ = PHYSICIANS[person.source].split("^")
    return f"{given} {family}"


def moment(case: Case, at: datetime) -> str:
    """A time as the site's laboratory system writes it, in its winter time."""
    offset = _OFFSET[case.person.source]
    return (at + timedelta(hours=int(offset[1:3]))).strftime("%Y-%m-%dT%H:%M:%S") + offset


def identify_records(truth: Truth, case: Case, folder: str, found: dict[str, list[Resource]]) -> None:
    """What the FHIR files of a case give away."""
    person = case.person
    kinds = ("name", "address", "phone", "email", "birth_date", "national_id", "pathology_number", "fhir_id")
    truth.identify_person(person, f"{folder}/Patient.ndjson", *kinds)
    truth.identify_person(person, f"{folder}/Condition.ndjson", "name", "fhir_id", "phone")
    truth.identify_person(person, f"{folder}/Observation.ndjson", "name", "fhir_id")
    truth.identify_person(person, f"{folder}/Specimen.ndjson", "name", "fhir_id", "national_id")
    truth.identify_person(person, f"{folder}/Consent.ndjson", "name", "fhir_id", "national_id")
    truth.identify(case.specimen, person.number, "accession_number", f"{folder}/Specimen.ndjson")
    for resource in ("Condition", "Observation", "Specimen"):
        for part in _staff(person).split():
            truth.identify(part, None, "staff", f"{folder}/{resource}.ndjson")
