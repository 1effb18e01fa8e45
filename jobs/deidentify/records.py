"""Clinical records of one patient, cleaned: facts by an allow-list, everything else left behind.

What is allowed, and what becomes of it, is written in `record_rules.csv` (an element a row) and
`record_codes.csv` (codes, units and materials); both are data that an officer can read. Dates move by the
patient's days, times are cut to the hour, numbers become keyed HMACs, free text goes. Units are changed only
where the factor is exact (g/dL to g/L).
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

from jobs.deidentify.annotations import clean_shape, shape_problem
from jobs.errors import BadInput
from jobs.pseudonyms import Pseudonyms
from schemas.reasons import Reason

__all__ = ["CleanedRecords", "Record", "clean_records", "clean_shape", "shape_problem", "withdrawn"]

OLDEST = 89
"""Above this age, in years, no birth year is kept (45 CFR 164.514(b)(2)(i)(C))."""

NOT_LISTED = "not on the list of allowed elements"
VOID = "entered in error or refuted"
TABLES = ("patients", "specimens", "diagnoses", "measurements", "genetics", "outcomes")

_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_GENETICS, _GENE_STUDIED = "69548-6", "48018-6"
_GENE = re.compile(r"[A-Z][A-Za-z0-9-]{1,15}")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9.+*!/-]{1,19}")
_GERMAN_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T]+(\d{1,2})[:.](\d{2})(?:[:.]\d{2})?)?")
_ELEMENT = re.compile(r"[a-z_][A-Za-z0-9_]{0,63}")

Rules = Mapping[str, tuple[str, str]]
"""Element to action and rule."""


@dataclass(frozen=True)
class Record:
    """A row of `restricted.records`."""

    path: str
    position: int
    source: str
    delivery: str
    kind: str
    body: str


@dataclass
class CleanedRecords:
    """What became of all records of one patient."""

    tables: dict[str, list[dict[str, Any]]]
    """Rows by the name of their curated table, `deid_log` among them."""
    held: list[tuple[str, int, Reason]] = field(default_factory=list)
    """Path and position of what cannot be used, and why."""
    passed: list[tuple[str, int]] = field(default_factory=list)
    """Path and position of all other records: used, or dropped by a rule that the log names."""


def clean_records(
    records: Sequence[Record],
    patient_id: str,
    pseudonyms: Pseudonyms,
    materials: Mapping[str, str] | None = None,
) -> CleanedRecords:
    """Clean all records of one patient, in the order in which they were delivered.

    Args:
        records: all that is known of the patient; a later delivery wins where two say different things.
        patient_id: the stable patient.
        pseudonyms: of the lake.
        materials: source to what all its specimens are, for those of which no record says it.

    Returns:
        Rows and log; every record is either passed or held.
    """
    case = _Case(patient_id, pseudonyms, materials or {})
    for record in sorted(records, key=lambda r: (r.delivery, r.path, r.position)):
        try:
            body = json.loads(record.body, parse_float=Decimal)
            if not isinstance(body, dict):
                raise BadInput(Reason.MALFORMED_RECORD)
            form = _form(record.kind, body)
            _HANDLERS.get(form, _drop)(case, record, body)
        except BadInput as bad:
            case.held.append((record.path, record.position, bad.reason))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            # a record of an unexpected shape; the message would quote it
            case.held.append((record.path, record.position, Reason.MALFORMED_RECORD))
        else:
            case.passed.append((record.path, record.position))
            for element, action, rule in _decisions(form, body):
                case.log[record.path, element, action, rule] += 1
    return case.result()


def withdrawn(records: Sequence[Record]) -> bool:
    """Whether a consent in force says no (FHIR R4 Consent.provision.type)."""
    for record in records:
        if record.kind == "Consent":
            consent = json.loads(record.body)
            provision = consent.get("provision")
            ended = consent.get("status") in ("inactive", "entered-in-error", "draft", "proposed")
            if isinstance(provision, dict) and provision.get("type") == "deny" and not ended:
                return True
    return False


class _Case:
    """What is gathered about one patient while the records pass by."""

    def __init__(self, patient_id: str, pseudonyms: Pseudonyms, materials: Mapping[str, str]) -> None:
        self.pseudonyms, self.materials = pseudonyms, materials
        self.key = pseudonyms.key_for("patient", patient_id)
        self.days = timedelta(days=pseudonyms.shift_days(patient_id))
        self.sex: str | None = None
        self.born: date | None = None
        self.birth_year: int | None = None
        self.died: datetime | None = None
        self.dead = False
        self.dated: list[datetime] = []
        self.collected: list[datetime] = []
        self.specimens: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self.log: dict[tuple[str, str, str, str], int] = defaultdict(int)
        self.held: list[tuple[str, int, Reason]] = []
        self.passed: list[tuple[str, int]] = []

    def shifted(self, moment: datetime) -> datetime:
        """The moment by the patient's days, cut to the hour; it counts as a dated record."""
        moved = moment.replace(minute=0, second=0, microsecond=0) + self.days
        self.dated.append(moment)
        return moved

    def shifted_date(self, moment: datetime | None) -> date | None:
        """The day by the patient's days."""
        return None if moment is None else self.shifted(moment).date()

    def id_of(self, kind: str, record: Record) -> str:
        """The key of a record."""
        return self.pseudonyms.key_for(kind, record.path, str(record.position))

    def result(self) -> CleanedRecords:
        """All rows, in the order of their keys."""
        rows = self.rows
        patient = {"patient_key": self.key, "sex": self.sex, "birth_year": self._birth_year()}
        rows["patients"].append(patient)
        rows["specimens"].extend(self.specimens[key] for key in sorted(self.specimens))
        rows["outcomes"].extend(self._outcome())
        log: dict[tuple[str, str], dict[str, Any]] = {}
        for (path, element, action, rule), count in sorted(self.log.items()):
            # A file of records holds many patients, who are cleaned apart: each logs its own part of the file.
            part = self.pseudonyms.key_for("file", path, self.key)
            row = {"file_key": part, "attribute_path": element, "action": action, "rule": rule, "code": None}
            log.setdefault((part, element), {**row, "occurrences": 0})["occurrences"] += count
        return CleanedRecords({**rows, "deid_log": list(log.values())}, self.held, self.passed)

    def _birth_year(self) -> int | None:
        """Year of the shifted birth date; none where a dated record finds the patient too old."""
        if self.born is None:
            return None
        last = max([*self.dated, *([self.died] if self.died else [])], default=None)
        if last and _age(self.born, last.date()) > OLDEST:
            return None
        return self.birth_year

    def _outcome(self) -> Iterator[dict[str, Any]]:
        """Death, in days from the first specimen, else censored at the last record; never below 0."""
        if not self.collected or (self.dead and not self.died):
            return
        end = self.died or max(self.dated)
        days = (end.date() - min(self.collected).date()).days
        if days >= 0:
            state = "observed" if self.died else "censored"
            yield {"patient_key": self.key, "event": "death", "days": days, "state": state}


