"""Rows of `curated.measurements`: values of FHIR Observations and of laboratory extracts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from jobs.deidentify.record_case import Case, Record
from jobs.deidentify.record_codes import LOINC, codes, is_loinc, unit
from jobs.deidentify.record_results import (
    COMPARATORS,
    Found,
    interpretation,
    parts,
    quantity,
    read_text,
    reference_range,
    result_of,
)
from jobs.deidentify.record_values import coded, items, moment, region, start
from jobs.errors import BadInput
from schemas.reasons import Reason

Row = dict[str, Any]
_STAFF = ("examiner", "operator", "physician", "requester", "ordered_by")
"""Columns of a laboratory extract that name staff, nearest to the value first."""
_NEVER_NEGATIVE = frozenset(("10*9/L", "10*12/L", "g/L"))
"""Units of counts and mass concentrations; a base excess, in mmol/L, may be negative."""


def measurement(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    """The value of an Observation, and those of its components.

    Raises:
        BadInput: there is none, or a quantity has no listed unit, no LOINC code or no time.
    """
    taken = start(body, "effective")
    found = [(part, at, result_of(part, body)) for part, at in parts(body)]
    common = {"note": case.note(body), "staff_key": case.staff_key(record.source, body.get("performer"))}
    rows = [_observed(case, record, part, result, taken, at) | common for part, at, result in found if result]
    if not rows:
        raise BadInput(Reason.MALFORMED_RECORD)
    case.rows["measurements"].extend(rows)


def laboratory(case: Case, record: Record, body: Mapping[str, Any]) -> None:
    """A row of a laboratory extract.

    Raises:
        BadInput: its value is in no public form, has no listed unit, or no time.
    """
    found = read_text(body.get("value"))
    if found is None:
        raise BadInput(Reason.MALFORMED_RECORD)
    if found.value is not None:
        comparator = COMPARATORS.get(str(body.get("comparator")), found.comparator)
        found = found._replace(unit=str(body.get("unit") or found.unit or ""), comparator=comparator)
    row = _row(case, record, str(body["analyte"]), found, moment(body.get("collected_at")), ())
    limits = (read_text(body.get("reference_low")), read_text(body.get("reference_high")))
    row |= _limits(limits if any(limits) else reference_range(body.get("reference_range")), found.unit)
    flag = str(body.get("interpretation") or body.get("flag") or "").upper()
    told = flag if flag in codes("interpretation") else None
    case.region = region(body.get("postal_code")) or case.region
    staff = case.staff_key(record.source, *(body.get(column) for column in _STAFF))
    row |= {"interpretation": told, "note": case.note(body), "staff_key": staff}
    case.rows["measurements"].append(row)


def _observed(
    case: Case,
    record: Record,
    part: Mapping[str, Any],
    found: Found,
    taken: datetime | None,
    at: tuple[str, ...],
) -> Row:
    code = next((code for code in coded(part.get("code"), LOINC) if is_loinc(code)), None)
    if code is None:
        raise BadInput(Reason.MALFORMED_RECORD)
    row = _row(case, record, code, found, taken, at)
    normal = next(iter(items(part.get("referenceRange"))), {})
    limits = tuple(_limit(normal.get(side)) for side in ("low", "high"))
    return row | _limits(limits, found.unit) | {"interpretation": interpretation(part)}


def _limit(written: Any) -> Found | None:
    try:
        return quantity(written) if isinstance(written, dict) else None
    except BadInput:
        return None


def _limits(limits: tuple[Found | None, ...], written: str | None) -> Row:
    """Both limits in the unit of the value; a limit in another unit is left out."""
    low, high = (_in_unit(limit, unit(written)) for limit in limits)
    return {"reference_low": low, "reference_high": high}


def _in_unit(limit: Found | None, of_value: Mapping[str, str] | None) -> float | None:
    if limit is None or limit.value is None or of_value is None:
        return None
    known = unit(limit.unit) if limit.unit else of_value
    same = known is not None and known["becomes"] == of_value["becomes"]
    return float(limit.value * Decimal(known["factor"])) if known and same else None


def _row(case: Case, record: Record, code: str, found: Found, taken: datetime | None, at: tuple[str, ...]) -> Row:
    """A row with its value in the listed unit; its limits are not known yet."""
    known = None if found.unit is None else unit(found.unit)
    if taken is None or (found.unit is not None and known is None):
        raise BadInput(Reason.MALFORMED_RECORD)
    value = None if found.value is None else float(found.value * (Decimal(known["factor"]) if known else 1))
    becomes = known["becomes"] if known else None
    if value is not None and value < 0 and becomes in _NEVER_NEGATIVE:
        raise BadInput(Reason.MALFORMED_RECORD)
    return {
        "measurement_id": case.id_of("measurement", record, *at),
        "patient_key": case.key,
        "code": code,
        "value": value,
        "unit": becomes,
        "comparator": found.comparator,
        "result": found.result,
        "result_system": found.system,
        "taken": case.shifted(taken),
    }
