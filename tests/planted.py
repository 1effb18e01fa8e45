"""Search what a run left behind for the identifiers that the synthetic hospital planted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

SHORTEST_NUMBER = 8
"""Numbers with fewer digits, such as postal codes, turn up by chance in times, sizes and ports."""


def leaks(truth: Path, places: Iterable[Path]) -> list[str]:
    """Every file below `places` that holds a planted identifier, with its kind; raises where nothing was searched."""
    values = _values(truth)
    pattern = re.compile(b"|".join(rb"(?<![0-9A-Za-z])" + re.escape(v) + rb"(?![0-9A-Za-z])" for v in sorted(values)))
    files = [file for place in places for file in sorted(place.rglob("*")) if file.is_file()]
    assert files
    assert len(values) > 20
    return [f"{values[hit]} in {file}" for file in files for hit in set(pattern.findall(file.read_bytes()))]


def _values(truth: Path) -> dict[bytes, str]:
    """Each identifier as UTF-8, and as JSON escapes it, to its kind."""
    found = {}
    for one in json.loads(truth.read_text())["identifiers"]:
        value = str(one["value"])
        if len(value) < 4 or (value.isdigit() and len(value) < SHORTEST_NUMBER):
            continue
        found[value.encode()] = found[json.dumps(value)[1:-1].encode()] = one["kind"]
    return found