# --- one handler a kind of record ------------------------------------------------------------------------


def _form(kind: str, body: Mapping[str, Any]) -> str:
    """Which rules a record falls under: its kind, and for an Observation what it observes."""
    if _void(body):
        return f"{kind}[void]"
    if kind == "laboratory":
        return kind if body.get("analyte") in _codes("measurement") else "laboratory[other]"
    if kind != "Observation":
        return kind
    observed = _coded(body.get("code"), _LOINC)
    if _GENETICS in observed:
        return "Observation[genetics]"
    measured = any(code in _codes("measurement") for code in observed)
    if measured and ("valueQuantity" in body or "dataAbsentReason" not in body):
        return "Observation[measurement]"
    return "Observation[other]"


def _void(body: Mapping[str, Any]) -> bool:
    status = {code for _, code in _codings(body.get("verificationStatus"))}
    return body.get("status") in ("entered-in-error", "cancelled") or bool(status & {"entered-in-error", "refuted"})


def _drop(case: _Case, record: Record, body: Mapping[str, Any]) -> None:
    """Nothing of the record is allowed; the log says so."""


def _patient(case: _Case, record: Record, body: Mapping[str, Any]) -> None:
    born = _birth_date(body["birthDate"]) if body.get("birthDate") else None
    died = _required(body["deceasedDateTime"]) if body.get("deceasedDateTime") else None
    if body.get("gender") in ("female", "male", "other", "unknown"):
        case.sex = body["gender"]
    if born:
        case.born, case.birth_year = born, (born + case.days).year
    case.died = died or case.died
    case.dead = bool(case.dead or case.died or body.get("deceasedBoolean"))


