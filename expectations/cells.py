"""What must hold of a cell beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("cell_id"),
    keyed("scan_id"),
    keyed("region_id"),
)
