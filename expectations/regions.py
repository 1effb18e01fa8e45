"""What must hold of a region beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("region_id"),
    keyed("scan_id"),
    Rule(
        "polygon_is_closed_area",
        "size(polygon) >= 6 AND size(polygon) % 2 = 0",
        "A polygon has three points or more.",
        {"polygon": [1.0, 2.0]},
    ),
)