def _specimen(case: _Case, record: Record, body: Mapping[str, Any]) -> None:
    numbers = [body.get("accessionIdentifier"), *_list(body.get("identifier"))]
    number = next((str(n["value"]) for n in numbers if isinstance(n, dict) and n.get("value")), None)
    if not number:
        raise BadInput(Reason.MALFORMED_RECORD)
    kinds = {code for _, code in _codings(body.get("type"))}
    known = next((_codes("material")[code]["becomes"] for code in sorted(kinds & set(_codes("material")))), None)
    taken = _start(body.get("collection") or {}, "collected")
    row = _specimen_row(case, record.source, number.strip())
    if kinds:
        row["material"] = known or "other"
    if taken:
        row["collected"] = case.shifted(taken)
        case.collected.append(taken)


def _scan(case: _Case, record: Record, body: Mapping[str, Any]) -> None:
    """A row of a scan sheet; what it says about the scan is cleaned with the scan."""
    if body.get("specimen"):
        _specimen_row(case, record.source, body["specimen"].strip())
    if moment := _moment(body.get("scanned_at")):
        case.dated.append(moment)


def _specimen_row(case: _Case, source: str, number: str) -> dict[str, Any]:
    key = case.pseudonyms.key_for("specimen", source, number)
    empty = {"specimen_id": key, "patient_key": case.key, "material": None, "collected": None}
    return case.specimens.setdefault(key, {**empty, "material": case.materials.get(source) or None})


def _condition(case: _Case, record: Record, body: Mapping[str, Any]) -> None:
    systems = list(_codes("diagnosis system"))
    found = [pair for pair in _codings(body.get("code")) if pair[0] in systems and _CODE.fullmatch(pair[1])]
    if not found:
        raise BadInput(Reason.MALFORMED_RECORD)
    system, code = min(found, key=lambda pair: systems.index(pair[0]))
    onset = case.shifted_date(_start(body, "onset"))
    row = {"diagnosis_id": case.id_of("diagnosis", record), "patient_key": case.key}
    case.rows["diagnoses"].append({**row, "system": system, "code": code, "onset": onset})


def _measurement(case: _Case, record: Record, body: Mapping[str, Any]) -> None:
    quantity = body["valueQuantity"]
    if quantity.get("comparator"):
        raise BadInput(Reason.MALFORMED_RECORD)  # `below 10` is no number
    unit = quantity.get("code") if quantity.get("system") == _UCUM else None
    code = next(code for code in _coded(body.get("code"), _LOINC) if code in _codes("measurement"))
    _measured(case, record, code, quantity["value"], unit or quantity.get("unit"), _start(body, "effective"))


def _laboratory(case: _Case, record: Record, body: Mapping[str, Any]) -> None:
    taken = _moment(body.get("collected_at"))
    _measured(case, record, body["analyte"], body.get("value"), body.get("unit"), taken)


def _measured(case: _Case, record: Record, code: str, value: object, unit: object, taken: datetime | None) -> None:
    known = _codes("unit").get(str(unit or "").strip().replace("µ", "u").replace("μ", "u"))
    if known is None or taken is None:
        raise BadInput(Reason.MALFORMED_RECORD)
    row = {
        "measurement_id": case.id_of("measurement", record),
        "patient_key": case.key,
        "code": code,
        "value": float(number(value) * Decimal(known["factor"])),
        "unit": known["becomes"],
        "taken": case.shifted(taken),
    }
    case.rows["measurements"].append(row)


def _genetics(case: _Case, record: Record, body: Mapping[str, Any]) -> None:
    gene = next(_genes(body), None)
    absent = {code for _, code in _codings(body.get("dataAbsentReason"))}
    answers = [code for _, code in _codings(body.get("valueCodeableConcept"))]
    results = {_codes("result")[code]["becomes"] for code in answers if code in _codes("result")}
    if "not-performed" in absent:
        results.add("not tested")
    if gene is None or len(results) != 1:
        raise BadInput(Reason.MALFORMED_RECORD)
    tested = case.shifted_date(_start(body, "effective"))
    row = {"finding_id": case.id_of("genetics", record), "patient_key": case.key}
    case.rows["genetics"].append({**row, "gene": gene, "result": results.pop(), "tested": tested})


def _genes(body: Mapping[str, Any]) -> Iterator[str]:
    """Symbols of the genes that an Observation studied, as HGNC codes name them."""
    for component in _list(body.get("component")):
        if _GENE_STUDIED in _coded(component.get("code"), _LOINC):
            for coding in _list((component.get("valueCodeableConcept") or {}).get("coding")):
                symbol = str(coding.get("display") or coding.get("code") or "")
                if coding.get("system") in _codes("gene system") and _GENE.fullmatch(symbol):
                    yield symbol


