"""The search of the tests finds what lies packed in databases, tables and logs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.planted import leaks

NAME = "Müllerström"


@pytest.fixture
def truth(tmp_path):
    """A truth of many identifiers."""
    names = [NAME, *(f"Nobody{number:02d}" for number in range(40))]
    file = tmp_path / "truth.json"
    file.write_text(json.dumps({"identifiers": [{"kind": "name", "value": name} for name in names]}))
    return file


def test_nothing_planted_is_nothing_found(tmp_path, truth):
    place = tmp_path / "place"
    place.mkdir()
    (place / "log").write_text("Müller went home")
    assert leaks(truth, [place]) == []


def database(file):
    with closing(sqlite3.connect(file)) as base:
        base.execute("CREATE TABLE xcom (value)")
        base.execute("PRAGMA page_size = 512")
        base.executemany(
            "INSERT INTO xcom VALUES (?)", [["x" * at + f" {NAME} " + "x" * 9000] for at in range(4070, 4090)]
        )
        base.commit()


def parquet(file):
    row = {"names": [[{"family": NAME}]] * 1000}
    pq.write_table(pa.table(row), file, compression="zstd", use_dictionary=False, write_statistics=False)


def event_log(file):
    with pa.CompressedOutputStream(str(file), "zstd") as stream:
        stream.write((f'{{"Event": "a", "plan": "{NAME}"}}\n' * 500).encode())


@pytest.mark.parametrize("write", [database, parquet, event_log])
def test_what_is_packed_is_found(tmp_path, truth, write):
    place = tmp_path / "place"
    place.mkdir()
    write(place / "file")
    assert [one.split(" in ")[0] for one in leaks(truth, [place])] == ["name"]
