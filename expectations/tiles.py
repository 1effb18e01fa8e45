"""What must hold of a tile beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("tile_id"),
    keyed("scan_id"),
    keyed("region_id"),
    Rule("tile_holds_tissue", "tissue_fraction > 0", "A tile holds some tissue.", {"tissue_fraction": 0.0}),
)
