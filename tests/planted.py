"""Search what a run left behind for the identifiers that the synthetic hospital planted."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SHORTEST_NUMBER = 8
"""Numbers with fewer digits, such as postal codes, turn up by chance in times, sizes and ports."""


def leaks(truth: Path, places: Iterable[Path]) -> list[str]:
    """Every file below `places` that holds a planted identifier, with its kind; raises where nothing was searched."""
    values = _values(truth)
    pattern = re.compile(b"|".join(rb"(?<![0-9A-Za-z])" + re.escape(v) + rb"(?![0-9A-Za-z])" for v in sorted(values)))
    files = [file for place in places for file in sorted(place.rglob("*")) if file.is_file()]
    assert files
    assert len(values) > 20
    return [f"{values[hit]} in {file}" for file in files for hit in set(pattern.findall(_held(file)))]


def _held(file: Path) -> bytes:
    """A file's bytes; of formats that compress or part values, with what they hold unpacked."""
    data = file.read_bytes()
    if data.startswith(b"SQLite format 3\0"):  # Airflow's: values of more than a page are parted
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as base:
            base.text_factory = lambda raw: raw.decode("utf-8", "replace")
            names = [row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = [row for name in names for row in base.execute(f'SELECT * FROM "{name}"')]
        return b"\n".join([data, *(_bytes(value) for row in rows for value in row)])
    if data.startswith(b"PAR1"):
        table = pq.ParquetFile(file)
        columns = [name for name, kind in zip(table.schema_arrow.names, table.schema_arrow.types, strict=True)
                   if not pa.types.is_binary(kind)]  # fmt: skip
        rows = table.read(columns).to_pylist()
        return b"\n".join([data, *(json.dumps(row, default=str, ensure_ascii=False).encode() for row in rows)])
    if data.startswith(b"\x28\xb5\x2f\xfd"):  # Spark's event logs
        return pa.CompressedInputStream(pa.py_buffer(data), "zstd").read()
    return data


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _values(truth: Path) -> dict[bytes, str]:
    """Each identifier as UTF-8, and as JSON escapes it, to its kind."""
    found = {}
    for one in json.loads(truth.read_text())["identifiers"]:
        value = str(one["value"])
        if len(value) < 4 or (value.isdigit() and len(value) < SHORTEST_NUMBER):
            continue
        found[value.encode()] = found[json.dumps(value)[1:-1].encode()] = one["kind"]
    return found
