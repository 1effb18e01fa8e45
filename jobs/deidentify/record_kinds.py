"""One handler a kind of record: what of it becomes a row. They see only what `record_rules.csv` lets through."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobs.deidentify.nomenclature import karyotype, variant
from jobs.deidentify.record_case import Case, Record
from jobs.deidentify.record_codes import LOINC, codes, is_diagnosis
from jobs.deidentify.record_measurements import laboratory, measurement
from jobs.deidentify.record_values import birth_date, coded, codings, items, moment, region, required_moment, start
from jobs.errors import BadInput
from schemas.reasons import Reason

_GENE_STUDIED = "48018-6"
"""LOINC: gene studied."""
_CHANGES = {"48004-6": ("coding_change", "c"), "81290-9": ("genomic_change", "g"), "48005-3": ("protein_change", "p")}
"""LOINC of HL7's Genomics Reporting (Variant): DNA, genomic and amino acid change; column and kind of HGVS."""
_HGNC_ID = re.compile(r"HGNC:[1-9]\d{0,4}", re.ASCII)
_KARYOTYPE = "81291-7"
"""LOINC: ISCN of a structural variant (Genomics Reporting)."""


def _patient(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    born = birth_date(body["birthDate"]) if body.get("birthDate") else None
    died = required_moment(body["deceasedDateTime"]) if body.get("deceasedDateTime") else None
    if body.get("gender") in ("female", "male", "other", "unknown"):
        case.sex = body["gender"]
    if born:
        case.born, case.birth_year = born, (born + case.days).year
    case.region = next(_regions(body), case.region)
    case.died = died or case.died
    case.dead = bool(case.dead or case.died or body.get("deceasedBoolean"))


def _regions(body: Mapping[str, Any]) -> Iterator[str]:
    """The region of each address at which the patient lives (FHIR R4 Address.use, Address.period)."""
    for address in items(body.get("address")):
        past = address.get("use") in ("old", "temp", "billing") or (address.get("period") or {}).get("end")
        if not past and (found := region(address.get("postalCode"))):
            yield found


def _specimen(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    numbers = [body.get("accessionIdentifier"), *items(body.get("identifier"))]
    number = next((str(n["value"]) for n in numbers if isinstance(n, dict) and n.get("value")), None)
    if not number:
        raise BadInput(Reason.MALFORMED_RECORD)
    kinds = {code for _, code in codings(body.get("type"))}
    known = next((codes("material")[code]["becomes"] for code in sorted(kinds & set(codes("material")))), None)
    collection = body.get("collection") or {}
    taken = start(collection, "collected")
    row = _specimen_row(case, record.source, number.strip())
    if kinds:
        row["material"] = known or "other"
    told = {"note": case.note(body), "staff_key": case.staff_key(record.source, collection.get("collector"))}
    row.update({column: value for column, value in told.items() if value})
    if taken:
        row["collected"] = case.shifted(taken)
        case.collected.append(taken)


def _scan(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    """A row of a scan sheet; what it says about the scan is cleaned with the scan."""
    if body.get("specimen"):
        _specimen_row(case, record.source, body["specimen"].strip())
    if scanned := moment(body.get("scanned_at")):
        case.dated.append(scanned)


def _specimen_row(case: Case, source: str, number: str) -> dict[str, Any]:
    key = case.pseudonyms.key_for("specimen", source, number)
    empty = {
        "specimen_id": key,
        "patient_key": case.key,
        "material": None,
        "collected": None,
        "note": None,
        "staff_key": None,
    }
    return case.specimens.setdefault(key, {**empty, "material": case.materials.get(source) or None})


def _condition(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    systems = list(codes("diagnosis system"))
    found = [pair for pair in codings(body.get("code")) if is_diagnosis(*pair)]
    if not found:
        raise BadInput(Reason.MALFORMED_RECORD)
    system, code = min(found, key=lambda pair: systems.index(pair[0]))
    onset = case.shifted_date(start(body, "onset"))
    row = {"diagnosis_id": case.id_of("diagnosis", record), "patient_key": case.key, "note": case.note(body)}
    row["staff_key"] = case.staff_key(record.source, body.get("recorder"), body.get("asserter"))
    case.rows["diagnoses"].append({**row, "system": system, "code": code, "onset": onset})


def _genetics(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    gene = next(_genes(body), None)
    named = _named(body)
    absent = {code for _, code in codings(body.get("dataAbsentReason"))}
    answers = [code for _, code in codings(body.get("valueCodeableConcept"))]
    results = {codes("result")[code]["becomes"] for code in answers if code in codes("result")}
    if "not-performed" in absent:
        results.add("not tested")
    if not (gene or any(named.values())) or len(results) != 1:
        raise BadInput(Reason.MALFORMED_RECORD)
    tested = case.shifted_date(start(body, "effective"))
    row = {"finding_id": case.id_of("genetics", record), "patient_key": case.key, "note": case.note(body)}
    row["staff_key"] = case.staff_key(record.source, body.get("performer"))
    case.rows["genetics"].append({**row, "gene": gene, "result": results.pop(), "tested": tested, **named})


def _named(body: Mapping[str, Any]) -> dict[str, str | None]:
    """The variant by the columns of its nomenclatures, each None where it is not written in its grammar."""
    named: dict[str, str | None] = dict.fromkeys([*(column for column, _ in _CHANGES.values()), "karyotype"])
    for component in items(body.get("component")):
        texts = list(_texts(component))
        for code in coded(component.get("code"), LOINC):
            if code in _CHANGES:
                column, kind = _CHANGES[code]
                named[column] = next((one for text in texts if (one := variant(text, kind))), None)
            elif code == _KARYOTYPE:
                named["karyotype"] = next((one for text in texts if (one := karyotype(text))), None)
    return named


def _texts(component: Mapping[str, Any]) -> Iterator[str]:
    concept = component.get("valueCodeableConcept") or {}
    for coding in items(concept.get("coding")):
        yield from (str(coding[name]) for name in ("code", "display") if coding.get(name))
    yield from (str(text) for text in (concept.get("text"), component.get("valueString")) if text)


def _genes(body: Mapping[str, Any]) -> Iterator[str]:
    """Genes that an Observation studied: HGNC's symbol if it is on the list, as a name looks like one; else its id."""
    for component in items(body.get("component")):
        if _GENE_STUDIED in coded(component.get("code"), LOINC):
            for coding in items((component.get("valueCodeableConcept") or {}).get("coding")):
                symbol = str(coding.get("display") or coding.get("code") or "")
                if coding.get("system") not in codes("gene system"):
                    continue
                if symbol in codes("gene"):
                    yield symbol
                elif _HGNC_ID.fullmatch(str(coding.get("code"))):
                    yield str(coding["code"])


HANDLERS: dict[str, Callable[[Case, Record, Mapping[str, Any]], None]] = {
    "Patient": _patient,
    "Specimen": _specimen,
    "Condition": _condition,
    "Observation[measurement]": measurement,
    "Observation[genetics]": _genetics,
    "laboratory": laboratory,
    "scan": _scan,
}
