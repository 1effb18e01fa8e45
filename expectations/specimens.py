"""What must hold of a specimen beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("specimen_id"),
    keyed("patient_key"),
)
