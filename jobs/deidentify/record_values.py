"""Values as FHIR R4 and laboratories write them: numbers, times, codings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from jobs.errors import BadInput
from schemas.reasons import Reason

_POSTAL_CODE = re.compile(r"(\d{5}|\d{5}-\d{4}|\d{3} \d{2})|\d{4}", re.ASCII)
_GERMAN_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T]+(\d{1,2})[:.](\d{2})(?:[:.]\d{2})?)?")


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


def moment(text: object) -> datetime | None:
    """A day or time in UTC, as ISO 8601 or as d.m.yyyy; None where it is neither or names no day."""
    written = str(text or "").strip()
    if found := _GERMAN_DATE.fullmatch(written):
        day, month, year, hour, minute = (int(part or 0) for part in found.groups())
        try:
            return datetime(year, month, day, hour, minute, tzinfo=UTC)
        except ValueError:
            return None
    try:
        parsed = datetime.fromisoformat(written)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def required_moment(text: object) -> datetime:
    """As `moment`.

    Raises:
        BadInput: there is none.
    """
    found = moment(text)
    if found is None:
        raise BadInput(Reason.MALFORMED_RECORD)
    return found


def birth_date(text: object) -> date:
    """A birth date; one that names no month or day (FHIR `date`) is taken in the middle of what it names.

    Raises:
        BadInput: it is none.
    """
    written = str(text).strip()
    written += {4: "-07-01", 7: "-15"}.get(len(written), "")
    return required_moment(written).date()


def start(body: Mapping[str, Any], element: str) -> datetime | None:
    """The time of a FHIR choice element: dateTime, instant, or the start of a period."""
    period = body.get(f"{element}Period")
    began = period.get("start") if isinstance(period, dict) else None
    return moment(body.get(f"{element}DateTime") or body.get(f"{element}Instant") or began)


def region(postal_code: object) -> str | None:
    """The first two digits of a postal code of five, the first of one of four: a region, not a quarter; else None.

    That is fewer digits than the three that 45 CFR 164.514(b)(2)(i)(B) allows; codes with letters are not read.
    """
    written = re.sub(r"^[A-Z]{1,2}-", "", str(postal_code or "").strip())
    found = _POSTAL_CODE.fullmatch(written)
    return None if found is None else written[: 2 if found[1] else 1]


def age(born: date, on: date) -> int:
    """Completed years."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def items(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, of a lone object, or of nothing."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def codings(concept: Any) -> list[tuple[str, str]]:
    """System and code of every coding of a CodeableConcept."""
    found = items(concept.get("coding")) if isinstance(concept, dict) else []
    return [(str(c.get("system") or ""), str(c.get("code") or "")) for c in found]


def coded(concept: Any, system: str) -> list[str]:
    """The codes of one system."""
    return [code for found, code in codings(concept) if found == system]
