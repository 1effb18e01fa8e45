"""Whether an object needs an attribute: its type by PS3.3, so that taking a value out leaves a valid object.

`attribute_types.csv` holds, by keyword and by the sequence it lies in, the strictest type that any
information object definition gives: 1 must have a value, 2 may be empty, 3 may be absent. Facts of PS3.3 as
tabled by highdicom 0.28.2 (MIT).
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources


def attribute_type(keyword: str, parent: str) -> int:
    """Return 1, 2 or 3 for an attribute in the sequence `parent` (a keyword, empty at the root)."""
    by_parent = _types().get(keyword)
    if by_parent is None:
        return 3
    return by_parent.get(parent or "root", by_parent.get("", 3))


@cache
def _types() -> dict[str, dict[str, int]]:
    text = resources.files("jobs.dicom").joinpath("attribute_types.csv").read_text("utf-8")
    types: dict[str, dict[str, int]] = {}
    for row in csv.DictReader(text.splitlines()):
        types.setdefault(row["keyword"], {})[row["parent"]] = int(row["type"])
    return types
