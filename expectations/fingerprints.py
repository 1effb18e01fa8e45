"""What must hold of a fingerprint beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (keyed("unit_id"),)
