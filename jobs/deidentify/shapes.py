"""Examiners' shapes, joined to their scans and cleaned: row by row, for a file may hold a million."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.accounting import HELD_TYPE, held_row
from jobs.annotations.names import nearest
from jobs.deidentify.annotations import clean_shape
from jobs.deidentify.scans import pseudonyms_of
from jobs.errors import BadInput
from jobs.frames import Row, ddl, mapped, row_type
from jobs.lake import Lake, Work
from jobs.pseudonyms import Pseudonyms
from jobs.vocabulary import Vocabulary, vocabularies
from schemas.reasons import Reason

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SHAPES_SCHEMA = ddl({
    "source_key": "string",
    "annotation": row_type("curated.annotations"),
    "held": HELD_TYPE,
    "unit": "string",
})  # fmt: skip
"""A shape, which is an annotation or held back; of a file that has none any more, the key alone."""
PLACE = ("scan_path", "scan_id", "patient_id", "withdrawn", "width_px", "height_px")
"""What is known of a scan to which shapes may belong."""


def cleaned(lake: Lake, work: Work, scans: DataFrame, images: DataFrame, withdrawn: DataFrame) -> DataFrame:
    """Clean the files of shapes that are new or changed, or that name a scan which is.

    Args:
        scans: the scans that this run cleaned or held back, with `scan_id`.
        images: every image file in use with its patient.
        withdrawn: patient_id of everyone whose consent says no.
    """

    places = scan_places(lake, images, withdrawn)
    shapes = lake.read("restricted.shapes")
    changed = lake.changes("restricted.shapes", work.last("restricted.shapes")).select("path")
    moved = places.join(scans.select("scan_id"), "scan_id", "left_semi").select("source", "scan_name")
    touched = shapes.join(moved, ["source", "scan_name"], "left_semi").select("path")
    paths = changed.union(touched).distinct()
    located = shapes.join(paths, "path", "left_semi").join(by_name(places), ["source", "scan_name"], "left")
    gone = paths.join(located, "path", "left_anti")
    rows = located.unionByName(gone, allowMissingColumns=True)
    count = 2 * lake.spark.sparkContext.defaultParallelism
    by_file = rows.repartition(count, "path").sortWithinPartitions("path", "position")
    return mapped(by_file, SHAPES_SCHEMA, ShapeCleaner(lake.settings.key_path(), vocabularies(lake.settings)))


def scan_places(lake: Lake, images: DataFrame, withdrawn: DataFrame) -> DataFrame:
    """One row a scan with the name by which annotations call it: source, scan_name, and the fields of `PLACE`.

    Size is null where the scan was held back; then it counts as not arrived.
    """
    from pyspark.sql import functions as F

    named = (
        images.where(F.col("scan_name").isNotNull())
        .groupBy("source", "scan_name", "scan_ref")
        .agg(F.min("path").alias("scan_path"), F.first("patient_id", ignorenulls=True).alias("patient_id"))
    )
    flags = withdrawn.withColumn("withdrawn", F.lit(True))
    settings = lake.settings

    def keyed(row: Row) -> Iterable[Row]:
        return [row | {"scan_id": pseudonyms_of(settings.key_path()).key_for("scan", row.pop("scan_ref"))}]

    schema = "source string, scan_name string, scan_path string, patient_id string, withdrawn boolean, scan_id string"
    places = mapped(named.join(flags, "patient_id", "left"), schema, keyed)
    return places.join(lake.read("curated.scans").select("scan_id", "width_px", "height_px"), "scan_id", "left")


def by_name(places: DataFrame) -> DataFrame:
    """source, scan_name, and all `places` of that name: two folders may hold scans of one name."""
    from pyspark.sql import functions as F

    return places.groupBy("source", "scan_name").agg(F.collect_list(F.struct(*PLACE)).alias("places"))


@dataclass
class ShapeCleaner:
    """Cleans shapes or holds them back; those of one file come one after another."""

    key_path: Path
    known: dict[str, Vocabulary]
    _path: str = ""
    _seen: set[bytes] = field(default_factory=set)
    """Digests of this file's shapes so far: a million polygons would fill gigabytes."""

    def __call__(self, shape: Row) -> Iterable[Row]:
        """One row of `SHAPES_SCHEMA`."""
        pseudonyms, path = pseudonyms_of(self.key_path), shape["path"]
        if path != self._path:
            self._path, self._seen = path, set()
        found: Row = {"source_key": pseudonyms.key_for("file", path)}
        if shape["position"] is not None:
            unit = found["unit"] = f"{path}#{shape['position']}"
            try:
                found["annotation"] = _clean_one(shape, pseudonyms, self.known[shape["source"]])
                _only_once(found["annotation"], self._seen)
            except BadInput as problem:
                found["annotation"] = None
                found["held"] = held_row("annotation", unit, shape["source"], shape["delivery"], problem.reason)
        return [found]


def _clean_one(shape: Row, pseudonyms: Pseudonyms, vocabulary: Vocabulary) -> Row:
    place = _place(shape)
    if place["withdrawn"]:
        raise BadInput(Reason.CONSENT_WITHDRAWN)
    if place["width_px"] is None:
        raise BadInput(Reason.SCAN_MISSING)
    return clean_shape(shape | place, pseudonyms, vocabulary)


def _place(shape: Row) -> Row:
    """The scan that a shape means."""
    places: list[Row] = shape["places"] or []
    if not places:
        raise BadInput(Reason.SCAN_MISSING)
    if len(places) == 1:
        return places[0]
    found = nearest([place["scan_path"] for place in places], shape["image"] or "", shape["path"])
    if len(found) > 1:
        raise BadInput(Reason.SCAN_AMBIGUOUS)
    return places[found[0]]


def _only_once(row: Row, seen: set[bytes]) -> None:
    """Refuse a shape that stands before in its file; the same one in another round or by another person is a vote."""
    names = ("scan_id", "geometry_type", "label_code", "examiner_key", "round")
    coordinates = [value + 0.0 for value in row["coordinates"]]  # -0.0 is the same place as 0.0
    said = repr((*(row[name] for name in names), coordinates))
    drawn = hashlib.blake2b(said.encode(), digest_size=16).digest()
    if drawn in seen:
        raise BadInput(Reason.DUPLICATE_SHAPE)
    seen.add(drawn)
