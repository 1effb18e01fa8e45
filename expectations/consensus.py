"""What must hold of a consensus label beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("cell_id"),
    Rule("support_is_above_zero", "support > 0", "The label was voted for.", {"support": 0.0}),
)
