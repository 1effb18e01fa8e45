"""SQL over the lake's tables without Spark: DuckDB on what delta-rs reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
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
    from deltalake import DeltaTable

    connection = duckdb.connect()
    for zone in zones:
        connection.execute(f"CREATE SCHEMA {zone.value}")
    for name, table in TABLES.items():
        if table.zone in zones and lake.version(name) is not None:
            rows = DeltaTable(_rust_uri(lake.uri(table)), storage_options=_storage(lake)).to_pyarrow_dataset()
            connection.register(f"{table.zone.value}_{table.name}", rows)
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {table.zone.value}_{table.name}")
    return connection


def answer(lake: Lake, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of one statement over the curated tables.

    Raises:
        UsageError: the statement is wrong; the message is DuckDB's, which knows no more than the curated tables.
    """
    import duckdb

    try:
        found = connect(lake).execute(sql)
        return [column[0] for column in found.description or []], found.fetchall()
    except duckdb.Error as error:
        raise UsageError(f"the query failed: {error}") from None


def _rust_uri(uri: str) -> str:
    """The URI as delta-rs writes it."""
    return uri.replace("s3a://", "s3://") if uri.startswith("s3a:") else uri.replace("file:/", "/", 1)


def _storage(lake: Lake) -> dict[str, str]:
    endpoint = lake.settings.places.s3_endpoint
    if not endpoint:
        return {}
    found = {"aws_endpoint": endpoint, "aws_allow_http": "true", "aws_virtual_hosted_style_request": "false"}
    return found | {"aws_region": os.environ.get("AWS_DEFAULT_REGION", "us-east-1")}
