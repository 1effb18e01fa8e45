"""Keep Spark's and Delta's classes as the JVM has them in memory, so that later starts take half the time.

It uses both as a stage does, in a JVM that writes what it has loaded to `session.ARCHIVE` when it ends (JEP 350).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from jobs import session
from jobs.settings import Places, Settings, Spark


def same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """What came in."""
    yield from batches


def main() -> None:
    """Write, merge and read a table, and wait until the JVM has ended."""
    session.ARCHIVE.unlink(missing_ok=True)
    fresh = session.ARCHIVE.with_suffix(".new")
    conf = {session.JAVA_OPTIONS: f"-XX:ArchiveClassesAtExit={fresh} -Xlog:disable"}
    places = Places(lake="file:///nowhere", landing="file:///nowhere")
    spark = session.start(Settings(places=places, sources={}, spark=Spark(master="local[2]", conf=conf)))
    from delta.tables import DeltaTable

    gateway = spark.sparkContext._gateway
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "table")
        rows = spark.range(9).selectExpr("id", "CAST(id AS string) AS text")
        rows.mapInArrow(same, rows.schema).write.format("delta").save(place)
        merge = DeltaTable.forPath(spark, place).alias("t").merge(rows.alias("n"), "t.id = n.id")
        merge.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
        spark.read.format("delta").load(place).join(rows, "id").groupBy("id").count().orderBy("id").collect()
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    fresh.rename(session.ARCHIVE)


if __name__ == "__main__":
    main()
