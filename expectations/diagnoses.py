"""What must hold of a diagnosis beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("patient_key"),
    Rule(
        "code_is_a_code",
        "code RLIKE '^[A-Za-z0-9][A-Za-z0-9.+*!/-]{1,17}$'",
        "The diagnosis is a code, not text.",
        {"code": "acute leukaemia of J. Doe"},
    ),
)
