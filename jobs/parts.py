"""Parquet files that executors write themselves: rows with images reach a table without a way through Spark.

A part is complete or not there at all, and stays until its rows are committed. A run that was killed leaves its parts
to the next one, as long as that reads the same versions of the same tables under the same settings and code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs import delta
from jobs.lake import Lake, Work, contract
from jobs.store import Store, hadoop_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Made = dict[str, dict[str, Any]]
"""What one unit gives: a row, or none, of each table."""
BATCH_ROWS = 128
"""Rows of a row group: what is held in memory, and what a reader of one image has to read."""


@dataclass(frozen=True)
class Parts:
    """The parts that wait for their commit, each with rows of one table or more; can be pickled."""

    store: Store
    uri: str
    schemas: dict[str, pa.Schema]
    """Of the rows of each table; a part is there once that of the first table is."""
    made_by: dict[str, str]
    """What every row says of its making."""

    def write(self, name: str, made: Iterable[Made]) -> int:
        """Write a part, whole or not at all; how many rows its first table has. Without rows there is no part."""
        waiting = iter(made)
        batch = list(islice(waiting, BATCH_ROWS))
        count = 0
        if not batch:
            return count
        with ExitStack() as stack:
            writers = {table: self._writer(stack, table, name) for table in self.schemas}
            while batch:
                for table, writer in writers.items():
                    rows = [one[table] | self.made_by for one in batch if table in one]
                    writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=self.schemas[table]))
                count += len(batch)
                batch = list(islice(waiting, BATCH_ROWS))
        return count

    def _writer(self, stack: ExitStack, table: str, name: str) -> pq.ParquetWriter:
        schema = self.schemas[table]
        images = {field.name for field in schema if pa.types.is_binary(field.type)}
        stream = stack.enter_context(self.store.writing(f"{self.uri}/{table}/{name}", read_soon=False))
        writer = pq.ParquetWriter(
            stream,
            schema,
            # Images are compressed already.
            compression={field.name: "none" if field.name in images else "zstd" for field in schema},
            use_dictionary=[field.name for field in schema if pa.types.is_string(field.type)],
        )
        return stack.enter_context(writer)

    def names(self) -> list[str]:
        """The parts that there are."""
        place = f"{self.uri}/{next(iter(self.schemas))}"
        return [entry.uri.rsplit("/", 1)[-1] for entry in self.store.list(place) if entry.uri.endswith(".parquet")]

    def files(self, table: str, names: Iterable[str]) -> list[str]:
        """URIs of the files that hold the rows of a table in some parts."""
        return [f"{self.uri}/{table}/{name}" for name in names]

    def read(self, lake: Lake, table: str, names: Iterable[str]) -> DataFrame:
        """The rows of a table in some parts."""
        from pyspark.sql.pandas.types import from_arrow_schema

        schema = from_arrow_schema(self.schemas[table])
        files = [hadoop_path(file) for file in self.files(table, names)]
        return lake.spark.read.schema(schema).parquet(*files) if files else lake.spark.createDataFrame([], schema)


def part_name(keys: Iterable[str]) -> str:
    """The name of the part that holds the units of some keys: a task that is tried again writes the same file."""
    return f"part-{hashlib.sha256(chr(10).join(sorted(keys)).encode()).hexdigest()[:32]}.parquet"


@contextmanager
def parts_of(lake: Lake, work: Work, *tables: str) -> Iterator[Parts]:
    """The parts of some tables for one run of a stage; removed when all is committed, kept when it fails."""
    from pyspark.sql.pandas.types import to_arrow_schema

    schemas = {name: to_arrow_schema(delta.schema(contract(name)), timezone="UTC") for name in tables}
    made_by = lake.made_by(work.stage)
    facts = json.dumps([made_by, lake.key_rotations(), work.now], sort_keys=True)
    root = f"{lake.settings.zone_root(contract(tables[0]).zone)}/_staging/{work.stage.name}-parts"
    wanted = hashlib.sha256(facts.encode()).hexdigest()[:32]
    for folder in lake.store.folders(root):
        if folder != wanted:
            lake.store.delete_folder(f"{root}/{folder}")
    yield Parts(lake.store, f"{root}/{wanted}", schemas, made_by)
    lake.store.delete_folder(root)
