"""Crop: find the cells that annotations mean, and cut each out of its scan.

Example:
    $ hemalake crop --settings demo/hemalake.toml
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs.accounting import Account
from jobs.crop.cells import Cell, Mark, group
from jobs.crop.cut import CUT_SCHEMA, OVERVIEW, Cutter, preset
from jobs.frames import Row, ddl, exploded, kept, mapped, parked, rows_type, spread
from jobs.lake import EVERYTHING, Lake, Work
from schemas.contract import Zone

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

GROUPED_SCHEMA = ddl({"scan_id": "string", "cells": rows_type("curated.cells"), "votes": rows_type("curated.votes")})


def run(lake: Lake, work: Work) -> list[Account]:
    """Group and cut what changed since the last run; pixels that were cut before are not decoded again."""
    with kept(changed_scans(lake, work)) as changed, parked(lake, grouped(lake, changed), Zone.CURATED) as found:
        scope = EVERYTHING if work.rebuild else changed
        cells, votes = exploded(found, "cells"), exploded(found, "votes")
        wanted = wanted_units(lake, changed, cells)
        lake.write(work, "curated.cells", cells, scope=scope, staged=True)
        with parked(lake, cut(lake, missing_units(lake, work, wanted), cells), Zone.CURATED) as crops:
            tiles = lake.read("curated.crops").where("unit_kind = 'tile'")
            keep = wanted.select("unit_id", "preset").union(tiles.select("unit_id", "preset"))
            lake.write(work, "curated.crops", crops, scope=scope, keep=keep, staged=True)
        lake.write(work, "curated.votes", votes, scope=scope, staged=True)
        came = lake.read("curated.annotations").join(changed, "scan_id", "left_semi").count()
        return [Account("annotation", came, votes.count(), 0)]


def changed_scans(lake: Lake, work: Work) -> DataFrame:
    """scan_id of every scan whose file, regions or annotations changed."""
    changes = [lake.changes(name, work.last(name)).select("scan_id") for name in work.stage.reads]
    return changes[0].union(changes[1]).union(changes[2]).distinct()


def grouped(lake: Lake, changed: DataFrame) -> DataFrame:
    """One row a changed scan: its cells and votes, as all of its annotations give them."""
    from pyspark.sql import functions as F

    def listed(name: str, *columns: str) -> DataFrame:
        rows = lake.read(f"curated.{name}").join(changed, "scan_id", "left_semi")
        return rows.groupBy("scan_id").agg(F.collect_list(F.struct(*columns)).alias(name))

    marks = (
        "annotation_id",
        "center_x",
        "center_y",
        "examiner_key",
        "round",
        "label_code",
        "vocabulary",
        "annotated_at",
    )
    regions = (
        lake.read("curated.regions").where("name IS NULL").groupBy("scan_id").agg(F.min("region_id").alias("region_id"))
    )
    rows = (
        regions.join(listed("annotations", *marks), "scan_id")
        .join(listed("cells", "cell_id", "center_x", "center_y"), "scan_id", "left")
        .join(listed("votes", "annotation_id", "cell_id"), "scan_id", "left")
    )
    distance = lake.settings.crop.same_cell_distance

    def one_scan(row: Row) -> Iterable[Row]:
        return [group_scan(row, distance)]

    return mapped(spread(rows), GROUPED_SCHEMA, one_scan)


def group_scan(row: Row, distance: float) -> Row:
    """Cells and votes of one scan, as rows of their tables.

    Args:
        row: scan_id, region_id, annotations, and the cells and votes that the scan has already (or None).
        distance: how far apart, in pixels, centres of one cell may lie.
    """
    drawn = {mark["annotation_id"]: mark for mark in row["annotations"]}
    marks = [
        Mark(
            mark["annotation_id"],
            mark["center_x"],
            mark["center_y"],
            mark["examiner_key"],
            mark["round"],
            mark["annotated_at"].timestamp() if mark["annotated_at"] else 0.0,
        )
        for mark in drawn.values()
    ]
    known = [Cell(cell["cell_id"], cell["center_x"], cell["center_y"]) for cell in row["cells"] or []]
    voted = {vote["annotation_id"]: vote["cell_id"] for vote in row["votes"] or []}
    cells = group(marks, known, voted, distance)
    place = {"scan_id": row["scan_id"]}
    return {
        **place,
        "cells": [
            {**place, "cell_id": cell.cell_id, "region_id": row["region_id"], "center_x": cell.x, "center_y": cell.y}
            | {"sampling": "annotated"}
            for cell in cells
        ],
        "votes": [
            {
                **place,
                "cell_id": cell.cell_id,
                "annotation_id": mark.annotation_id,
                "examiner_key": mark.examiner_key,
                "round": mark.round,
                "label_code": drawn[mark.annotation_id]["label_code"],
                "vocabulary": drawn[mark.annotation_id]["vocabulary"],
                "distance": cell.distance(mark),
            }
            for cell in cells
            for mark in cell.marks
        ],
    }


def wanted_units(lake: Lake, changed: DataFrame, cells: DataFrame) -> DataFrame:
    """scan_id, unit_id, preset of every crop that the changed scans should have."""
    from pyspark.sql import functions as F

    regions = lake.read("curated.regions").where("name IS NULL").join(changed, "scan_id", "left_semi")
    whole = regions.select("scan_id", F.col("region_id").alias("unit_id"), F.lit(OVERVIEW).alias("preset"))
    single = cells.select("scan_id", F.col("cell_id").alias("unit_id"), F.lit(preset(lake.settings)).alias("preset"))
    return whole.unionByName(single)


def missing_units(lake: Lake, work: Work, wanted: DataFrame) -> DataFrame:
    """Those of the wanted crops that are not there, or whose scan has other files than when they were cut."""
    if work.rebuild:
        return wanted
    replaced = lake.changes("curated.scans", work.last("curated.scans")).select("scan_id").distinct()
    there = lake.read("curated.crops").join(replaced, "scan_id", "left_anti").select("unit_id", "preset")
    return wanted.join(there, ["unit_id", "preset"], "left_anti")


def cut(lake: Lake, missing: DataFrame, cells: DataFrame) -> DataFrame:
    """The missing crops, cut scan by scan."""
    from pyspark.sql import functions as F

    single = missing.join(cells.select(F.col("cell_id").alias("unit_id"), "center_x", "center_y"), "unit_id")
    centers = single.groupBy("scan_id").agg(
        F.sort_array(
            F.collect_list(
                F.struct(F.col("unit_id").alias("cell_id"), F.col("center_x").alias("x"), F.col("center_y").alias("y"))
            )
        ).alias("cells")
    )
    whole = missing.where(F.col("preset") == OVERVIEW)
    regions = whole.groupBy("scan_id").agg(
        F.sort_array(F.collect_list(F.struct(F.col("unit_id").alias("region_id")))).alias("regions")
    )
    scans = lake.read("curated.scans").select("scan_id", "uri", "mpp_x", "mpp_y")
    rows = centers.join(regions, "scan_id", "full_outer").join(scans, "scan_id")
    return mapped(spread(rows, 4), CUT_SCHEMA, Cutter(lake.store, lake.settings))
