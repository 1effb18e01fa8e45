"""What a batch changes in a table: which rows are new, other than before, gone, or as they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.contract import Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

ACTION = "_action"
"""The column that says what is to be done with a row: insert, update, delete or keep."""
EVERYTHING = "everything"
"""The scope of a batch that is all the table should hold."""


@dataclass(frozen=True)
class Scope:
    """Which rows of a table a batch owns: those it replaces or, where it has no successor for them, deletes."""

    rows: DataFrame | str | None
    keep: DataFrame | None

    def concerned(self, table: Table, old: DataFrame, keys: DataFrame) -> DataFrame:
        """The table's rows that the batch owns, with `_owned`, and those whose key it has."""
        from pyspark.sql import functions as F

        if self.rows is None:
            return old.join(keys, list(table.key), "left_semi").withColumn("_owned", F.lit(False))
        if isinstance(self.rows, str):
            marked = old.withColumn("_owned", F.lit(self.rows == EVERYTHING))
        else:
            owned = self.rows.select(table.scope).distinct().withColumn("_owned", F.lit(True))
            in_batch = keys.withColumn("_in_batch", F.lit(True))
            marked = old.join(F.broadcast(owned), table.scope, "left").join(in_batch, list(table.key), "left")
            marked = marked.where("_owned OR _in_batch").drop("_in_batch")
        if self.keep is None:
            return marked
        kept = self.keep.distinct().withColumn("_kept", F.lit(True))
        joined = marked.join(kept, list(self.keep.columns), "left")
        return joined.withColumn("_owned", F.col("_owned") & F.col("_kept").isNull()).drop("_kept")


def changes_of(table: Table, batch: DataFrame, current: DataFrame, scope: Scope) -> DataFrame:
    """Key and action of each row that is to be inserted, updated, deleted, or kept as the batch has it.

    Only the table's rows that are concerned are compared: what a row holds is not looked at for all that there are.
    """
    from pyspark.sql import functions as F

    key = list(table.key)
    new = batch.select(*key, _fingerprint(table).alias("_new"))
    old = scope.concerned(table, current, batch.select(*key))
    old = old.select(*key, "_owned", _fingerprint(table).alias("_old"))
    action = (
        F.when(F.col("_old").isNull(), "insert")
        .when(F.col("_new").isNull() & F.coalesce("_owned", F.lit(False)), "delete")
        .when(F.col("_new") != F.col("_old"), "update")
        .when(F.col("_new").isNotNull(), "keep")
    )
    both = new.join(old, key, "full_outer")
    return both.select(*key, action.alias(ACTION)).where(F.col(ACTION).isNotNull())


def _fingerprint(table: Table) -> SparkColumn:
    """All columns but the key and images as one comparable string; an image's identity is its pixel hash."""
    from pyspark.sql import functions as F

    compared = [c.name for c in table.columns if c.name not in table.key and c.type != "binary"]
    return F.to_json(F.struct(*compared))
