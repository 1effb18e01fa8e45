"""Examiners' shapes, joined to their scans and cleaned: one row a file of annotations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs.accounting import HELD_TYPE, held_row
from jobs.deidentify.annotations import clean_shape
from jobs.deidentify.scans import pseudonyms_of
from jobs.errors import BadInput
from jobs.frames import Row, ddl, mapped, rows_type, spread
from jobs.lake import Lake, Work
from jobs.pseudonyms import Pseudonyms
from jobs.vocabulary import Vocabulary, vocabularies
from schemas.reasons import Reason

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

Drawn = tuple[object, ...]
"""All that makes two shapes of a file the same."""

SHAPES_SCHEMA = ddl(
    {
        "source_key": "string",
        "annotations": rows_type("curated.annotations"),
        "held": f"array<{HELD_TYPE}>",
        "units": "array<string>",
        "came": "int",
    }
)


def cleaned(lake: Lake, work: Work, scans: DataFrame, images: DataFrame, withdrawn: DataFrame) -> DataFrame:
    """Clean the files of shapes that are new or changed, or that name a scan which is.

    Args:
        scans: the scans that this run cleaned or held back, with `scan_id`.
        images: every image file in use with its patient.
        withdrawn: patient_id of everyone whose consent says no.
    """
    from pyspark.sql import functions as F

    places = scan_places(lake, images, withdrawn)
    shapes = lake.read("restricted.shapes")
    changed = lake.changes("restricted.shapes", work.last("restricted.shapes")).select("path")
    moved = places.join(scans.select("scan_id"), "scan_id", "left_semi").select("source", "scan_name")
    touched = shapes.join(moved, ["source", "scan_name"], "left_semi").select("path")
    paths = changed.union(touched).distinct()
    located = shapes.join(paths, "path", "left_semi").join(places, ["source", "scan_name"], "left")
    row = F.struct(*[c for c in located.columns if c not in ("path", "source", "delivery")])
    files = located.groupBy("path", "source", "delivery").agg(F.sort_array(F.collect_list(row)).alias("shapes"))
    gone = paths.join(files, "path", "left_anti").select("path", *_none("source", "delivery"), _no_shapes(files))
    settings, known = lake.settings, vocabularies(lake.settings)

    def one_file(file: Row) -> Iterable[Row]:
        pseudonyms = pseudonyms_of(settings.key_path())
        return [clean_file(file, pseudonyms, known)]

    rows = files.unionByName(gone)
    return mapped(spread(rows), SHAPES_SCHEMA, one_file)


def scan_places(lake: Lake, images: DataFrame, withdrawn: DataFrame) -> DataFrame:
    """One row a scan as annotations name it: source, scan_name, scan_id, patient_id, withdrawn, width_px, height_px.

    Size is null where the scan was held back; then it counts as not arrived.
    """
    from pyspark.sql import functions as F

    named = (
        images.where(F.col("scan_name").isNotNull())
        .groupBy("source", "scan_name")
        .agg(F.first("scan_ref").alias("scan_ref"), F.first("patient_id", ignorenulls=True).alias("patient_id"))
    )
    flags = withdrawn.withColumn("withdrawn", F.lit(True))
    settings = lake.settings

    def keyed(row: Row) -> Iterable[Row]:
        return [row | {"scan_id": pseudonyms_of(settings.key_path()).key_for("scan", row.pop("scan_ref"))}]

    schema = "source string, scan_name string, patient_id string, withdrawn boolean, scan_id string"
    places = mapped(named.join(flags, "patient_id", "left"), schema, keyed)
    return places.join(lake.read("curated.scans").select("scan_id", "width_px", "height_px"), "scan_id", "left")


def clean_file(file: Row, pseudonyms: Pseudonyms, known: dict[str, Vocabulary]) -> Row:
    """All shapes of one file, cleaned or held back."""
    annotations, held = [], []
    seen: set[Drawn] = set()
    for shape in file["shapes"] or []:
        shape = {**shape, "path": file["path"], "source": file["source"]}
        try:
            row = _clean_one(shape, pseudonyms, known[file["source"]])
            _only_once(row, seen)
            annotations.append(row)
        except BadInput as problem:
            unit = f"{file['path']}#{shape['position']}"
            held.append(held_row("annotation", unit, file["source"], file["delivery"], problem.reason))
    return {
        "source_key": pseudonyms.key_for("file", file["path"]),
        "annotations": annotations,
        "held": held,
        "units": [f"{file['path']}#{shape['position']}" for shape in file["shapes"] or []],
        "came": len(file["shapes"] or []),
    }


def _clean_one(shape: Row, pseudonyms: Pseudonyms, vocabulary: Vocabulary) -> Row:
    if shape["withdrawn"]:
        raise BadInput(Reason.CONSENT_WITHDRAWN)
    if shape["width_px"] is None:
        raise BadInput(Reason.SCAN_MISSING)
    return clean_shape(shape, pseudonyms, vocabulary)


def _only_once(row: Row, seen: set[Drawn]) -> None:
    """Refuse a shape that stands before in its file; the same one in another round or by another person is a vote."""
    names = ("scan_id", "geometry_type", "label_code", "examiner_key", "round")
    drawn = (*(row[name] for name in names), tuple(row["coordinates"]))
    if drawn in seen:
        raise BadInput(Reason.DUPLICATE_SHAPE)
    seen.add(drawn)


def _none(*names: str) -> list[SparkColumn]:
    from pyspark.sql import functions as F

    return [F.lit(None).cast("string").alias(name) for name in names]


def _no_shapes(files: DataFrame) -> SparkColumn:
    from pyspark.sql import functions as F

    return F.lit(None).cast(files.schema["shapes"].dataType).alias("shapes")
