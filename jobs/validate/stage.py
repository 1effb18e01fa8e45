"""Validate: check across tables, and pin the set of versions that passed.

Example:
    $ hemalake validate --settings demo/hemalake.toml
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from expectations.integrity import CHECKS, SUITE
from jobs.accounting import Account
from jobs.lake import Lake, Work, checked

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SCHEMA = "snapshot_id string, number int, tables map<string,bigint>, warnings int"


def run(lake: Lake, work: Work) -> list[Account]:
    """Check the tables at the versions that the stage found, and add them to the snapshots.

    Raises:
        GateFailed: a critical check failed; no snapshot is added, and a release goes on from the last good one.
    """
    work.warnings += checked("across tables", breaking_rows(lake, work.now), SUITE)
    lake.write(work, "curated.snapshots", snapshot(lake, work))
    return [Account("table", len(work.now), len(work.now), 0)]


def breaking_rows(lake: Lake, versions: dict[str, int]) -> DataFrame:
    """One row with the number of breaking rows of every check."""
    for name in versions:
        lake.read(name, versions[name]).createOrReplaceTempView(name.replace(".", "_"))
    for name in set(lake_tables()) - set(versions):
        lake.read(name).createOrReplaceTempView(name.replace(".", "_"))
    counts = ", ".join(f"(SELECT count(*) FROM ({check.breaking})) AS {check.name}" for check in CHECKS)
    return lake.spark.sql(f"SELECT {counts}")


def lake_tables() -> list[str]:
    """The tables that a snapshot pins."""
    from schemas.stages import VALIDATE

    return list(VALIDATE.reads)


def snapshot(lake: Lake, work: Work) -> DataFrame:
    """One row for the versions that passed; none when the newest snapshot holds just these."""
    from pyspark.sql import functions as F

    newest = lake.read("curated.snapshots").orderBy(F.desc("number")).first()
    if newest is not None and dict(newest.tables) == work.now:
        return lake.spark.createDataFrame([], SCHEMA)
    name = hashlib.sha256(json.dumps(work.now, sort_keys=True).encode()).hexdigest()[:32]
    number = newest.number + 1 if newest is not None else 1
    return lake.spark.createDataFrame([(name, number, work.now, len(work.warnings))], SCHEMA)
