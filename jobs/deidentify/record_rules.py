"""What of a record may be read at all: `record_rules.csv`, applied before anything else sees the record.

A rule names the full path of one element. Only a removal may name an element with all that it holds. What no
rule names is removed; names of unlisted elements are not written down, as a name can be put there too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from jobs.deidentify.record_codes import LOINC, codes, is_loinc, table
from jobs.deidentify.record_results import parts, result_of
from jobs.deidentify.record_values import coded, codings, items

NOT_LISTED = "not on the list of allowed elements"
VOID = "entered in error or refuted"
GENETICS = "69548-6"
"""LOINC: genetic variant assessment."""

_REMOVED, _CLEANED, _OTHER = "removed", "cleaned", "(other)"

Rules = Mapping[str, tuple[str, str]]
"""Element to action and rule."""
Decision = tuple[str, str, str]
"""Attribute path, action and rule."""


def form_of(kind: str, body: Mapping[str, Any]) -> str:
    """Which rules a record falls under: its kind, and for an Observation what it observes."""
    if kind not in _kinds():
        return _OTHER
    if _is_void(body):
        return f"{kind}[void]"
    if kind == "laboratory":
        return kind if is_loinc(str(body.get("analyte"))) else "laboratory[other]"
    return _observation(body) if kind == "Observation" else kind


def free_text_paths() -> list[str]:
    """Form and element of every free text that the settings may keep."""
    return [
        f"{form}.{element}"
        for form, rules in _rules().items()
        for element, (action, _) in rules.items()
        if action == _CLEANED
    ]


def allowed(form: str, body: Mapping[str, Any], texts: Collection[str] = ()) -> tuple[dict[str, Any], list[Decision]]:
    """The part of a record that its rules let through, and what was decided about every element.

    Args:
        form: of the record.
        body: the record.
        texts: which of `free_text_paths` the settings keep; they are let through as they came.
    """
    rules = _rules().get(form)
    if rules is None or "" in rules:
        action, rule = (rules or {}).get("", (_REMOVED, VOID if form.endswith("[void]") else NOT_LISTED))
        return {}, [(form, action, rule)]
    decisions: list[Decision] = []
    dropped = {element for element, (action, _) in rules.items() if action == _CLEANED} - {
        path.removeprefix(f"{form}.") for path in texts if path.startswith(f"{form}.")
    }
    rules = {**rules, **dict.fromkeys(dropped, (_REMOVED, "free text"))}
    kept = _project("", {k: v for k, v in body.items() if k != "resourceType"}, rules, decisions)
    return kept, [(f"{form}.{element}", action, rule) for element, action, rule in decisions]


def _observation(body: Mapping[str, Any]) -> str:
    observed = [code for code in coded(body.get("code"), LOINC) if is_loinc(code)]
    if GENETICS in observed:
        return "Observation[genetics]"
    expected = "dataAbsentReason" not in body and any(code in codes("measurement") for code in observed)
    told = any("valueQuantity" in part or result_of(part, body) for part, _ in parts(body))
    return "Observation[measurement]" if observed and (told or expected) else "Observation[other]"


def _is_void(body: Mapping[str, Any]) -> bool:
    status = {code for _, code in codings(body.get("verificationStatus"))}
    return body.get("status") in ("entered-in-error", "cancelled") or bool(status & {"entered-in-error", "refuted"})


def _project(parent: str, body: Mapping[str, Any], rules: Rules, decisions: list[Decision]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in body.items():
        element = f"{parent}{name}"
        inner = items(value)
        if element in rules:
            decisions.append((element, *rules[element]))
            if rules[element][0] != _REMOVED and isinstance(value, (str, bool, int, float, Decimal)):
                kept[name] = value
        elif inner and any(listed.startswith(f"{element}.") for listed in rules):
            found = [_project(f"{element}.", item, rules, decisions) for item in inner]
            kept[name] = found if isinstance(value, list) else found[0]
        else:
            known = name if name in _names() else _OTHER
            decisions.append((f"{parent}{known}", _REMOVED, NOT_LISTED))
    return kept


@cache
def _rules() -> dict[str, Rules]:
    """Form of record to its elements."""
    rules: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for row in table("record_rules.csv"):
        rules[row["record"]][row["element"]] = (row["action"], row["rule"])
    return dict(rules)


@cache
def _kinds() -> frozenset[str]:
    return frozenset(form.partition("[")[0] for form in _rules())


@cache
def _names() -> frozenset[str]:
    """Every element name that a rule uses: what may stand in the log."""
    return frozenset(name for rules in _rules().values() for element in rules for name in element.split("."))
