"""What must hold of an outcome beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (keyed("patient_key"),)
