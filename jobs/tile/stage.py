"""Tile: cut the tissue of H&E sections into tiles of a stated size of pixel.

Example:
    $ hemalake tile --settings demo/hemalake.toml
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.accounting import Account, hold
from jobs.frames import exploded, kept, mapped, parked, spread, tally
from jobs.lake import EVERYTHING, Lake, Work, contract
from jobs.tile.cut import CUT_SCHEMA, PLAN_SCHEMA, Cutter, Planner, preset
from schemas.contract import Zone
from schemas.reasons import Reason

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

RANGE = 64
"""Tiles that one task cuts from a slide: enough that neighbours share what they decode."""
CROP_KEY = ("unit_id", "preset")


def run(lake: Lake, work: Work) -> list[Account]:
    """Plan and cut the tiles of slides that are new or changed; no other slide is opened."""
    if not lake.settings.tiles.size and lake.version("curated.tiles") is None:
        return []
    with (
        kept(changed_scans(lake, work)) as changed,
        parked(lake, planned(lake, changed), Zone.CURATED) as plan,
        parked(lake, cut(lake, exploded(plan, "tiles")), Zone.CURATED) as found,
    ):
        scope = EVERYTHING if work.rebuild else changed
        own = [column.name for column in contract("curated.crops").own_columns]
        crops = found.where("reason IS NULL").select(*own)
        others = lake.read("curated.crops").where("unit_kind <> 'tile'").select(*CROP_KEY)
        lake.write(work, "curated.crops", crops, scope=scope, keep=others)
        held = held_back(lake, plan, found)
        considered = exploded(plan, "tiles").selectExpr("tile_id AS unit_id")
        considered = considered.union(plan.select("scan_id")).selectExpr("'crop' AS unit_kind", "unit_id")
        hold(lake, work, considered, held)
        cut_out = crops.selectExpr("unit_id AS tile_id")
        tiles = exploded(plan, "tiles").join(cut_out, "tile_id", "left_semi")
        lake.write(work, "curated.tiles", tiles, scope=scope)
        return _accounts(plan, found)


def changed_scans(lake: Lake, work: Work) -> DataFrame:
    """scan_id of every scan whose header or regions changed."""
    scans, regions = (lake.changes(name, work.last(name)).select("scan_id") for name in work.stage.reads)
    return scans.union(regions).distinct()


def planned(lake: Lake, changed: DataFrame) -> DataFrame:
    """The tiles of each changed slide of a wanted stain, as rows of `PLAN_SCHEMA`; none where tiles are turned off."""
    from pyspark.sql import functions as F

    tiles = lake.settings.tiles
    wanted = (F.col("kind") == "slide") & F.col("stain").isin(list(tiles.stains)) & F.lit(tiles.size > 0)
    slides = lake.read("curated.scans").where(wanted).join(changed, "scan_id", "left_semi")
    region = F.struct("region_id", "name", "polygon")
    regions = lake.read("curated.regions").groupBy("scan_id").agg(F.collect_list(region).alias("regions"))
    rows = slides.select("scan_id", "uri", "mpp_x", "mpp_y").join(regions, "scan_id")
    return mapped(spread(rows, 4), PLAN_SCHEMA, Planner(lake.store, lake.settings))


def cut(lake: Lake, tiles: DataFrame) -> DataFrame:
    """The tiles' crops as rows of `CUT_SCHEMA`, in ranges, so that a large slide is many tasks."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    order = Window.partitionBy("scan_id").orderBy("y", "x")
    ranges = tiles.withColumn("range", F.floor((F.row_number().over(order) - 1) / RANGE))
    listed = F.sort_array(F.collect_list(F.struct("y", "x", "side", "tile_id"))).alias("tiles")
    scans = lake.read("curated.scans").select("scan_id", "uri", "mpp_x", "mpp_y")
    rows = ranges.groupBy("scan_id", "range").agg(listed).join(scans, "scan_id")
    return mapped(spread(rows, 4), CUT_SCHEMA, Cutter(lake.store, lake.settings))


def held_back(lake: Lake, plan: DataFrame, found: DataFrame) -> DataFrame:
    """Slides that could not be looked at and tiles that could not be cut, with the columns of `HELD`."""
    from pyspark.sql import functions as F

    sentence = F.create_map(*[F.lit(text) for reason in Reason for text in (reason.value, reason.sentence)])
    slides = plan.select(F.col("scan_id").alias("unit_id"), "reason")
    failed = slides.union(found.select("unit_id", "reason")).where("reason IS NOT NULL")
    return failed.select(
        F.lit("crop").alias("unit_kind"),
        "unit_id",
        F.lit("").alias("source"),
        F.lit("").alias("delivery"),
        "reason",
        sentence[F.col("reason")].alias("sentence"),
        F.concat_ws("/", "unit_id", F.lit(preset(lake.settings.tiles))).alias("place"),
    )


def _accounts(plan: DataFrame, found: DataFrame) -> list[Account]:
    failed = "reason IS NOT NULL"
    count = tally(slides=plan, unseen=plan.where(failed), tiles=found, uncut=found.where(failed))
    return [
        Account("slide", count["slides"], count["slides"] - count["unseen"], count["unseen"]),
        Account("tile", count["tiles"], count["tiles"] - count["uncut"], count["uncut"]),
    ]
