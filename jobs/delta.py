"""What is asked of Delta for one table: make it, take files into it, merge, widen, read its log."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from jobs.changes import ACTION
from jobs.errors import ContractMismatch
from jobs.store import Store, hadoop_path
from schemas.contract import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONTRACT_PROPERTY = "hemalake.contract.version"
_TEXT_MOST = 32
"""Characters of a text that statistics hold, as Spark has them."""


def create(uri: str, endpoint: str, table: Table) -> None:
    """Make the table, empty, with the contract's columns, checks and retention; reader protocol 1 (every reader).

    Through delta-rs, which takes some milliseconds where Spark plans for half a second.
    """
    from deltalake import DeltaTable, Schema

    properties = {
        CONTRACT_PROPERTY: str(table.version),
        "delta.enableChangeDataFeed": "true",
        # The ledger's metadata lives in the log, so the log outlives the data that time travel keeps.
        "delta.logRetentionDuration": "interval 3650 days",
        "delta.deletedFileRetentionDuration": table.retention,
        **{f"delta.constraints.{name}": sql for name, sql in table.checks.items()},
        **_statistics(table),
    }
    place, options = _through_delta_rs(uri, endpoint)
    columns = Schema.from_json(schema(table).json())
    DeltaTable.create(place, columns, configuration=properties, storage_options=options, raise_if_key_not_exists=False)


def take(log: Any, store: Store, uri: str, files: Iterable[str], table: Table, note: dict[str, Any]) -> int:
    """Add the rows of Parquet files, which become the table's own, in one commit whose metadata is the note.

    Through delta-rs, which takes some milliseconds where Spark writes again what lies there, for a second and more.

    Args:
        log: the table's log, as `log` gives it.
        store: where table and files lie.
        uri: the table's folder.
        files: their URIs, each with a name that no other file has. They may be removed afterwards.
        table: the contract, which the rows were checked against: this path leaves Delta's own checks out.
        note: metadata of the commit.

    Returns:
        How many rows were added. Without files and note there is no commit.

    Raises:
        ContractMismatch: a column that may not be null is.
    """
    from deltalake import CommitProperties, PostCommitHookProperties
    from deltalake.transaction import AddAction

    now, count = int(time.time() * 1000), 0
    actions = []
    for file in files:
        name = file.rsplit("/", 1)[-1]
        size, told = _facts(store, file, table)
        store.link(file, f"{uri}/{name}")
        actions.append(AddAction(name, size, {}, now, True, json.dumps(told, ensure_ascii=False)))
        count += told["numRecords"]
    if not actions and not note:
        return count
    log.create_write_transaction(
        actions,
        "append",
        log.schema(),
        commit_properties=CommitProperties(custom_metadata={"userMetadata": json.dumps(note)}) if note else None,
        post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
    )
    return count


def has_rows(store: Store, file: str) -> bool:
    """Whether a Parquet file holds any: Spark writes one without, to keep the schema."""
    import pyarrow.parquet as pq

    with store.open(file) as stream:
        return bool(pq.read_metadata(stream).num_rows)


def _facts(store: Store, file: str, table: Table) -> tuple[int, dict[str, Any]]:
    """Size of a Parquet file, and what Delta wants to know of it: rows, and nulls and range of each column.

    All columns that have statistics in this table get them: where some lack them, delta-rs takes the file for one
    that no filter on these columns can match.
    """
    import pyarrow.parquet as pq

    with store.open(file) as stream:
        size = stream.seek(0, io.SEEK_END)
        held = pq.ParquetFile(stream, coerce_int96_timestamp_unit="us")
        _refuse_nulls(held.metadata, table)
        told: dict[str, Any] = {"numRecords": held.metadata.num_rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
        for column in _measured(table):  # one at a time: all of a large file's at once fill the memory
            values = held.read(columns=[column.name]).column(0)
            told["nullCount"][column.name] = values.null_count
            if values.null_count < len(values):
                told["minValues"][column.name], told["maxValues"][column.name] = _range(values)
    return size, told


def _refuse_nulls(footer: Any, table: Table) -> None:
    """Raise where a column holds nulls that may not: the gate does not look at images."""
    required = {column.name for column in table.columns if not column.nullable}
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for column in (group.column(n) for n in range(group.num_columns)):
            if column.path_in_schema in required and column.statistics and column.statistics.null_count:
                raise ContractMismatch(
                    f"{table.full_name}.{column.path_in_schema} is null in some rows, which its contract forbids. "
                    "Nothing was committed and the table is as it was."
                )


def _range(values: Any) -> tuple[Any, Any]:
    """The ends of a column's range as Delta's statistics have them.

    Long texts are cut, the upper one so that it stays above; times lose what is below a millisecond, which readers
    know of (Delta protocol, "Per-file Statistics"). NaN is above all numbers, and JSON has no infinity but as text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.min_max(values).as_py()
    least, most = ends["min"], ends["max"]
    if isinstance(least, str):
        return least[:_TEXT_MOST], most if len(most) <= _TEXT_MOST else most[:_TEXT_MOST] + chr(sys.maxunicode)
    if isinstance(least, datetime):
        least, most = (one.replace(tzinfo=None).isoformat(timespec="milliseconds") for one in (least, most))
        return f"{least}Z", f"{most}Z"
    if isinstance(least, date):
        return least.isoformat(), most.isoformat()
    if pa.types.is_floating(values.type):
        most = inf if pc.any(pc.is_nan(values)).as_py() else most
        least, most = (end if isfinite(end) else "-Infinity" if end < 0 else "Infinity" for end in (least, most))
    return least, most


