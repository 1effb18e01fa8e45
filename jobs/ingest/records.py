"""Clinical records: FHIR R4 as NDJSON, bundle or single file, laboratory extracts and scan sheets as CSV.

A record stays as it came, as JSON; beside it stand the number of its patient, which numbers are one person's,
and every identifier that the rescan must look for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobs.delimited import rows_of
from jobs.errors import BadInput
from jobs.ingest.content import NOBODY, Content, Identity, Place
from jobs.settings import Source
from schemas.reasons import Reason

Row = tuple[int, dict[str, str] | None]
"""Position of a CSV row, and its values by column; None where it has not as many as the header."""

PATIENT_KEYS = ("subject", "patient", "beneficiary", "individual")
"""Elements that refer to the patient whom a resource is about."""

STAFF_KEYS = frozenset(
    (
        *("performer", "recorder", "asserter", "author", "requester", "practitioner", "generalPractitioner"),
        *("actor", "who", "collector", "receivedBy", "verifiedBy", "interpreter", "resultsInterpreter"),
        *("enterer", "informationSource", "attester"),
    )
)
"""Elements that refer to staff; their display is a name."""

PERSONS = frozenset(("Patient", "Practitioner", "RelatedPerson", "Person"))
NAMELESS = frozenset(("Organization", "Location", "Medication", "HealthcareService", "Endpoint", "Substance"))
"""Resources about no person: their names, numbers and addresses identify none."""

NUMBERED = PERSONS | {
    *("PractitionerRole", "Specimen", "Encounter", "EpisodeOfCare", "ServiceRequest", "DiagnosticReport"),
    *("ImagingStudy", "Coverage", "Account", "Appointment", "Consent"),
}
"""Resources whose numbers people write down; that of a single observation stands nowhere else."""

NATIONAL_SYSTEMS = frozenset(("urn:oid:1.2.246.21", "http://fhir.de/sid/gkv/kvid-10", "http://hl7.org/fhir/sid/us-ssn"))
_LEAST_ADDRESS = 4
"""An address part of fewer characters is not looked for."""
_PATIENT_REFERENCE = re.compile(r"(?:^|/)Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
_PATIENT_QUERY = re.compile(r"(?:^|/)Patient\?identifier=([^|]+)\|(.+)$")


# --- FHIR ------------------------------------------------------------------------------------------------


def read_ndjson(content: Content, place: Place, data: bytes) -> None:
    """Read FHIR bulk data, one resource a line; a position is the line's index.

    Raises:
        BadInput: no line is a FHIR resource, though all are JSON.
    """
    content.media_type = "application/fhir+ndjson"
    malformed, foreign = list[int](), list[int]()
    for position, line in enumerate(data.split(b"\n")):
        if not line.strip():
            continue
        try:
            resource = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            malformed.append(position)
            continue
        if not _add_resource(content, place, position, resource, {}):
            foreign.append(position)
    if foreign and not content.records and not malformed:
        content.media_type = "application/json"
        raise BadInput(Reason.UNKNOWN_FORMAT)
    content.role = "records"
    for position in sorted(malformed + foreign):
        content.hold(Reason.MALFORMED_RECORD, position)


def read_json(content: Content, place: Place, value: Any) -> None:
    """Read one resource, or a bundle of them; a position is the entry's index.

    Raises:
        BadInput: the value is no FHIR resource.
    """
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise BadInput(Reason.UNKNOWN_FORMAT)
    content.media_type, content.role = "application/fhir+json", "records"
    if value["resourceType"] != "Bundle":
        resources, ids = [value], dict[str, str]()
    else:
        entries = value.get("entry")
        entries = [e if isinstance(e, dict) else {} for e in (entries if isinstance(entries, list) else [])]
        resources, ids = [entry.get("resource") for entry in entries], _bundle_ids(entries)
    for position, resource in enumerate(resources):
        if not _add_resource(content, place, position, resource, ids):
            content.hold(Reason.MALFORMED_RECORD, position)


def _bundle_ids(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """`fullUrl` to id of the patients of a bundle; a patient without an id has the UUID of its `fullUrl`."""
    ids = {}
    for entry in entries:
        resource, url = entry.get("resource"), str(entry.get("fullUrl") or "")
        if isinstance(resource, dict) and resource.get("resourceType") == "Patient" and url:
            resource.setdefault("id", url.rsplit(":", 1)[-1].rsplit("/", 1)[-1])
            ids[url] = str(resource["id"])
    return ids


def _add_resource(content: Content, place: Place, position: int, resource: Any, ids: Mapping[str, str]) -> bool:
    """Add a resource's rows; False where it is no resource, or a patient without an id."""
    if not isinstance(resource, dict) or not isinstance(kind := resource.get("resourceType"), str):
        return False
    system = f"fhir:{place.source}"
    patient = NOBODY
    if kind == "Patient":
        if not isinstance(resource.get("id"), str) or not resource["id"]:
            return False
        patient = (system, resource["id"])
        content.link([patient, *_numbers(resource), *_other_patients(resource, system, ids)])
    else:
        references = (resource.get(key) for key in PATIENT_KEYS)
        patient = next((p for r in references if (p := _patient_of(r, system, ids))), NOBODY)
    _identify(content, resource, kind, patient)
    content.records.append(_record(position, kind, patient, resource))
    return True


