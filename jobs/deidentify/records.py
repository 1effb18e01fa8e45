"""Clinical records of one patient, cleaned: facts by an allow-list, everything else left behind.

What is allowed, and what becomes of it, is written in `record_rules.csv` (an element a row) and
`record_codes.csv` (codes, units and materials); both are data that an officer can read. Dates move by the
patient's days, times are cut to the hour, numbers become keyed HMACs, free text goes. Units are changed only
where the factor is exact (g/dL to g/L).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

from jobs.deidentify.record_case import Case, CleanedRecords, Record
from jobs.deidentify.record_kinds import HANDLERS
from jobs.deidentify.record_rules import allowed, form_of
from jobs.errors import BadInput
from jobs.pseudonyms import Pseudonyms
from schemas.reasons import Reason

__all__ = ["CleanedRecords", "Record", "clean_records", "withdrawn"]


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
    case = Case(patient_id, pseudonyms, materials or {})
    for record in sorted(records, key=lambda r: (r.delivery, r.path, r.position)):
        try:
            body = json.loads(record.body, parse_float=Decimal)
            if not isinstance(body, dict):
                raise BadInput(Reason.MALFORMED_RECORD)
            form = form_of(record.kind, body)
            kept, decisions = allowed(form, body)
            if form in HANDLERS:
                HANDLERS[form](case, record, kept)
        except BadInput as bad:
            case.held.append((record.path, record.position, bad.reason))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            # a record of an unexpected shape; the message would quote it
            case.held.append((record.path, record.position, Reason.MALFORMED_RECORD))
        else:
            case.passes(record, decisions)
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
