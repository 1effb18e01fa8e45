"""Measure: tell the quality and the features of every cell and tile from its crop.

Example:
    $ hemalake measure --settings demo/hemalake.toml
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.accounting import Account
from jobs.frames import ddl, kept, mapped, parked, spread
from jobs.lake import EVERYTHING, Lake, Work, contract
from jobs.measure.crop import measure
from schemas.contract import Zone

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MEASURED = "unit_kind IN ('cell', 'tile')"
FEATURE_SCHEMA = ddl({column.name: column.type for column in contract("curated.features").own_columns})
_CROP_COLUMNS = (
    "unit_id",
    "unit_kind",
    "scan_id",
    "x",
    "y",
    "width",
    "height",
    "scale",
    "out_mpp_x",
    "out_mpp_y",
    "encoding",
)
_PIXELS = ("unit_id", "preset", "pixel_sha256")


def run(lake: Lake, work: Work) -> list[Account]:
    """Measure crops that are new or changed, and those of scans whose header changed; no other is decoded."""
    with kept(touched_scans(lake, work)) as scans, kept(wanted_crops(lake, work)) as wanted:
        found = mapped(dealt_out(with_pixels(lake, work, wanted)), FEATURE_SCHEMA, measure)
        with parked(lake, found, Zone.CURATED) as features:
            scope = EVERYTHING if work.rebuild else scans
            measured = lake.read("curated.crops").where(MEASURED).select("unit_id")
            keep = measured.join(wanted, "unit_id", "left_anti")
            lake.write(work, "curated.features", features, scope=scope, keep=keep)
        came = wanted.count()
        return [Account("crop", came, came, 0)]


def touched_scans(lake: Lake, work: Work) -> DataFrame:
    """scan_id of every scan with a crop or a header that changed."""
    names = ("curated.crops", "curated.scans")
    crops, scans = (lake.changes(name, work.last(name)).select("scan_id") for name in names)
    return crops.union(scans).distinct()


def wanted_crops(lake: Lake, work: Work) -> DataFrame:
    """unit_id, preset and pixel_sha256 of every crop that is to be measured."""
    crops = lake.read("curated.crops").where(MEASURED).select("scan_id", *_PIXELS)
    if work.rebuild:
        return crops.select(*_PIXELS)
    changed = lake.changes("curated.crops", work.last("curated.crops")).select("unit_id", "preset").distinct()
    headers = lake.changes("curated.scans", work.last("curated.scans")).select("scan_id").distinct()
    new = crops.join(changed, ["unit_id", "preset"], "left_semi")
    return new.unionByName(crops.join(headers, "scan_id", "left_semi")).select(*_PIXELS).distinct()


def with_pixels(lake: Lake, work: Work, wanted: DataFrame) -> DataFrame:
    """The wanted crops with their pixels, centre, and size and stain of their scans.

    Pixels of new crops come from the table's feed of changes, so that old files are not opened.
    """
    scans = lake.read("curated.scans").select("scan_id", "width_px", "height_px", "stain")
    centers = lake.read("curated.cells").selectExpr("cell_id AS unit_id", "center_x", "center_y")
    crops = lake.read("curated.crops")
    if work.rebuild:
        found = crops.where(MEASURED).select(*_CROP_COLUMNS, "image")
        return found.join(scans, "scan_id").join(centers, "unit_id", "left")
    feed = lake.changes("curated.crops", work.last("curated.crops")).select(*_PIXELS, "image")
    pixels = feed.join(wanted, list(_PIXELS), "left_semi").dropDuplicates(list(_PIXELS))
    old = wanted.join(pixels.drop("image"), list(_PIXELS), "left_anti")
    if not old.isEmpty():
        pixels = pixels.unionByName(crops.select(*_PIXELS, "image").join(old, list(_PIXELS), "left_semi"))
    facts = crops.select(*_CROP_COLUMNS, "preset", "pixel_sha256").join(wanted, list(_PIXELS), "left_semi")
    found = facts.join(pixels, list(_PIXELS)).select(*_CROP_COLUMNS, "image")
    return found.join(scans, "scan_id").join(centers, "unit_id", "left")


def dealt_out(crops: DataFrame) -> DataFrame:
    """The crops over at least as many partitions as there are cores; moved only where they lie in fewer."""
    cores = crops.sparkSession.sparkContext.defaultParallelism
    return crops if crops.rdd.getNumPartitions() >= cores else spread(crops)
