"""What must hold of a split beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (keyed("patient_key"),)
