"""What must hold of a snapshot beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule

SUITE: tuple[Rule, ...] = (
    Rule("snapshot_pins_tables", "size(tables) > 0", "A snapshot pins at least one table.", {"tables": {}}),
)