def _record(position: int, kind: str, patient: Identity, body: object, file: str | None = None) -> dict[str, Any]:
    return {
        "position": position,
        "kind": kind,
        "patient_system": patient[0] or None,
        "patient_number": patient[1] or None,
        "file": file,
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }


def _patient_of(reference: Any, system: str, ids: Mapping[str, str]) -> Identity | None:
    """Whom a reference means: literal (relative, absolute, urn:uuid), conditional or logical."""
    if not isinstance(reference, dict):
        return None
    url = str(reference.get("reference") or "")
    if url in ids:
        return (system, ids[url])
    if url.startswith(("urn:uuid:", "urn:oid:")):
        return (system, url.rsplit(":", 1)[-1])
    if found := _PATIENT_REFERENCE.search(url):
        return (system, found[1])
    if found := _PATIENT_QUERY.search(url):
        return (found[1], found[2])
    identifier = reference.get("identifier")
    if not url and reference.get("type", "Patient") == "Patient" and isinstance(identifier, dict):
        number = (str(identifier.get("system") or ""), str(identifier.get("value") or ""))
        return number if all(number) else None
    return None


def _numbers(patient: Mapping[str, Any]) -> Iterator[Identity]:
    for identifier in _dicts(patient.get("identifier")):
        yield (str(identifier.get("system") or ""), str(identifier.get("value") or "").strip())


def _other_patients(patient: Mapping[str, Any], system: str, ids: Mapping[str, str]) -> Iterator[Identity]:
    """Patient.link: whatever its type, both are the same person (FHIR R4 Patient, 8.1.3)."""
    for link in _dicts(patient.get("link")):
        if other := _patient_of(link.get("other"), system, ids):
            yield other


def _dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, of a lone object, or of nothing."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _identify(content: Content, item: Mapping[str, Any], kind: str, owner: Identity) -> None:
    """Add the identifiers of a resource, or of a part of it, at any depth.

    Args:
        item: the resource or part.
        kind: resource type of the resource that it is part of.
        owner: the patient that it is about, or nobody.
    """
    if kind in NAMELESS:
        return
    if kind == "Patient" and "id" in item and item.get("resourceType") == kind:
        content.identify("record_number", item["id"], owner)
    for name, value in item.items():
        for part in _dicts(value):
            _identify_part(content, name, part, kind, owner)
        if name == "birthDate" and isinstance(value, str):
            content.identify_birth_date(value, owner)


def _identify_part(content: Content, name: str, part: Mapping[str, Any], kind: str, owner: Identity) -> None:
    if name in ("identifier", "accessionIdentifier") and "value" in part and kind in NUMBERED:
        _identify_number(content, name, part, owner)
    elif name == "telecom":
        content.identify("email" if part.get("system") == "email" else "phone", part.get("value"), owner)
    elif name in ("address", "valueAddress"):
        _identify_address(content, part, owner)
    elif name in ("name", "valueHumanName") and kind in PERSONS:
        _identify_person(content, part, owner)
    elif name in STAFF_KEYS and "display" in part:
        content.identify_name(str(part["display"]))
    elif name in PATIENT_KEYS and "display" in part:
        content.identify_name(str(part["display"]), owner)
    elif str(part.get("url", "")).endswith("/patient-mothersMaidenName"):
        content.identify_name(str(part.get("valueString") or ""), owner)
    if name == "contained":
        inner = str(part.get("resourceType"))
        _identify(content, part, inner, owner if inner in ("Patient", "RelatedPerson") else NOBODY)
    else:
        _identify(content, part, kind, owner if name not in STAFF_KEYS else NOBODY)


