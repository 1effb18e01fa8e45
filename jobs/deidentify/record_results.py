"""What a laboratory found: a number, a comparison, a titre, a code, or a word, each only in a form that is public.

A text passes by its value, never because of the element or column that it stands in: as a number or comparison, as a
titre (1:80) or grade (2+), as a variant in HGVS or a karyotype in ISCN, or as a word of the list `result word` in
`record_codes.csv`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from jobs.deidentify.nomenclature import karyotype, variant
from jobs.deidentify.record_codes import LOINC, SNOMED, UCUM, codes, is_snomed, unit
from jobs.deidentify.record_values import coded, codings, items, number
from jobs.errors import BadInput
from schemas.reasons import Reason

COMPARATORS = {"<": "<", "<=": "<=", "≤": "<=", "=<": "<=", ">": ">", ">=": ">=", "≥": ">=", "=>": ">="}
"""As laboratories write them, to FHIR R4 Quantity.comparator."""
INTERPRETATIONS = frozenset(
    (
        "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
        "http://hl7.org/fhir/v2/0078",
        "http://terminology.hl7.org/CodeSystem/v2-0078",
    )
)
_NUMBER = r"-?(?:\d{1,3}(?: \d{3})+(?:[.,]\d+)?|\d[\d.,]{0,11}(?<=\d))(?:[eE][+-]?\d{1,3})?"
_AMOUNT = re.compile(rf"([<>=≤≥]{{0,2}}) ?({_NUMBER}) ?([^\d\s].*|)", re.ASCII)
_LARGEST_BARE = 10**6
"""A number without a unit that is as large may be that of a record or a telephone."""
_TITRE = re.compile(r"([<>=≤≥]{0,2})1:(\d{1,6})", re.ASCII)
_GRADE = re.compile(r"\+{1,4}|[1-4]\+|\(\+\)|\+/-", re.ASCII)
_RANGE = re.compile(r"(\d[\d.,]*)\s*[-–]\s*(\d[\d.,]*)", re.ASCII)


class Found(NamedTuple):
    """A result; what it has not is None."""

    value: Decimal | None = None
    comparator: str | None = None
    result: str | None = None
    """A titre, grade, variant, karyotype, word of the list, or code."""
    system: str | None = None
    """The code system, where the result is a code."""
    unit: str | None = None
    """The unit as written behind the number."""


def parts(body: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """What may hold a value: the Observation itself and its components; and what tells them apart."""
    yield body, ()
    for index, component in enumerate(items(body.get("component"))):
        yield component, (str(index),)


def result_of(part: Mapping[str, Any], body: Mapping[str, Any]) -> Found | None:
    """The result of an Observation or component, as far as it may be told; None where there is none.

    A number without a unit is told of listed measurements only: elsewhere it may be an age or a postal code.

    Args:
        part: the Observation or component.
        body: the Observation.

    Raises:
        BadInput: a quantity has no number.
    """
    if "valueQuantity" in part:
        return quantity(part["valueQuantity"])
    found = read_part(part, _of_laboratory(body))
    if found is None or found.value is None or found.unit:
        return found
    listed = any(code in codes("measurement") for code in coded(part.get("code"), LOINC))
    return found if listed and abs(found.value) < _LARGEST_BARE else None


def _of_laboratory(body: Mapping[str, Any]) -> bool:
    """Whether a laboratory made the observation: its category, or a listed measurement."""
    category = {code for concept in items(body.get("category")) for code in _codes_of(concept)}
    return "laboratory" in category or any(code in codes("measurement") for code in coded(body.get("code"), LOINC))


def _codes_of(concept: Mapping[str, Any]) -> list[str]:
    return coded(concept, "http://terminology.hl7.org/CodeSystem/observation-category")


def quantity(written: Mapping[str, Any]) -> Found:
    """A FHIR Quantity; the unit of UCUM comes before the one that people read.

    Raises:
        BadInput: it has no number, or another comparator than FHIR R4 knows.
    """
    ucum = written.get("code") if written.get("system") == UCUM else None
    comparator = written.get("comparator")
    if comparator and comparator not in COMPARATORS:
        raise BadInput(Reason.MALFORMED_RECORD)
    value = number(written.get("value"))
    return Found(value, COMPARATORS.get(str(comparator)), unit=str(ucum or written.get("unit") or ""))


def read_text(text: object) -> Found | None:
    """A result as laboratories write it; None where it is in no public form."""
    written = " ".join(str("" if text is None or isinstance(text, bool) else text).split())
    word = codes("result word").get(written.casefold())
    if word:
        return Found(result=word["becomes"])
    if _GRADE.fullmatch(written):
        return Found(result=written)
    if titre := _TITRE.fullmatch(written.replace(" ", "")):
        return Found(comparator=COMPARATORS.get(titre[1]), result=f"1:{titre[2]}")
    if amount := _amount(written):
        return amount
    named = variant(written) or karyotype(written)
    return Found(result=named) if named else None


def _amount(written: str) -> Found | None:
    """A number with or without a comparison before it and a listed unit behind it."""
    found = _AMOUNT.fullmatch(written)
    if found is None or (found[1] and found[1] not in COMPARATORS) or (found[3] and unit(found[3]) is None):
        return None
    try:
        value = number(found[2])
    except BadInput:
        return None
    return Found(value, COMPARATORS.get(found[1]), unit=found[3] or None)


def read_concept(concept: Mapping[str, Any], laboratory: bool) -> Found | None:
    """A coded result: an answer of the list, any SNOMED CT concept of a laboratory, else its text as far as public.

    Outside a laboratory a concept may be an occupation or a religion.
    """
    found = codings(concept)
    for system, code in found:
        if system in (LOINC, SNOMED) and code in codes("result"):
            return Found(result=codes("result")[code]["becomes"])
    for system, code in found:
        if laboratory and system == SNOMED and is_snomed(code):
            return Found(result=code, system=SNOMED)
        if system in INTERPRETATIONS and code in codes("interpretation"):
            return Found(result=code, system=system)
    texts = [*(c.get("display") for c in items(concept.get("coding"))), concept.get("text")]
    return next((one for text in texts if (one := read_text(text))), None)


def read_part(part: Mapping[str, Any], laboratory: bool) -> Found | None:
    """The result of an Observation or of one of its components, other than a quantity (FHIR R4 value[x]).

    Args:
        part: the Observation or component.
        laboratory: whether a laboratory made the observation.
    """
    if isinstance(concept := part.get("valueCodeableConcept"), dict):
        return read_concept(concept, laboratory)
    if isinstance(ratio := part.get("valueRatio"), dict):
        sides = [(ratio.get(side) or {}).get("value") for side in ("numerator", "denominator")]
        return read_text(":".join(str(side) for side in sides))
    if isinstance(answer := part.get("valueBoolean"), bool):
        return Found(result="yes" if answer else "no")
    return read_text(part.get("valueInteger", part.get("valueString")))


def interpretation(part: Mapping[str, Any]) -> str | None:
    """The first code that says whether a result is normal (HL7 v3 ObservationInterpretation, or v2 table 0078)."""
    pairs = [pair for concept in items(part.get("interpretation")) for pair in codings(concept)]
    return next((c for system, c in pairs if system in INTERPRETATIONS and c in codes("interpretation")), None)


def reference_range(text: object) -> tuple[Found | None, Found | None]:
    """Lower and upper limit as laboratories write them: `3.5-5.0`, `<5`, `>60`; else none."""
    written = str(text or "").strip()
    if found := _RANGE.fullmatch(written):
        return _amount(found[1]), _amount(found[2])
    one = _amount(written)
    if one is None or one.comparator is None:
        return None, None
    return (None, one) if one.comparator.startswith("<") else (one, None)
