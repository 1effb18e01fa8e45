"""What must hold of a vote beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("cell_id"),
    keyed("annotation_id"),
)
