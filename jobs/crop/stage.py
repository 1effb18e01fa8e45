"""Crop: find the cells that annotations mean, and cut each out of its scan.

Example:
    $ hemalake crop --settings demo/hemalake.toml
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.accounting import Account, hold
from jobs.crop.cells import Box, Cell, Mark, Rule, group
from jobs.crop.cut import CROPS, FINGERPRINTS
from jobs.crop.ranges import CROP_KEY, cut, missing_units, units_of, wanted_crops
from jobs.frames import Row, ddl, exploded, in_pieces, kept, mapped, parked, rows_type, spread, tally
from jobs.lake import EVERYTHING, Lake, Work
from jobs.parts import Parts, parts_of
from schemas.contract import Zone
from schemas.reasons import Reason

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

GROUPED_SCHEMA = ddl({"scan_id": "string", "cells": rows_type("curated.cells"), "votes": rows_type("curated.votes")})


def run(lake: Lake, work: Work) -> list[Account]:
    """Group and cut what changed since the last run; pixels that were cut before are not decoded again."""
    with (
        kept(changed_scans(lake, work)) as changed,
        parked(lake, grouped(lake, changed), Zone.CURATED) as found,
        parts_of(lake, work, CROPS, FINGERPRINTS) as parts,
    ):
        units = units_of(lake, changed, exploded(found, "cells"))
        wanted = wanted_crops(lake, units)
        there = parts.names()
        missing = missing_units(lake, work, wanted, parts.read(lake, CROPS, there))
        with (
            kept(units.join(missing, "unit_id", "left_semi")) as to_cut,
            parked(lake, cut(lake, to_cut, parts), Zone.CURATED) as outcome,
        ):
            names = sorted({*there, *(row.part for row in outcome.select("part").collect())} - {""})
            return _write(lake, work, Cut(changed, found, wanted, parts, names, exploded(outcome, "failed")))


@dataclass(frozen=True)
class Cut:
    """What is to be written once all is cut."""

    changed: DataFrame
    found: DataFrame
    """Cells and votes of each changed scan."""
    wanted: DataFrame
    parts: Parts
    names: list[str]
    """The parts that hold the crops."""
    failed: DataFrame
    """The crops that could not be cut."""


def _write(lake: Lake, work: Work, done: Cut) -> list[Account]:
    """Commit cells with their crops; what marks a cell that could not be cut is held back with it."""
    from pyspark.sql import functions as F

    scope = EVERYTHING if work.rebuild else done.changed
    lost = done.failed.where("unit_kind = 'cell'").select(F.col("unit_id").alias("cell_id"), "reason")
    cells, votes = exploded(done.found, "cells"), exploded(done.found, "votes")
    keep = done.wanted.join(done.failed, CROP_KEY, "left_anti").select(*CROP_KEY)
    tiles = lake.read(CROPS).where("unit_kind = 'tile'").select(*CROP_KEY)
    marks, shown = votes.select("annotation_id"), done.wanted.select(crop_id())
    held = held_back(votes.join(lost, "cell_id"), done.failed)

    def write_made(table: str, stays: DataFrame) -> None:
        rows, files = done.parts.read(lake, table, done.names), done.parts.files(table, done.names)
        lake.write(work, table, rows, scope=scope, keep=stays, files=files)

    lake.side_by_side(
        lambda: lake.write(work, "curated.cells", cells.join(lost, "cell_id", "left_anti"), scope=scope),
        lambda: write_made(FINGERPRINTS, keep),
        lambda: write_made(CROPS, keep.union(tiles)),
        lambda: hold(lake, work, considered("annotation", marks).union(considered("crop", shown)), held),
    )
    lake.write(work, "curated.votes", votes.join(lost, "cell_id", "left_anti"), scope=scope)
    count = tally(
        came=lake.read("curated.annotations").join(done.changed, "scan_id", "left_semi"),
        passed=votes.join(lost, "cell_id", "left_anti"),
        held=held.where("unit_kind = 'annotation'"),
        wanted=done.wanted,
        cut=keep,
        not_cut=held.where("unit_kind = 'crop'"),
    )
    return [
        Account("annotation", count["came"], count["passed"], count["held"]),
        Account("crop", count["wanted"], count["cut"], count["not_cut"]),
    ]


def crop_id() -> Column:
    """What a crop is called in quarantine."""
    from pyspark.sql import functions as F

    return F.concat_ws("/", "unit_id", "preset")


def considered(kind: str, units: DataFrame) -> DataFrame:
    """unit_kind and unit_id of what the stage looked at."""
    from pyspark.sql import functions as F

    return units.select(F.lit(kind).alias("unit_kind"), F.col(units.columns[0]).alias("unit_id"))


def held_back(votes: DataFrame, failed: DataFrame) -> DataFrame:
    """Crops that could not be cut, and the annotations of cells that are not there without theirs.

    Args:
        votes: annotation_id and reason.
        failed: rows of `RANGE_SCHEMA`.
    """
    from pyspark.sql import functions as F

    crops = failed.select(F.lit("crop").alias("unit_kind"), crop_id().alias("unit_id"), "reason")
    marks = votes.select(F.lit("annotation").alias("unit_kind"), F.col("annotation_id").alias("unit_id"), "reason")
    sentence = F.create_map(*[F.lit(text) for reason in Reason for text in (reason.value, reason.sentence)])
    nowhere = F.lit("")
    return crops.union(marks).select(
        "unit_kind",
        "unit_id",
        nowhere.alias("source"),
        nowhere.alias("delivery"),
        "reason",
        sentence[F.col("reason")].alias("sentence"),
        F.col("unit_id").alias("place"),
    )


def changed_scans(lake: Lake, work: Work) -> DataFrame:
    """scan_id of every scan whose file, regions or annotations changed."""
    changes = [lake.changes(name, work.last(name)).select("scan_id") for name in work.stage.reads]
    return changes[0].union(changes[1]).union(changes[2]).distinct()


def grouped(lake: Lake, changed: DataFrame) -> DataFrame:
    """The cells and votes of each changed scan, as all of its annotations give them."""
    from pyspark.sql import functions as F

    def listed(name: str, *columns: str) -> DataFrame:
        rows = lake.read(f"curated.{name}").join(changed, "scan_id", "left_semi")
        return rows.groupBy("scan_id").agg(F.collect_list(F.struct(*columns)).alias(name))

    crop = lake.settings.crop
    rule = Rule(crop.same_cell_distance, crop.same_cell_iou)
    marks = (
        "annotation_id",
        "center_x",
        "center_y",
        "examiner_key",
        "round",
        "label_code",
        "vocabulary",
        "annotated_at",
        *(("coordinates",) if rule.iou else ()),
    )
    regions = (
        lake.read("curated.regions").where("name IS NULL").groupBy("scan_id").agg(F.min("region_id").alias("region_id"))
    )
    rows = (
        regions.join(listed("annotations", *marks), "scan_id")
        .join(listed("cells", "cell_id", "center_x", "center_y"), "scan_id", "left")
        .join(listed("votes", "annotation_id", "cell_id"), "scan_id", "left")
    )

    def one_scan(row: Row) -> Iterable[Row]:
        return in_pieces(group_scan(row, rule))

    return mapped(spread(rows), GROUPED_SCHEMA, one_scan)


def group_scan(row: Row, rule: Rule) -> Row:
    """Cells and votes of one scan, as rows of their tables.

    Args:
        row: scan_id, region_id, annotations, and the cells and votes that the scan has already (or None).
        rule: when two shapes are one cell.
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
            _box(mark.get("coordinates") or []),
        )
        for mark in drawn.values()
    ]
    known = [Cell(cell["cell_id"], cell["center_x"], cell["center_y"]) for cell in row["cells"] or []]
    voted = {vote["annotation_id"]: vote["cell_id"] for vote in row["votes"] or []}
    cells = group(marks, known, voted, rule)
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


def _box(coordinates: Sequence[float]) -> Box | None:
    """The bounding box of a shape, None for a point."""
    x, y = coordinates[::2], coordinates[1::2]
    return (min(x), min(y), max(x), max(y)) if len(x) > 1 else None
