"""What must hold of a patient beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("patient_key"),
    Rule(
        "birth_year_is_plausible",
        "birth_year BETWEEN 1880 AND 2100",
        "The birth year is a year of our time.",
        {"birth_year": 1066},
    ),
    Rule("region_is_short", "region RLIKE '^[0-9]{1,2}$'", "A region is at most two digits.", {"region": "81377"}),
)
