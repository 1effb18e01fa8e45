"""SQL over the lake's tables without Spark: DuckDB on what delta-rs reads."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from jobs.errors import UsageError
from jobs.lake import Lake
from schemas.contract import Zone
from schemas.tables import TABLES

if TYPE_CHECKING:
    import duckdb


def connect(lake: Lake, zones: Iterable[Zone] = (Zone.CURATED,)) -> duckdb.DuckDBPyConnection:
    """A connection with every table of the zones as `<zone>.<table>`; tables that are not there yet are left out."""
    import duckdb

    connection = duckdb.connect()
    for zone in zones:
        connection.execute(f"CREATE SCHEMA {zone.value}")
    for name, table in TABLES.items():
        if table.zone in zones and lake.version(name) is not None:
            connection.register(f"{table.zone.value}_{table.name}", lake.glance(name))
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {table.zone.value}_{table.name}")
    return connection


def answer(lake: Lake, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of one statement over the curated tables.

    Raises:
        UsageError: the statement is wrong; the message is DuckDB's, which knows no more than the curated tables.
    """
    import duckdb

    try:
        with closing(connect(lake)) as connection:
            found = connection.execute(sql)
            return [column[0] for column in found.description or []], found.fetchall()
    except duckdb.Error as error:
        raise UsageError(f"the query failed: {error}") from None
