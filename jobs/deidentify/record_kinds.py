"""One handler a kind of record: what of it becomes a row. They see only what `record_rules.csv` lets through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from jobs.deidentify.record_case import Case, Record
from jobs.deidentify.record_codes import LOINC, UCUM, codes, is_diagnosis, is_loinc, unit
from jobs.deidentify.record_values import birth_date, coded, codings, items, moment, number, required_moment, start
from jobs.errors import BadInput
from schemas.reasons import Reason

_GENE_STUDIED = "48018-6"
"""LOINC: gene studied."""
_NEVER_NEGATIVE = frozenset(("10*9/L", "10*12/L", "g/L"))
"""Units of counts and mass concentrations; a base excess, in mmol/L, may be negative."""


def _patient(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    born = birth_date(body["birthDate"]) if body.get("birthDate") else None
    died = required_moment(body["deceasedDateTime"]) if body.get("deceasedDateTime") else None
    if body.get("gender") in ("female", "male", "other", "unknown"):
        case.sex = body["gender"]
    if born:
        case.born, case.birth_year = born, (born + case.days).year
    case.died = died or case.died
    case.dead = bool(case.dead or case.died or body.get("deceasedBoolean"))


def _specimen(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    numbers = [body.get("accessionIdentifier"), *items(body.get("identifier"))]
    number = next((str(n["value"]) for n in numbers if isinstance(n, dict) and n.get("value")), None)
    if not number:
        raise BadInput(Reason.MALFORMED_RECORD)
    kinds = {code for _, code in codings(body.get("type"))}
    known = next((codes("material")[code]["becomes"] for code in sorted(kinds & set(codes("material")))), None)
    taken = start(body.get("collection") or {}, "collected")
    row = _specimen_row(case, record.source, number.strip())
    if kinds:
        row["material"] = known or "other"
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
    empty = {"specimen_id": key, "patient_key": case.key, "material": None, "collected": None}
    return case.specimens.setdefault(key, {**empty, "material": case.materials.get(source) or None})


def _condition(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    systems = list(codes("diagnosis system"))
    found = [pair for pair in codings(body.get("code")) if is_diagnosis(*pair)]
    if not found:
        raise BadInput(Reason.MALFORMED_RECORD)
    system, code = min(found, key=lambda pair: systems.index(pair[0]))
    onset = case.shifted_date(start(body, "onset"))
    row = {"diagnosis_id": case.id_of("diagnosis", record), "patient_key": case.key}
    case.rows["diagnoses"].append({**row, "system": system, "code": code, "onset": onset})


def _measurement(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    """A value, or those of a panel's components, each with a LOINC code and a listed unit."""
    taken = start(body, "effective")
    rows = [_quantity(case, record, part, taken, at) for part, at in _parts(body)]
    if not rows:
        raise BadInput(Reason.MALFORMED_RECORD)
    case.rows["measurements"].extend(rows)


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """What holds a value: the Observation itself and its components; and what tells them apart."""
    if "valueQuantity" in body:
        yield body, ()
    for index, component in enumerate(items(body.get("component"))):
        if "valueQuantity" in component:
            yield component, (str(index),)


def _quantity(
    case: Case, record: Record, part: Mapping[str, Any], taken: datetime | None, at: tuple[str, ...]
) -> dict[str, Any]:
    quantity = part["valueQuantity"]
    code = next((code for code in coded(part.get("code"), LOINC) if is_loinc(code)), None)
    if quantity.get("comparator") or code is None:
        raise BadInput(Reason.MALFORMED_RECORD)  # `below 10` is no number
    ucum = quantity.get("code") if quantity.get("system") == UCUM else None
    return _measured(case, record, code, quantity["value"], ucum or quantity.get("unit"), taken, at)


def _laboratory(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    taken = moment(body.get("collected_at"))
    row = _measured(case, record, body["analyte"], body.get("value"), body.get("unit"), taken)
    case.rows["measurements"].append(row)


def _measured(
    case: Case,
    record: Record,
    code: str,
    value: object,
    written: object,
    taken: datetime | None,
    at: tuple[str, ...] = (),
) -> dict[str, Any]:
    known = unit(written)
    if known is None or taken is None:
        raise BadInput(Reason.MALFORMED_RECORD)
    amount = float(number(value) * Decimal(known["factor"]))
    if amount < 0 and known["becomes"] in _NEVER_NEGATIVE:
        raise BadInput(Reason.MALFORMED_RECORD)
    return {
        "measurement_id": case.id_of("measurement", record, *at),
        "patient_key": case.key,
        "code": code,
        "value": amount,
        "unit": known["becomes"],
        "taken": case.shifted(taken),
    }


def _genetics(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    gene = next(_genes(body), None)
    absent = {code for _, code in codings(body.get("dataAbsentReason"))}
    answers = [code for _, code in codings(body.get("valueCodeableConcept"))]
    results = {codes("result")[code]["becomes"] for code in answers if code in codes("result")}
    if "not-performed" in absent:
        results.add("not tested")
    if gene is None or len(results) != 1:
        raise BadInput(Reason.MALFORMED_RECORD)
    tested = case.shifted_date(start(body, "effective"))
    row = {"finding_id": case.id_of("genetics", record), "patient_key": case.key}
    case.rows["genetics"].append({**row, "gene": gene, "result": results.pop(), "tested": tested})


def _genes(body: Mapping[str, Any]) -> Iterator[str]:
    """Symbols of the genes that an Observation studied: of HGNC, and on the list, as a name looks just like one."""
    for component in items(body.get("component")):
        if _GENE_STUDIED in coded(component.get("code"), LOINC):
            for coding in items((component.get("valueCodeableConcept") or {}).get("coding")):
                symbol = str(coding.get("display") or coding.get("code") or "")
                if coding.get("system") in codes("gene system") and symbol in codes("gene"):
                    yield symbol


HANDLERS: dict[str, Callable[[Case, Record, Mapping[str, Any]], None]] = {
    "Patient": _patient,
    "Specimen": _specimen,
    "Condition": _condition,
    "Observation[measurement]": _measurement,
    "Observation[genetics]": _genetics,
    "laboratory": _laboratory,
    "scan": _scan,
}
