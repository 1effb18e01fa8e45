"""What must hold of a feature beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("unit_id"),
    Rule("value_is_finite", "NOT isnan(value)", "The value is a number.", {"value": float("nan")}),
)
