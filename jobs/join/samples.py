"""One row a cell with everything joined, from frames alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from jobs.join.groups import representatives
from jobs.lake import Lake, contract

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

BLOOD_COUNT = {"718-7": "hemoglobin", "6690-2": "leukocytes", "789-8": "erythrocytes", "777-3": "platelets"}
"""LOINC code to column of `curated.samples`."""


def consensus_of(votes: DataFrame) -> DataFrame:
    """The label that most examiners chose for each cell; each counts once, by the latest round; ties go by code."""
    from pyspark.sql import functions as F

    last = votes.groupBy("cell_id", "scan_id", "examiner_key").agg(
        F.max_by("label_code", F.struct("round", "annotation_id")).alias("label_code")
    )
    counted = last.groupBy("cell_id", "scan_id", "label_code").agg(F.count("*").alias("n"))
    best = F.min_by("label_code", F.struct(-F.col("n"), "label_code"))
    return counted.groupBy("cell_id", "scan_id").agg(
        F.lit("plurality").alias("method"),
        best.alias("label_code"),
        (F.max("n") / F.sum("n")).alias("support"),
        F.sum("n").cast("int").alias("votes"),
    )


def samples_of(lake: Lake, cells: DataFrame) -> DataFrame:
    """Rows of `curated.samples` for the cells."""
    from pyspark.sql import functions as F

    scans = lake.read("curated.scans").drop("stage_version", "settings_sha256")
    labels = lake.read("curated.consensus").where("method = 'plurality'").select("cell_id", "label_code", "support")
    votes = lake.read("curated.votes")
    voted = votes.groupBy("cell_id").agg(
        F.first("vocabulary").alias("vocabulary"),
        F.sort_array(F.collect_list(F.struct("examiner_key", "round", "label_code"))).alias("votes"),
    )
    sides = lake.read("curated.splits").where(F.col("scheme") == lake.settings.split.scheme)
    patients = lake.read("curated.patients").select("patient_key", "sex", "birth_year")
    rows = (
        cells.select("cell_id", "scan_id", "region_id", "center_x", "center_y")
        .join(labels, "cell_id")
        .join(voted, "cell_id")
        .join(scans, "scan_id")
        .join(sides.select("patient_key", "scheme", "side"), "patient_key")
        .join(patients, "patient_key", "left")
        .join(facts_of_specimens(lake), "specimen_id", "left")
        .join(represented(lake), "cell_id", "left")
        .withColumn("age_group", _age_group())
    )
    return rows.select(*[column.name for column in contract("curated.samples").own_columns])


def facts_of_specimens(lake: Lake) -> DataFrame:
    """One row a specimen: material, collected, the latest diagnosis and blood count up to then."""
    from pyspark.sql import functions as F

    specimens = lake.read("curated.specimens").select("specimen_id", "patient_key", "material", "collected")
    known = lake.read("curated.diagnoses").select("patient_key", "code", "onset")
    diagnosed = (
        specimens.join(known, "patient_key")
        .where(F.col("onset").isNull() | (F.col("onset") <= F.to_date("collected")))
        .groupBy("specimen_id")
        .agg(
            F.max_by("code", F.struct(F.coalesce("onset", F.lit("0001-01-01").cast("date")), "code")).alias("diagnosis")
        )
    )
    exact = F.col("value").isNotNull() & F.col("comparator").isNull()
    measured = lake.read("curated.measurements").where(F.col("code").isin(*BLOOD_COUNT) & exact)
    before = specimens.join(
        measured.select("patient_key", "code", "value", "taken", "measurement_id"), "patient_key"
    ).where(F.col("taken") <= F.col("collected"))
    order = F.struct("taken", "measurement_id")
    latest = [
        F.max_by(F.when(F.col("code") == code, F.col("value")), F.when(F.col("code") == code, order)).alias(name)
        for code, name in BLOOD_COUNT.items()
    ]
    days = F.datediff(F.first("collected"), F.max("taken")).alias("blood_count_days")
    counts = before.groupBy("specimen_id").agg(*latest, days)
    return specimens.drop("patient_key").join(diagnosed, "specimen_id", "left").join(counts, "specimen_id", "left")


def represented(lake: Lake) -> DataFrame:
    """cell_id and `duplicate_of`: of cells that are linked as the same, the first by key represents the others."""
    pairs: list[tuple[str, str]] = []
    if lake.version("curated.duplicates") is not None:
        rows = lake.glance("curated.duplicates").to_table(
            columns=["unit_a", "unit_b"], filter=pc.field("unit_kind") == "cell"
        )
        pairs = list(zip(rows["unit_a"].to_pylist(), rows["unit_b"].to_pylist(), strict=True))
    found = sorted(representatives(pairs).items())
    return lake.spark.createDataFrame(found, "cell_id string, duplicate_of string")


def _age_group() -> SparkColumn:
    """Decade of the age at sampling; 90 and over together, and so are those whose birth year is withheld for it."""
    from pyspark.sql import functions as F

    age = F.year("collected") - F.col("birth_year")
    decade = (F.floor(age / 10) * 10).cast("int")
    grouped = F.concat(F.lpad(decade.cast("string"), 2, "0"), F.lit("-"), F.lpad((decade + 9).cast("string"), 2, "0"))
    return F.when(age >= 90, "90+").when(age >= 0, grouped)
