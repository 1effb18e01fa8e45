"""What must hold of a pair of duplicates beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("unit_a"),
    keyed("unit_b"),
    Rule(
        "pair_is_ordered",
        "unit_a < unit_b",
        "A pair is listed once.",
        {"unit_a": "f" * 32, "unit_b": "0" * 32},
    ),
)