def _identify_number(content: Content, name: str, part: Mapping[str, Any], owner: Identity) -> None:
    national = part.get("system") in NATIONAL_SYSTEMS
    kind = "accession_number" if name == "accessionIdentifier" else "record_number"
    value = str(part["value"]).removeprefix("urn:uuid:")
    content.identify("national_id" if national else kind, value, owner)


def _identify_person(content: Content, name: Mapping[str, Any], owner: Identity) -> None:
    given = name.get("given")
    for text in [name.get("family"), name.get("text"), *(given if isinstance(given, list) else [given])]:
        content.identify_name(text if isinstance(text, str) else "", owner)


def _identify_address(content: Content, address: Mapping[str, Any], owner: Identity) -> None:
    lines = address.get("line")
    texts = [*(lines if isinstance(lines, list) else [lines]), address.get("text")]
    for text in [*texts, address.get("city"), address.get("postalCode")]:
        if isinstance(text, str) and len(text.strip()) >= _LEAST_ADDRESS:
            content.identify("address", text, owner)


# --- CSV -------------------------------------------------------------------------------------------------

_PATIENT_COLUMNS = {
    "phone": "phone",
    "telephone": "phone",
    "email": "email",
    "address": "address",
    "city": "address",
    "postal_code": "address",
    "specimen": "accession_number",
    "accession_number": "accession_number",
}
_PATIENT_NAME_COLUMNS = ("name", "patient_name", "family_name", "given_name")
_STAFF_NAME_COLUMNS = ("examiner", "operator", "physician", "requester", "ordered_by")


def split_csv(text: str) -> tuple[list[str], list[Row]]:
    """Header and rows of a CSV with comma, semicolon or tab; blank rows do not count."""
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    lines = list(rows_of(text, delimiter))
    header = [name.strip().lower() for name in lines[0]] if lines else []
    rows: list[Row] = []
    for position, line in enumerate(lines[1:]):
        values = dict(zip(header, (value.strip() for value in line), strict=False))
        rows.append((position, values if len(line) == len(header) else None))
    return header, rows


def header_of(text: str) -> list[str]:
    """Names of the columns, as `split_csv` gives them."""
    lines = (line for line in text.splitlines() if line.strip())
    return split_csv(next(lines, ""))[0]


def is_scan_sheet(header: Sequence[str]) -> bool:
    """Whether a CSV says which file shows which specimen."""
    return {"file", "specimen"} <= set(header)


def is_laboratory(header: Sequence[str], source: Source) -> bool:
    """Whether a CSV has a column of patient numbers."""
    return any(column.lower() in header for column in source.identity_columns)


def read_scan_sheet(content: Content, place: Place, rows: Iterable[Row], source: Source) -> None:
    """Read a scan sheet; a row's `file` counts from the delivery's folder."""
    root = place.path[: len(place.path) - len(place.inside)]
    _read_rows(content, "scan", rows, source, root)


def read_laboratory(content: Content, rows: Iterable[Row], source: Source) -> None:
    """Read a laboratory extract: one value a row."""
    _read_rows(content, "laboratory", rows, source, None)


def _read_rows(content: Content, kind: str, rows: Iterable[Row], source: Source, root: str | None) -> None:
    content.role = "records"
    for position, row in rows:
        if row is None or (root is not None and not row["file"]):
            content.hold(Reason.MALFORMED_RECORD, position)
            continue
        columns = source.identity_columns.items()
        numbers = {column: (system, row.get(column.lower(), "")) for column, system in columns}
        filled = [number for number in numbers.values() if number[1]]
        patient = filled[0] if filled else NOBODY
        content.link(filled)
        _identify_row(content, row, numbers, patient)
        file = None if root is None else root + row["file"].replace("\\", "/").removeprefix("./")
        content.records.append(_record(position, kind, patient, row, file))


def _identify_row(content: Content, row: Mapping[str, str], numbers: Mapping[str, Identity], patient: Identity) -> None:
    for system, number in numbers.values():
        content.identify("national_id" if system in NATIONAL_SYSTEMS else "record_number", number, patient)
    for column, kind in _PATIENT_COLUMNS.items():
        content.identify(kind, row.get(column), patient)
    for column in _PATIENT_NAME_COLUMNS:
        content.identify_name(row.get(column, ""), patient)
    for column in _STAFF_NAME_COLUMNS:
        content.identify_name(row.get(column, ""))
    if row.get("birth_date"):
        content.identify_birth_date(row["birth_date"], patient)
    content.identify("device_serial", row.get("scanner_serial"))
