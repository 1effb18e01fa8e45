"""Which crops are missing, and how they are dealt out: in ranges of equal size, whatever scans they are from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.crop.cut import RANGE_SCHEMA, Cutter
from jobs.crop.presets import OVERVIEW, presets
from jobs.frames import mapped
from jobs.lake import Lake, Work
from jobs.parts import Parts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CROP_KEY = ["unit_id", "preset"]
RANGES_A_CORE, RANGE_LEAST, RANGE_MOST = 8, 64, 1024
"""Units of one range: few enough that all cores end together, enough that neighbouring crops share their tiles."""


def units_of(lake: Lake, changed: DataFrame, cells: DataFrame) -> DataFrame:
    """scan_id, unit_id, unit_kind, x, y of every region and cell of the changed scans; regions have no place."""
    from pyspark.sql import functions as F

    regions = lake.read("curated.regions").where("name IS NULL").join(changed, "scan_id", "left_semi")
    nowhere = F.lit(None).cast("double")
    whole = regions.select(
        "scan_id",
        F.col("region_id").alias("unit_id"),
        F.lit("region").alias("unit_kind"),
        nowhere.alias("x"),
        nowhere.alias("y"),
    )
    single = cells.select(
        "scan_id",
        F.col("cell_id").alias("unit_id"),
        F.lit("cell").alias("unit_kind"),
        F.col("center_x").alias("x"),
        F.col("center_y").alias("y"),
    )
    return whole.unionByName(single)


def wanted_crops(lake: Lake, units: DataFrame) -> DataFrame:
    """scan_id, unit_id, preset of every crop that the units should have."""
    from pyspark.sql import functions as F

    of_cells = F.array(*[F.lit(preset.name) for preset in presets(lake.settings.crop)])
    names = F.when(F.col("unit_kind") == "cell", of_cells).otherwise(F.array(F.lit(OVERVIEW)))
    return units.select("scan_id", "unit_id", F.explode(names).alias("preset"))


def missing_units(lake: Lake, work: Work, wanted: DataFrame, cut_before: DataFrame) -> DataFrame:
    """unit_id of those that lack a crop, or whose scan has other files than when they were cut.

    Args:
        cut_before: crops that a run which was killed has left.
    """
    there = cut_before.select(*CROP_KEY)
    if not work.rebuild:
        replaced = lake.changes("curated.scans", work.last("curated.scans")).select("scan_id").distinct()
        crops = lake.read("curated.crops").join(replaced, "scan_id", "left_anti")
        there = there.union(crops.select(*CROP_KEY))
    return wanted.join(there, CROP_KEY, "left_anti").select("unit_id").distinct()


def cut(lake: Lake, units: DataFrame, parts: Parts) -> DataFrame:
    """What became of each range of units, as rows of `RANGE_SCHEMA`; their crops lie in the parts."""
    count = units.count()
    cores = lake.spark.sparkContext.defaultParallelism
    size = min(RANGE_MOST, max(RANGE_LEAST, -(-count // (RANGES_A_CORE * cores))))
    parted = ranges(units, lake.read("curated.scans"), size)
    # A range a task: dealt out in turn, some tasks would have two and others none.
    parted = parted.repartitionById(max(1, -(-count // size)), parted["range"].cast("int"))
    return mapped(parted, RANGE_SCHEMA, Cutter(lake.store, lake.settings, parts))


def ranges(units: DataFrame, scans: DataFrame, size: int) -> DataFrame:
    """Units in ranges of one size, whatever scans they are in: a large scan is many ranges, small ones share one.

    Within a scan a range is a band from edge to edge, so that few tiles are decoded for two ranges.

    Returns:
        range, and scans, each with scan_id, uri, mpp_x, mpp_y and its units.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    before = Window.orderBy("scan_id").rowsBetween(Window.unboundedPreceding, -1)
    starts = units.groupBy("scan_id").count()
    starts = starts.select("scan_id", F.coalesce(F.sum("count").over(before), F.lit(0)).alias("start"))
    within = F.row_number().over(Window.partitionBy("scan_id").orderBy("y", "x", "unit_id")) - 1
    placed = units.join(starts, "scan_id").withColumn("range", F.floor((F.col("start") + within) / size))
    unit = F.struct("unit_id", "unit_kind", "x", "y")
    of_scans = placed.groupBy("range", "scan_id").agg(F.sort_array(F.collect_list(unit)).alias("units"))
    scan = F.struct("scan_id", "uri", "mpp_x", "mpp_y", "units")
    return of_scans.join(scans, "scan_id").groupBy("range").agg(F.sort_array(F.collect_list(scan)).alias("scans"))
