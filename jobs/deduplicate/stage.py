"""Deduplicate: find scans and cells that show the same thing, and link them. Nothing is removed.

Scans are compared by their overviews; cells are the same where two such scans show them on the same spot, or where
their pixels are the same to the last bit.

Example:
    $ hemalake deduplicate --settings demo/hemalake.toml
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs.accounting import Account
from jobs.deduplicate.candidates import near_hashes, of_one_patient
from jobs.deduplicate.confirm import METHOD_VERSION, compare
from jobs.frames import Row, ddl, kept, mapped, parked, spread
from jobs.lake import EVERYTHING, Lake, Work, contract
from schemas.contract import Zone

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PAIR_COLUMNS = [column.name for column in contract("curated.duplicates").own_columns]
PAIR_SCHEMA = ddl({c.name: c.type for c in contract("curated.duplicates").own_columns})


def run(lake: Lake, work: Work) -> list[Account]:
    """Compare what is new with everything, and what is old with nothing."""
    crops = lake.changes("curated.crops", work.last("curated.crops")).drop("image")
    with kept(crops) as changed, parked(lake, scan_pairs(lake, changed), Zone.CURATED) as scans:
        units = changed.select("unit_id").union(changed.select("scan_id")).distinct()
        known = lake.read("curated.duplicates")
        untouched = known.join(units, known.unit_a == units.unit_id, "left_anti").join(
            units, known.unit_b == units.unit_id, "left_anti"
        )
        if work.rebuild:
            untouched = untouched.limit(0)
        all_scans = scans.unionByName(untouched.where("unit_kind = 'scan'").select(*PAIR_COLUMNS))
        pairs = scans.unionByName(cell_pairs(lake, changed, all_scans))
        keep = untouched.select("unit_kind", "unit_a", "unit_b")
        lake.write(work, "curated.duplicates", pairs, scope=EVERYTHING, keep=keep)
        came = changed.select("unit_id", "preset").distinct().count()
        return [Account("crop", came, came, 0)]


def overviews(lake: Lake) -> DataFrame:
    """One row a scan: its overview, named by the scan."""
    from pyspark.sql import functions as F

    crops = lake.read("curated.crops").where("unit_kind = 'region'")
    scans = lake.read("curated.scans").select("scan_id", "kind", "patient_key")
    return crops.join(scans, "scan_id").withColumn("unit_id", F.col("scan_id"))


def scan_pairs(lake: Lake, changed: DataFrame) -> DataFrame:
    """Pairs of scans that show the same, at least one of them changed, as rows of the table."""
    from pyspark.sql import functions as F

    whole = overviews(lake)
    new = whole.join(changed.where("unit_kind = 'region'").select("scan_id").distinct(), "scan_id", "left_semi")
    rules = lake.settings.duplicates
    candidates = near_hashes(new, whole, rules.hash_bits).union(of_one_patient(new, whole)).distinct()
    shown = F.struct("width", "height", "scale", "pixel_sha256", "image", "kind")
    a = whole.select(F.col("unit_id").alias("unit_a"), shown.alias("a"))
    b = whole.select(F.col("unit_id").alias("unit_b"), shown.alias("b"))

    def one_pair(row: Row) -> Iterable[Row]:
        found = compare(row["a"], row["b"], rules)
        if found is not None:
            yield {
                "unit_kind": "scan",
                "unit_a": row["unit_a"],
                "unit_b": row["unit_b"],
                "kind": found.kind,
                "score": found.score,
                "dx": found.dx,
                "dy": found.dy,
                "share": found.share,
                "method_version": METHOD_VERSION,
                "decision": "linked",
            }

    return mapped(spread(candidates.join(a, "unit_a").join(b, "unit_b")), PAIR_SCHEMA, one_pair)


def cell_pairs(lake: Lake, changed: DataFrame, scans: DataFrame) -> DataFrame:
    """Pairs of cells that are the same: on one spot of scans that show the same, or equal in every pixel."""
    from pyspark.sql import functions as F

    cells = lake.read("curated.cells").select("cell_id", "scan_id", "center_x", "center_y")
    a = cells.select(
        F.col("cell_id").alias("cell_a"),
        F.col("scan_id").alias("unit_a"),
        F.col("center_x").alias("ax"),
        F.col("center_y").alias("ay"),
    )
    b = cells.select(
        F.col("cell_id").alias("cell_b"),
        F.col("scan_id").alias("unit_b"),
        F.col("center_x").alias("bx"),
        F.col("center_y").alias("by"),
    )
    moved = changed.select("scan_id").distinct()
    touched = scans.join(moved, (scans.unit_a == moved.scan_id) | (scans.unit_b == moved.scan_id), "left_semi")
    distance = F.hypot(F.col("ax") - F.col("bx") - F.col("dx"), F.col("ay") - F.col("by") - F.col("dy"))
    on_one_spot = (
        touched.join(a, "unit_a")
        .join(b, "unit_b")
        .where(distance <= lake.settings.crop.same_cell_distance)
        .select("cell_a", "cell_b", "kind", "score", "dx", "dy", "share")
    )
    pixels = lake.read("curated.crops").where("unit_kind = 'cell' AND valid_fraction > 0")
    new = (
        changed.where("unit_kind = 'cell'")
        .select(F.col("unit_id").alias("cell_a"), "preset", "pixel_sha256")
        .distinct()
    )
    old = pixels.select(F.col("unit_id").alias("cell_b"), "preset", "pixel_sha256")
    equal = new.join(old, ["preset", "pixel_sha256"]).where("cell_a <> cell_b")
    same_pixels = equal.select(
        "cell_a", "cell_b", F.lit("exact").alias("kind"), F.lit(1.0).alias("score"),
        F.lit(0.0).alias("dx"), F.lit(0.0).alias("dy"), F.lit(1.0).alias("share"),
    )  # fmt: skip
    swapped = F.col("cell_a") > F.col("cell_b")
    rows = same_pixels.unionByName(on_one_spot).select(
        F.lit("cell").alias("unit_kind"),
        F.least("cell_a", "cell_b").alias("unit_a"),
        F.greatest("cell_a", "cell_b").alias("unit_b"),
        "kind",
        "score",
        F.when(swapped, -F.col("dx")).otherwise(F.col("dx")).alias("dx"),
        F.when(swapped, -F.col("dy")).otherwise(F.col("dy")).alias("dy"),
        "share",
        F.lit(METHOD_VERSION).alias("method_version"),
        F.lit("linked").alias("decision"),
    )
    # A pair that is equal to the last bit and lies on one spot is listed once, under the stronger finding.
    strongest = F.min_by(F.struct(*rows.columns), F.when(F.col("kind") == "exact", 0).otherwise(1)).alias("row")
    return rows.groupBy("unit_a", "unit_b").agg(strongest).select("row.*").select(*PAIR_COLUMNS)
