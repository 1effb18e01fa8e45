"""Clinical records of one patient, cleaned: facts by an allow-list, everything else left behind.

What is allowed, and what becomes of it, is written in `record_rules.csv` (an element a row) and
`record_codes.csv` (codes, units and materials); both are data that an officer can read. Dates move by the
patient's days, times are cut to the hour, numbers become keyed HMACs, free text goes (or is cleaned, where the settings
say so). Units are changed only
where the factor is exact (g/dL to g/L).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from io import BytesIO

from jobs.deidentify.batch import Batch, is_public_word
from jobs.deidentify.record_case import Case, CleanedRecords, Record
from jobs.deidentify.record_kinds import HANDLERS
from jobs.deidentify.record_rules import allowed, form_of
from jobs.deidentify.rescan import find_in_text
from jobs.errors import BadInput
from jobs.pseudonyms import Pseudonyms
from schemas.reasons import Reason

__all__ = ["CleanedRecords", "Record", "clean_records", "withdrawn"]


def clean_records(
    records: Sequence[Record],
    patient_id: str,
    pseudonyms: Pseudonyms,
    materials: Mapping[str, str] | None = None,
    identifiers: Collection[str] = (),
    texts: Mapping[str, Collection[str]] | None = None,
    staff: Collection[str] = (),
    batch: Batch | None = None,
) -> CleanedRecords:
    """Clean all records of one patient, in the order in which they were delivered.

    Args:
        records: all that is known of the patient; a later delivery wins where two say different things.
        patient_id: the stable patient.
        pseudonyms: of the lake.
        materials: source to what all its specimens are, for those of which no record says it.
        identifiers: what the raw inputs name the patient by; a record whose rows hold any of it is held.
        texts: source to the paths of free text that is kept, cleaned of all identifiers and of what looks like one.
        staff: names of others, which are taken out of free text too.
        batch: all patients who are cleaned together; a record whose rows hold an identifier of any of them is held.

    Returns:
        Rows and log; every record is either passed or held.
    """
    case = partial(
        Case, patient_id, pseudonyms, materials or {}, texts=texts or {}, known=frozenset([*identifiers, *staff])
    )
    cleaned = _cleaned(records, case())
    telling_words = [value for value in identifiers if not is_public_word(value)]
    tells = partial(_tells, identifiers=telling_words, batch=batch)
    if not tells(cleaned):
        return cleaned
    telling = {(record.path, record.position) for record in records if tells(_cleaned([record], case()))}
    silent = [record for record in records if (record.path, record.position) not in telling]
    cleaned = _cleaned(silent, case())
    cleaned.held.extend((*place, Reason.IDENTIFIER_FOUND) for place in sorted(telling))
    return cleaned


def _cleaned(records: Sequence[Record], case: Case) -> CleanedRecords:
    for record in sorted(records, key=lambda r: (r.delivery, r.path, r.position)):
        try:
            body = json.loads(record.body, parse_float=Decimal)
            if not isinstance(body, dict):
                raise BadInput(Reason.MALFORMED_RECORD)
            form = form_of(record.kind, body)
            kept, decisions = allowed(form, body, case.texts.get(record.source, ()))
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


def _tells(cleaned: CleanedRecords, identifiers: Collection[str], batch: Batch | None) -> bool:
    """Whether a row holds an identifier of its patient, or of another, in a column that is no key."""
    texts = {
        value
        for table, rows in cleaned.tables.items()
        if table != "deid_log"
        for row in rows
        for column, value in row.items()
        if isinstance(value, str) and not column.endswith(("_key", "_id"))
    }
    text = "\n".join(sorted(texts))
    if identifiers and find_in_text(text, identifiers):
        return True
    return batch is not None and batch.found_in(BytesIO(text.encode("utf-8", "surrogatepass")))


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
