"""Which pairs of scans are worth a look: hashes that are near, and fields of one patient.

Two hashes of 64 bits that differ in at most k bits agree in at least one of k + 1 bands, so an equi-join on the bands
finds every such pair exactly (the pigeonhole principle), and Spark joins it without comparing all with all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

HASH_BITS = 64


def bands(bits: int) -> list[tuple[int, int]]:
    """First bit and width of each of the bands that find pairs differing in at most `bits` bits."""
    count = bits + 1
    edges = [HASH_BITS * n // count for n in range(count + 1)]
    return [(edges[n], edges[n + 1] - edges[n]) for n in range(count)]


def near_hashes(new: DataFrame, all_of_them: DataFrame, bits: int) -> DataFrame:
    """unit_a < unit_b whose `perceptual_hash` differ in at most `bits` bits, at least one of them new.

    Args:
        new, all_of_them: frames with unit_id and perceptual_hash; `new` is part of `all_of_them`.
    """
    from pyspark.sql import functions as F

    def banded(frame: DataFrame, side: str) -> DataFrame:
        parts = F.array(
            *[
                F.struct(
                    F.lit(n).alias("band"),
                    F.shiftrightunsigned("perceptual_hash", first).bitwiseAND((1 << width) - 1).alias("part"),
                )
                for n, (first, width) in enumerate(bands(bits))
            ]
        )
        rows = frame.select(
            F.col("unit_id").alias(side), F.col("perceptual_hash").alias(f"hash_{side}"), F.explode(parts)
        )
        return rows.select(side, f"hash_{side}", "col.*")

    pairs = banded(new, "x").join(banded(all_of_them, "y"), ["band", "part"]).where("x <> y")
    near = pairs.where(F.bit_count(F.col("hash_x").bitwiseXOR(F.col("hash_y"))) <= bits)
    return _ordered(near)


def of_one_patient(new: DataFrame, all_of_them: DataFrame) -> DataFrame:
    """unit_a < unit_b of fields of one patient, at least one of them new: they may overlap."""
    from pyspark.sql import functions as F

    x = new.where(F.col("kind") == "field").select(F.col("unit_id").alias("x"), "patient_key")
    y = all_of_them.where(F.col("kind") == "field").select(F.col("unit_id").alias("y"), "patient_key")
    return _ordered(x.join(y, "patient_key").where("x <> y"))


def _ordered(pairs: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    return pairs.select(F.least("x", "y").alias("unit_a"), F.greatest("x", "y").alias("unit_b")).distinct()