_HANDLERS: dict[str, Callable[[_Case, Record, Mapping[str, Any]], None]] = {
    "Patient": _patient,
    "Specimen": _specimen,
    "Condition": _condition,
    "Observation[measurement]": _measurement,
    "Observation[genetics]": _genetics,
    "laboratory": _laboratory,
    "scan": _scan,
}


# --- values ----------------------------------------------------------------------------------------------


def number(value: object) -> Decimal:
    """A number as laboratories write it: with a decimal point or comma, and marks between thousands.

    Raises:
        BadInput: it is none.
    """
    if isinstance(value, bool) or value is None:
        raise BadInput(Reason.MALFORMED_RECORD)
    text = re.sub(r"\s", "", str(value))
    if "," in text:
        point = "." if text.rfind(".") > text.rfind(",") else ","
        text = text.replace("." if point == "," else ",", "").replace(",", ".")
    try:
        result = Decimal(text)
    except InvalidOperation:
        raise BadInput(Reason.MALFORMED_RECORD) from None
    if not result.is_finite() or not math.isfinite(float(result)):
        raise BadInput(Reason.MALFORMED_RECORD)
    return result


def _moment(text: object) -> datetime | None:
    """A day or time in UTC, as ISO 8601 or as d.m.yyyy; None where it is neither or names no day."""
    written = str(text or "").strip()
    if found := _GERMAN_DATE.fullmatch(written):
        day, month, year, hour, minute = (int(part or 0) for part in found.groups())
        try:
            return datetime(year, month, day, hour, minute, tzinfo=UTC)
        except ValueError:
            return None
    try:
        moment = datetime.fromisoformat(written)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _required(text: object) -> datetime:
    moment = _moment(text)
    if moment is None:
        raise BadInput(Reason.MALFORMED_RECORD)
    return moment


def _birth_date(text: object) -> date:
    """A birth date; one that names no month or day (FHIR `date`) is taken in the middle of what it names."""
    written = str(text).strip()
    written += {4: "-07-01", 7: "-15"}.get(len(written), "")
    return _required(written).date()


def _start(body: Mapping[str, Any], element: str) -> datetime | None:
    """The time of a FHIR choice element: dateTime, instant, or the start of a period."""
    period = body.get(f"{element}Period")
    start = period.get("start") if isinstance(period, dict) else None
    return _moment(body.get(f"{element}DateTime") or body.get(f"{element}Instant") or start)


def _age(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _codings(concept: Any) -> list[tuple[str, str]]:
    """System and code of every coding of a CodeableConcept."""
    codings = _list(concept.get("coding")) if isinstance(concept, dict) else []
    return [(str(c.get("system") or ""), str(c.get("code") or "")) for c in codings]


def _coded(concept: Any, system: str) -> list[str]:
    return [code for found, code in _codings(concept) if found == system]


# --- rules -----------------------------------------------------------------------------------------------


@cache
def _codes(name: str) -> dict[str, dict[str, str]]:
    """One list of `record_codes.csv`, by code."""
    return {row["code"]: row for row in _table("record_codes.csv") if row["list"] == name}


@cache
def _rules() -> dict[str, Rules]:
    """`record_rules.csv`: form of record to its elements."""
    rules: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for row in _table("record_rules.csv"):
        rules[row["record"]][row["element"]] = (row["action"], row["rule"])
    return dict(rules)


def _table(name: str) -> list[dict[str, str]]:
    text = resources.files("jobs.deidentify").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _decisions(form: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Attribute path, action and rule of everything in a record; what no rule names is removed."""
    rules = _rules().get(form)
    if rules is None or "" in rules:
        action, rule = (rules or {}).get("", ("removed", VOID if form.endswith("[void]") else NOT_LISTED))
        yield form, action, rule
        return
    for element, action, rule in _walk("", body, rules):
        yield f"{form}.{element}", action, rule


def _walk(parent: str, body: Mapping[str, Any], rules: Rules) -> Iterator[tuple[str, str, str]]:
    for name, value in body.items():
        if not parent and name == "resourceType":
            continue
        element = f"{parent}{name if _ELEMENT.fullmatch(name) else '(other)'}"
        inner = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]
        if element in rules:
            yield element, *rules[element]
        elif inner and any(listed.startswith(f"{element}.") for listed in rules):
            for item in inner:
                yield from _walk(f"{element}.", item, rules)
        else:
            yield element, "removed", NOT_LISTED
