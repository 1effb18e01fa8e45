"""Join: give each cell its label, specimen, diagnosis, blood count and side of the split.

Example:
    $ hemalake join --settings demo/hemalake.toml
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs.accounting import Account
from jobs.frames import Row, kept, mapped
from jobs.join.samples import consensus_of, represented, samples_of
from jobs.join.splits import assign
from jobs.lake import EVERYTHING, Lake, Work
from jobs.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BY_PATIENT = ("patients", "specimens", "diagnoses", "measurements")


def run(lake: Lake, work: Work) -> list[Account]:
    """Join anew the cells of every scan that a change touches."""
    with kept(affected_scans(lake, work)) as affected:
        scope = EVERYTHING if work.rebuild else affected
        write_splits(lake, work)
        votes = lake.read("curated.votes").join(affected, "scan_id", "left_semi")
        lake.write(work, "curated.consensus", consensus_of(votes), scope=scope)
        cells = lake.read("curated.cells").join(affected, "scan_id", "left_semi")
        lake.write(work, "curated.samples", samples_of(lake, cells), scope=scope)
        passed = lake.read("curated.samples").join(affected, "scan_id", "left_semi").count()
        return [Account("cell", cells.count(), passed, 0)]


def affected_scans(lake: Lake, work: Work) -> DataFrame:
    """scan_id of every scan of which votes, cells, facts or patient changed, or a cell is represented by another."""
    from pyspark.sql import functions as F

    scans = lake.read("curated.scans").select("scan_id", "patient_key")
    found = lake.changes("curated.scans", work.last("curated.scans")).select("scan_id")
    for name in ("curated.votes", "curated.cells"):
        found = found.union(lake.changes(name, work.last(name)).select("scan_id"))
    for table in BY_PATIENT:
        changed = lake.changes(f"curated.{table}", work.last(f"curated.{table}")).select("patient_key")
        found = found.union(scans.join(changed, "patient_key", "left_semi").select("scan_id"))
    said = lake.read("curated.samples").select("scan_id", "cell_id", F.col("duplicate_of").alias("before"))
    other = said.join(represented(lake), "cell_id", "left").where(~F.col("before").eqNullSafe(F.col("duplicate_of")))
    return found.union(other.select("scan_id")).distinct()


def write_splits(lake: Lake, work: Work) -> None:
    """Assign new patients to a side, and show the sides under their pseudonyms."""
    from pyspark.sql import functions as F

    split = lake.settings.split
    keys = patient_keys(lake)
    in_use = lake.read("curated.scans").join(lake.read("curated.cells"), "scan_id", "left_semi").select("patient_key")
    patient_of = {row.patient_key: row.patient_id for row in keys.join(in_use, "patient_key", "left_semi").collect()}
    stored = lake.read("restricted.assignments").where(F.col("scheme") == split.scheme)
    assigned = {row.patient_id: row.side for row in stored.collect()}
    linked = [(patient_of[a], patient_of[b]) for a, b in linked_patients(lake) if a in patient_of and b in patient_of]
    new = assign(patient_of.values(), assigned, linked, split)
    schema = "patient_id string, scheme string, side string"
    rows = [(patient, split.scheme, side) for patient, side in sorted(new.items())]
    lake.write(work, "restricted.assignments", lake.spark.createDataFrame(rows, schema))
    assignments = lake.read("restricted.assignments").join(keys, "patient_id")
    shown = assignments.join(in_use, "patient_key", "left_semi").select("patient_key", "scheme", "side")
    lake.write(work, "curated.splits", shown, scope=EVERYTHING)


def patient_keys(lake: Lake) -> DataFrame:
    """patient_id and patient_key of everyone."""
    key = lake.settings.key_path()

    def keyed(row: Row) -> Iterable[Row]:
        return [row | {"patient_key": Pseudonyms.from_file(key).key_for("patient", row["patient_id"])}]

    patients = lake.read("restricted.identities").select("patient_id").distinct()
    return mapped(patients, "patient_id string, patient_key string", keyed)


def linked_patients(lake: Lake) -> list[tuple[str, str]]:
    """Pairs of patient_key of whom scans or cells are duplicates of each other."""
    from pyspark.sql import functions as F

    scans = lake.read("curated.scans").select("scan_id", "patient_key")
    cells = lake.read("curated.cells").join(scans, "scan_id").select(F.col("cell_id").alias("unit"), "patient_key")
    owners = scans.select(F.col("scan_id").alias("unit"), "patient_key").union(cells)
    a = owners.select(F.col("unit").alias("unit_a"), F.col("patient_key").alias("a"))
    b = owners.select(F.col("unit").alias("unit_b"), F.col("patient_key").alias("b"))
    pairs = lake.read("curated.duplicates").join(a, "unit_a").join(b, "unit_b")
    return [(row.a, row.b) for row in pairs.where("a <> b").select("a", "b").distinct().collect()]
