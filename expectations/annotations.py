"""What must hold of an annotation beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("annotation_id"),
    keyed("scan_id"),
    keyed("examiner_key"),
    Rule(
        "coordinates_are_pairs",
        "size(coordinates) >= 2 AND size(coordinates) % 2 = 0",
        "Coordinates come as x and y.",
        {"coordinates": [1.0]},
    ),
)
