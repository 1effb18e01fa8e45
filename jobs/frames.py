"""Rows on their way between executors and tables: nested rows, their schemas, and a place to park them.

What an executor finds in one file or patient belongs to several tables. It comes back as a row with an array of
structs for each table, or as several rows of much, is parked once as Parquet, and is then written table by table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.lake import Lake, contract
from jobs.session import in_executor
from jobs.store import hadoop_path
from schemas.contract import Zone

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Row = dict[str, Any]
BATCH_ROWS = 128
PIECE = 4096
"""Nested rows of a kind that a row carries at most."""


def row_type(table: str) -> str:
    """The table's own columns as a Spark SQL struct type."""
    return f"struct<{', '.join(f'{c.name}:{c.type}' for c in contract(table).own_columns)}>"


def rows_type(table: str) -> str:
    """An array of rows of the table, as a Spark SQL type."""
    return f"array<{row_type(table)}>"


def present(frame: DataFrame, column: str) -> DataFrame:
    """The rows that a column holds, where it holds one."""
    return frame.where(f"{column} IS NOT NULL").select(f"{column}.*")


def in_pieces(row: Row) -> Iterator[Row]:
    """The row, with what is beyond `PIECE` in its lists in further rows: one with a million would fit nowhere.

    What is no list stands in the first only.
    """
    most = max(len(value) for value in row.values() if isinstance(value, list))
    for first in range(0, max(most, 1), PIECE):
        yield {
            name: value[first : first + PIECE] if isinstance(value, list) else None if first else value
            for name, value in row.items()
        }


def ddl(columns: dict[str, str]) -> str:
    """Column names and Spark SQL types as a DDL string."""
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def exploded(frame: DataFrame, column: str) -> DataFrame:
    """The nested rows of a column, one a row."""
    from pyspark.sql import functions as F

    return frame.select(F.explode(column).alias("row")).select("row.*")


def mapped(frame: DataFrame, schema: str, function: Callable[[Row], Iterable[Row]]) -> DataFrame:
    """Apply a plain function to every row in the executors; it gives rows of `schema`.

    What they give is passed on in Arrow batches of at most `BATCH_ROWS` rows, less where these carry many others.
    """
    from pyspark.sql.pandas.types import to_arrow_schema
    from pyspark.sql.types import StructType

    arrow = to_arrow_schema(StructType.fromDDL(schema), timezone="UTC")

    @in_executor
    def in_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found = (one for batch in batches for row in batch.to_pylist() for one in function(row))
        for some in _batched(found):
            yield pa.RecordBatch.from_pylist(some, schema=arrow)

    return frame.mapInArrow(in_batches, schema)


def spread(frame: DataFrame, times: int = 2) -> DataFrame:
    """The frame dealt out over the cores, so many partitions each."""
    return frame.repartition(times * frame.sparkSession.sparkContext.defaultParallelism)


def _batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in lists of `BATCH_ROWS`, or fewer that carry `PIECE` nested rows together."""
    some: list[Row] = []
    nested = 0
    for row in rows:
        some.append(row)
        nested += sum(len(value) for value in row.values() if isinstance(value, list))
        if len(some) == BATCH_ROWS or nested >= PIECE:
            yield some
            some, nested = [], 0
    if some:
        yield some


def tally(**frames: DataFrame) -> dict[str, int]:
    """How many rows each frame has, counted in one job."""
    from pyspark.sql import functions as F

    names = [frame.select(F.lit(name).alias("name")) for name, frame in frames.items()]
    found = {
        row["name"]: row["count"]
        for row in reduce(lambda one, other: one.union(other), names).groupBy("name").count().collect()
    }
    return {name: found.get(name, 0) for name in frames}


@contextmanager
def parked(lake: Lake, frame: DataFrame, zone: Zone = Zone.RESTRICTED) -> Iterator[DataFrame]:
    """The frame computed once and parked as Parquet in the zone; the parking place is cleared at the end."""
    place = lake.staging(zone)
    try:
        frame.write.parquet(hadoop_path(place))
        yield lake.spark.read.schema(frame.schema).parquet(hadoop_path(place))
    finally:
        lake.store.delete_folder(place)


@contextmanager
def kept(frame: DataFrame) -> Iterator[DataFrame]:
    """The frame computed once and kept in memory meanwhile: for small frames that many others are made from."""
    cached = frame.cache()
    try:
        yield cached
    finally:
        cached.unpersist()