def merge(
    spark: SparkSession, uri: str, table: Table, staged: DataFrame, changes: DataFrame, note: dict[str, Any]
) -> None:
    """Insert, update and delete in one commit whose metadata is the note; `changes` has each key with its action."""
    from delta.tables import DeltaTable

    source = changes.join(staged, list(table.key), "left")
    on = " AND ".join(f"t.{column} = s.{column}" for column in table.key)
    values = {column: f"s.{column}" for column in table.names}
    setting = "spark.databricks.delta.commitInfo.userMetadata"
    spark.conf.set(setting, json.dumps(note))
    try:
        (
            DeltaTable.forPath(spark, hadoop_path(uri))
            .alias("t")
            .merge(source.alias("s"), on)
            .whenMatchedDelete(f"s.{ACTION} = 'delete'")
            .whenMatchedUpdate(f"s.{ACTION} = 'update'", set=dict(values))
            .whenNotMatchedInsert(f"s.{ACTION} = 'insert'", values=dict(values))
            .execute()
        )
    finally:
        spark.conf.unset(setting)


def widen(spark: SparkSession, uri: str, table: Table, have: dict[str, bool], checks: dict[str, str]) -> None:
    """Bring a table up to a contract that allows more: new nullable columns, nulls, other values.

    Delta refuses a check that a row of the table breaks, so that nothing is narrowed in silence.

    Args:
        spark: the session.
        uri: where the table lies.
        table: its contract.
        have: whether each column that the table has may be null.
        checks: name and SQL of the checks that the table has.

    Raises:
        ContractMismatch: a column that may not be null is missing.
    """
    name = f"delta.`{hadoop_path(uri)}`"
    for column in table.columns:
        if column.name not in have:
            if not column.nullable:
                raise ContractMismatch(
                    f"{table.full_name} lacks the column {column.name}, which may not be null: this needs a migration."
                )
            spark.sql(f"ALTER TABLE {name} ADD COLUMNS ({column.name} {column.type})")
        elif column.nullable and not have[column.name]:
            spark.sql(f"ALTER TABLE {name} ALTER COLUMN {column.name} DROP NOT NULL")
    for check, sql in table.checks.items():
        if checks.get(check) != sql:
            spark.sql(f"ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {check}")
            spark.sql(f"ALTER TABLE {name} ADD CONSTRAINT {check} CHECK ({sql})")


def log(uri: str, endpoint: str, version: int | None = None) -> Any:
    """The table's log through delta-rs, which needs no Spark session and no job."""
    from deltalake import DeltaTable

    place, options = _through_delta_rs(uri, endpoint)
    return DeltaTable(place, version, options)


def _through_delta_rs(uri: str, endpoint: str) -> tuple[str, dict[str, str] | None]:
    """What delta-rs calls a table's folder, and what it needs to know of its store."""
    if not uri.startswith("s3a:"):
        return uri, None
    # A conditional put, as Spark uses here: two writers never take the same version.
    options = {"aws_region": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"), "aws_conditional_put": "etag"}
    if endpoint:
        options |= {"aws_endpoint": endpoint, "aws_allow_http": "true", "aws_virtual_hosted_style_request": "false"}
    return uri.replace("s3a:", "s3:", 1), options


def no_rows(spark: SparkSession, table: Table) -> DataFrame:
    """An empty frame with the contract's columns."""
    return spark.createDataFrame([], schema(table))


def rows_of(spark: SparkSession, table: Table, files: Sequence[str]) -> DataFrame:
    """The rows of Parquet files with the contract's columns."""
    if not files:
        return no_rows(spark, table)
    return spark.read.schema(schema(table)).parquet(*map(hadoop_path, files))


def with_columns(frame: DataFrame, table: Table) -> DataFrame:
    """The frame with the contract's columns; those that the table did not have yet are null."""
    from pyspark.sql import functions as F

    have = set(frame.columns)
    return frame.select(*(c.name if c.name in have else F.lit(None).cast(c.type).alias(c.name) for c in table.columns))


def schema(table: Table) -> Any:
    """The contract's columns as a Spark `StructType`."""
    from pyspark.sql.types import StructType

    return StructType.fromDDL(table.ddl)


def _statistics(table: Table) -> dict[str, str]:
    """Leave images out of the statistics of files: nobody asks for the least image."""
    kept = [column.name for column in _measured(table)]
    has_binary = any(c.type == "binary" for c in table.columns)
    return {"delta.dataSkippingStatsColumns": ",".join(kept)} if has_binary else {}


def _measured(table: Table) -> list[Column]:
    """The columns that have statistics."""
    return [column for column in table.columns if not column.type.startswith(("binary", "array", "map"))]
