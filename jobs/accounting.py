"""Nothing is lost: for each unit that a stage accounts for, what came in is out or in quarantine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.errors import AccountingError
from jobs.lake import Lake, Work
from schemas.reasons import Reason

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

HELD = ("unit_kind", "unit_id", "source", "delivery", "reason", "sentence", "place")
HELD_TYPE = f"struct<{', '.join(f'{name}:string' for name in HELD)}>"
"""A unit that is held back, as a Spark SQL type."""


@dataclass(frozen=True)
class Account:
    """How many units of one kind came in, passed on and were held back in one run of a stage."""

    unit: str
    came: int
    passed: int
    held: int

    def balance(self, stage: str) -> None:
        """Raise AccountingError unless in = out + quarantined."""
        if self.came != self.passed + self.held:
            raise AccountingError(
                f"stage `{stage}` took in {self.came} units ({self.unit}), but {self.passed} passed and {self.held} "
                "were held back. This is a fault of the stage; nothing later was run."
            )


def hold(lake: Lake, work: Work, considered: DataFrame, held: DataFrame) -> None:
    """Write the units that a stage holds back, and mark those that it now lets pass.

    Args:
        considered: unit_kind, unit_id of every unit that the stage looked at in this run.
        held: the units held back, with the columns of `HELD`.
    """
    from pyspark.sql import functions as F

    key = ["unit_kind", "unit_id"]
    now = held.withColumn("stage", F.lit(work.stage.name)).withColumn("resolved_by", F.lit(None).cast("string"))
    before = lake.read("restricted.quarantine").where(
        (F.col("stage") == work.stage.name) & F.col("resolved_by").isNull()
    )
    let_go = before.join(considered.select(*key).distinct(), key, "left_semi").join(held.select(*key), key, "left_anti")
    waits = F.col("reason").isin([reason.value for reason in Reason if reason.waits_for_partner])
    resolved = let_go.withColumn("resolved_by", F.when(waits, "partner").otherwise("new version"))
    columns = [*now.columns]
    lake.write(work, "restricted.quarantine", now.select(*columns).unionByName(resolved.select(*columns)))


def held_row(kind: str, unit: str, source: str, delivery: str, reason: Reason) -> dict[str, str]:
    """One row of `HELD`; a unit's id is also the place to look at: a path, or `path#position`."""
    return {
        "unit_kind": kind,
        "unit_id": unit,
        "source": source,
        "delivery": delivery,
        "reason": reason.value,
        "sentence": reason.sentence,
        "place": unit,
    }
