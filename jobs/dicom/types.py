"""Whether an object needs an attribute: its type by PS3.3, so that taking a value out leaves a valid object.

1 must have a value, 2 may be empty, 3 may be absent; a conditional type counts as its unconditional one. Facts
of PS3.3 as tabled by highdicom 0.28.2 (MIT). At the root of an object `module_types.csv` holds the types by
module, and `iod_modules.csv` the modules of each SOP class. Within a sequence, and for a class that is not
listed, `attribute_types.csv` holds by keyword and sequence the strictest type that any definition gives.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import resources


@lru_cache(maxsize=1 << 14)
def attribute_type(keyword: str, parent: str, sop_class: str = "") -> int:
    """Return 1, 2 or 3 for an attribute in the sequence `parent` (a keyword, empty at the root)."""
    if not parent and sop_class in _modules():
        return _root_types(sop_class).get(keyword, 3)
    by_parent = _types().get(keyword)
    if by_parent is None:
        return 3
    return by_parent.get(parent or "root", by_parent.get("", 3))


@cache
def _root_types(sop_class: str) -> dict[str, int]:
    types: dict[str, int] = {}
    for module in _modules()[sop_class]:
        for keyword, kind in _module_types().get(module, {}).items():
            types[keyword] = min(kind, types.get(keyword, 3))
    return types


@cache
def _modules() -> dict[str, list[str]]:
    return {row["sop_class"]: row["modules"].split() for row in _rows("iod_modules.csv")}


@cache
def _module_types() -> dict[str, dict[str, int]]:
    types: dict[str, dict[str, int]] = {}
    for row in _rows("module_types.csv"):
        types.setdefault(row["module"], {}).update(dict.fromkeys(row["keywords"].split(), int(row["type"])))
    return types


@cache
def _types() -> dict[str, dict[str, int]]:
    types: dict[str, dict[str, int]] = {}
    for row in _rows("attribute_types.csv"):
        types.setdefault(row["keyword"], {})[row["parent"]] = int(row["type"])
    return types


def _rows(name: str) -> Iterator[dict[str, str]]:
    return csv.DictReader(resources.files("jobs.dicom").joinpath(name).read_text("utf-8").splitlines())
