"""Parquet files that executors write themselves: rows with images reach a table without a way through Spark.

A part is complete or not there at all, and stays until its rows are committed. A run that was killed leaves its parts
to the next one, as long as that reads the same versions of the same tables under the same settings and code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.frames import ddl
from jobs.lake import Lake, Work, contract
from jobs.store import Store, hadoop_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BATCH_ROWS = 128
"""Rows of a row group: what is held in memory, and what a reader of one image has to read."""


@dataclass(frozen=True)
class Parts:
    """The parts of one table that wait for their commit; can be pickled."""

    store: Store
    uri: str
    schema: pa.Schema
    made_by: dict[str, str]
    """What every row says of its making."""

    def write(self, name: str, rows: Iterable[dict[str, Any]]) -> int:
        """Write a part, whole or not at all; how many rows it has. Without rows there is no part."""
        waiting = iter(rows)
        batch = list(islice(waiting, BATCH_ROWS))
        count = 0
        if not batch:
            return count
        images = {field.name for field in self.schema if pa.types.is_binary(field.type)}
        texts = [field.name for field in self.schema if pa.types.is_string(field.type)]
        with (
            self.store.writing(f"{self.uri}/{name}") as stream,
            pq.ParquetWriter(
                stream,
                self.schema,
                # Images are compressed already.
                compression={field.name: "none" if field.name in images else "zstd" for field in self.schema},
                use_dictionary=texts,
            ) as writer,
        ):
            while batch:
                rows_now = [row | self.made_by for row in batch]
                writer.write_batch(pa.RecordBatch.from_pylist(rows_now, schema=self.schema))
                count += len(batch)
                batch = list(islice(waiting, BATCH_ROWS))
        return count

    def names(self) -> list[str]:
        """The parts that there are."""
        return [entry.uri.rsplit("/", 1)[-1] for entry in self.store.list(self.uri) if entry.uri.endswith(".parquet")]

    def read(self, lake: Lake, names: Iterable[str]) -> DataFrame:
        """The rows of some parts."""
        from pyspark.sql.pandas.types import from_arrow_schema

        schema = from_arrow_schema(self.schema)
        files = [hadoop_path(f"{self.uri}/{name}") for name in names]
        return lake.spark.read.schema(schema).parquet(*files) if files else lake.spark.createDataFrame([], schema)


def part_name(keys: Iterable[str]) -> str:
    """The name of the part that holds the units of some keys: a task that is tried again writes the same file."""
    return f"part-{hashlib.sha256(chr(10).join(sorted(keys)).encode()).hexdigest()[:32]}.parquet"


@contextmanager
def parts_of(lake: Lake, work: Work, *names: str) -> Iterator[list[Parts]]:
    """The parts of some tables for one run of a stage; removed when all is committed, kept when it fails."""
    made_by = lake.made_by(work.stage)
    facts = json.dumps([made_by, lake.key_rotations(), work.now], sort_keys=True)
    root = f"{lake.settings.zone_root('curated')}/_staging/{work.stage.name}-parts"
    wanted = hashlib.sha256(facts.encode()).hexdigest()[:32]
    for folder in lake.store.folders(root):
        if folder != wanted:
            lake.store.delete_folder(f"{root}/{folder}")
    yield [
        Parts(lake.store, f"{root}/{wanted}/{contract(name).name}", _arrow_schema(name, made_by), made_by)
        for name in names
    ]
    lake.store.delete_folder(root)


def _arrow_schema(name: str, made_by: dict[str, str]) -> pa.Schema:
    """Of the rows of a table, with what each says of its making."""
    from pyspark.sql.pandas.types import to_arrow_schema
    from pyspark.sql.types import StructType

    columns = {column.name: column.type for column in contract(name).own_columns} | dict.fromkeys(made_by, "string")
    return to_arrow_schema(StructType.fromDDL(ddl(columns)))
