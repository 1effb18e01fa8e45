"""The contracts agree with each other, with the documentation, and with what may leave the hospital."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.contract import Privacy, Zone
from schemas.dictionary import dictionary
from schemas.released_cells import RELEASED_CELLS
from schemas.stages import STAGES
from schemas.tables import TABLES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("table", [*TABLES.values(), RELEASED_CELLS], ids=lambda t: t.full_name)
def test_a_table_is_whole(table):
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    assert set(table.key) <= set(names)
    assert not any(column.nullable for column in table.columns if column.name in table.key)
    assert table.grain.startswith("one row ")
    assert all(column.comment for column in table.columns)
    assert not table.scope or table.scope in names


@pytest.mark.parametrize("table", [*TABLES.values(), RELEASED_CELLS], ids=lambda t: t.full_name)
def test_no_column_outside_restricted_identifies_anyone(table):
    if table.zone is not Zone.RESTRICTED:
        assert [c.name for c in table.columns if c.privacy is Privacy.DIRECT] == []


def test_no_column_forces_a_newer_reader():
    kinds = " ".join(column.type for table in TABLES.values() for column in table.columns)
    assert "timestamp_ntz" not in kinds
    assert "variant" not in kinds


def test_stages_read_what_earlier_stages_wrote():
    written: set[str] = set()
    for stage in STAGES:
        assert set(stage.reads) <= written, stage.name
        assert set(stage.writes) <= set(TABLES)
        written |= set(stage.writes)
    assert written == set(TABLES)


def test_each_ledger_is_written_by_one_stage():
    ledgers = [stage.ledger for stage in STAGES if stage.writes]
    for ledger in ledgers:
        assert sum(ledger in stage.writes for stage in STAGES) == 1


def test_the_data_dictionary_is_up_to_date():
    assert (ROOT / "docs" / "tables.md").read_text() == dictionary() + "\n"


def test_schemas_need_nothing_but_the_standard_library():
    code = (
        "import sys, schemas.tables, schemas.stages; print([m for m in ('pyspark','numpy','jobs') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "[]"
