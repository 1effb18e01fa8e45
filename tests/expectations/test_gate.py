"""Every critical expectation has a row that fails it, and a good row passes them all."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from pyspark.sql.types import StructField, StructType

from expectations import gate
from expectations.integrity import SUITE as INTEGRITY
from expectations.rules import Severity
from schemas.contract import Column, Table, Zone
from schemas.tables import TABLES

CURATED = [table for table in TABLES.values() if table.zone is Zone.CURATED]
SPECIAL = {
    "code": "6690-2", "gene": "FLT3", "pixel_sha256": "a" * 64, "image": b"png", "age_group": "40-49",
    "attribute_path": "(0010,0010)", "polygon": [0.0, 0.0, 1.0, 0.0, 1.0, 1.0], "coordinates": [1.0, 2.0],
    "unit_a": "0" * 32, "unit_b": "f" * 32, "width": 250, "height": 250, "birth_year": 1960,
    "mpp_x": 0.25, "mpp_y": 0.25, "coding_change": "c.1849G>T", "genomic_change": "g.5073770G>T",
    "protein_change": "p.V617F", "karyotype": "46,XX", "region": "81",
}  # fmt: skip


def value(column: Column) -> Any:
    """A value of the column's type that its contract and the rules allow."""
    if column.name in SPECIAL:
        return SPECIAL[column.name]
    if column.values:
        return column.values[0]
    if column.type.startswith("array<struct"):
        return [("e" * 32, 1, "NGS")]
    plain = {"int": 1, "bigint": 1, "double": 0.5, "boolean": True, "date": date(2024, 1, 1)}
    plain |= {"timestamp": datetime(2024, 1, 1), "binary": b"x", "map<string,bigint>": {"curated.cells": 1}}
    return plain.get(column.type, "a" * 32)


def good(table: Table) -> dict[str, Any]:
    return {column.name: value(column) for column in table.columns}


def broken(table: Table) -> list[dict[str, Any]]:
    """A row for each thing that the contract or a rule forbids, and one key twice."""
    rows = [good(table), good(table)]
    for column in table.columns:
        if column.type == "binary":
            continue
        if not column.nullable:
            rows.append(good(table) | {column.name: None})
        if column.values:
            rows.append(good(table) | {column.name: "Virtanen"})
        if column.minimum is not None:
            rows.append(good(table) | {column.name: type(value(column))(column.minimum - 1)})
        if column.maximum is not None:
            rows.append(good(table) | {column.name: type(value(column))(column.maximum + 1)})
    return rows + [good(table) | rule.breaks for rule in gate.rules(table)]


def frame(spark, table: Table, rows: list[dict[str, Any]]):
    loose = StructType([StructField(f.name, f.dataType) for f in StructType.fromDDL(table.ddl).fields])
    return spark.createDataFrame([tuple(row[name] for name in table.names) for row in rows], loose)


@pytest.mark.parametrize("table", CURATED, ids=lambda t: t.full_name)
def test_a_good_row_passes(spark, table):
    assert gate.check(table, frame(spark, table, [good(table)])) == []


@pytest.mark.parametrize("table", CURATED, ids=lambda t: t.full_name)
def test_every_critical_expectation_fails_on_its_row(spark, table):
    with pytest.raises(gate.GateRefused) as refusal:
        gate.check(table, frame(spark, table, broken(table)))
    text = str(refusal.value)
    for rule in gate.rules(table):
        if rule.severity is Severity.CRITICAL:
            assert rule.name in text
    for column in table.columns:
        if column.type != "binary" and not column.nullable:
            assert f"expect_column_values_to_not_be_null ({column.name})" in text
        if column.values:
            assert f"expect_column_values_to_be_in_set ({column.name})" in text
        if column.minimum is not None or column.maximum is not None:
            assert f"expect_column_values_to_be_between ({column.name})" in text
    assert "to_be_unique" in text
    assert "Virtanen" not in text


@pytest.mark.parametrize("rule", INTEGRITY, ids=lambda r: r.name)
def test_every_check_across_tables_is_a_rule_that_its_row_breaks(rule):
    assert rule.breaks == {rule.name: 1}
    assert rule.holds == f"{rule.name} = 0"


def test_checks_across_tables_refuse_or_warn(spark):
    clean = spark.createDataFrame([tuple(0 for _ in INTEGRITY)], [rule.name for rule in INTEGRITY])
    assert gate.check_rules("across tables", clean, INTEGRITY) == []
    bad = spark.createDataFrame([tuple(1 for _ in INTEGRITY)], [rule.name for rule in INTEGRITY])
    with pytest.raises(gate.GateRefused) as refusal:
        gate.check_rules("across tables", bad, INTEGRITY)
    critical = [rule.name for rule in INTEGRITY if rule.severity is Severity.CRITICAL]
    assert all(name in str(refusal.value) for name in critical)
