"""What must hold of a line of the de-identification log beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("file_key"),
    Rule(
        "path_is_no_value",
        "attribute_path RLIKE '^[A-Za-z0-9(),. \\\\[\\\\]_/:-]{1,200}$'",
        "A path holds tags and names of attributes only.",
        {"attribute_path": "Ä; value?"},
    ),
)
