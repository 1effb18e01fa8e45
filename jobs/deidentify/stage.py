"""De-identify: rewrite scans and records without what identifies, then search every output for the identifiers.

Work is done by patient: when a record, an id or the consent of a patient changes, that patient's scans, records and
shapes are done anew, and nobody else's.

Example:
    $ hemalake deidentify --settings demo/hemalake.toml
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from typing import TYPE_CHECKING

from jobs.accounting import Account, hold
from jobs.deidentify import cases, shapes
from jobs.deidentify.batch import Everyone
from jobs.deidentify.scans import SCAN_SCHEMA, ScanCleaner
from jobs.frames import exploded, kept, mapped, parked, present, spread
from jobs.lake import EVERYTHING, Lake, Work
from jobs.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CLINICAL = ("patients", "specimens", "diagnoses", "measurements", "genetics", "outcomes")


def run(lake: Lake, work: Work) -> list[Account]:
    """De-identify what changed since the last run."""
    from pyspark.sql import functions as F

    with ExitStack() as stack:
        affected = stack.enter_context(kept(cases.affected_patients(lake, work)))
        images = stack.enter_context(kept(cases.images(lake)))
        withdrawn = stack.enter_context(kept(cases.withdrawn_patients(lake)))
        wanted = stack.enter_context(kept(wanted_scans(lake, work, affected, images)))
        shown = images.join(wanted, "scan_ref", "left_semi")
        everyone = cases.everyone(lake, affected.union(shown.select("patient_id").dropna()), shown)
        patients = stack.enter_context(parked(lake, cases.cleaned(lake, affected, images, withdrawn, everyone)))
        keys = patients.select(F.explode("patient_keys").alias("patient_key")).distinct()
        clinical = {f"curated.{name}": exploded(patients, name) for name in CLINICAL}
        lake.write_all(work, clinical, scope=EVERYTHING if work.rebuild else keys)
        scans = stack.enter_context(parked(lake, cleaned_scans(lake, wanted, images, withdrawn, everyone)))
        scope = EVERYTHING if work.rebuild else scans.select("scan_id")
        lake.write_all(work, {f"curated.{name}": exploded(scans, name) for name in ("regions", "scans")}, scope=scope)
        drawn = stack.enter_context(parked(lake, shapes.cleaned(lake, work, scans, images, withdrawn)))
        scope = EVERYTHING if work.rebuild else drawn.select("source_key")
        lake.write(work, "curated.annotations", present(drawn, "annotation"), scope=scope)
        accounts = _close(lake, work, patients, scans, drawn)
    if work.rebuild:
        known = {row.scan_id for row in lake.read("curated.scans").select("scan_id").collect()}
        forget_others(lake.store, f"{lake.settings.zone_root('curated')}/objects", known)
    return accounts


def forget_others(store: Store, objects: str, known: Collection[str]) -> None:
    """Delete the cleaned files of scans that the lake does not know, such as those under a key that was rotated."""
    for name in store.folders(objects):
        if name not in known:
            store.delete_folder(f"{objects}/{name}")


def wanted_scans(lake: Lake, work: Work, affected: DataFrame, images: DataFrame) -> DataFrame:
    """scan_ref of every scan of which a file is new, changed or gone, or whose patient is affected."""
    from pyspark.sql import functions as F

    changed = lake.changes("restricted.files", work.last("restricted.files")).where(F.col("role") == "image")
    theirs = images.join(affected, "patient_id", "left_semi")
    return changed.select("scan_ref").union(theirs.select("scan_ref")).dropna().distinct()


def cleaned_scans(
    lake: Lake, wanted: DataFrame, images: DataFrame, withdrawn: DataFrame, everyone: Everyone
) -> DataFrame:
    """One row a wanted scan, cleaned."""
    from pyspark.sql import functions as F

    files = F.sort_array(F.collect_list(F.struct("path", "content_sha256", "media_type"))).alias("files")
    facts = [
        F.first(c, ignorenulls=True).alias(c) for c in ("patient_id", "specimen_number", "source", "delivery", "sheet")
    ]
    # A scan whose files are all gone or broken by now stays as a row without files, so that its old rows go.
    scans = wanted.join(images.groupBy("scan_ref").agg(files, *facts), "scan_ref", "left")
    none = F.array().cast("array<string>")
    rows = (
        scans.join(cases.identifiers_of_patients(lake), "patient_id", "left")
        .join(cases.identifiers_of_files(lake), "scan_ref", "left")
        .withColumn("identifiers", F.concat(F.coalesce("identifiers", none), F.coalesce("staff", none)))
        .join(withdrawn.withColumn("withdrawn", F.lit(True)), "patient_id", "left")
        .withColumn("withdrawn", F.coalesce("withdrawn", F.lit(False)))
    )
    return mapped(spread(rows, 4), SCAN_SCHEMA, ScanCleaner(lake.store, lake.settings, everyone))


def _close(lake: Lake, work: Work, patients: DataFrame, scans: DataFrame, drawn: DataFrame) -> list[Account]:
    """Write quarantine and, as the stage's ledger, the log; return the accounts."""
    lost = cases.records_without_patient(lake, work)
    held = exploded(scans, "held").unionByName(exploded(patients, "held")).unionByName(present(drawn, "held"))
    held = held.unionByName(lost)
    considered = _considered(lake, patients, scans, drawn).unionByName(lost.select("unit_kind", "unit_id"))
    hold(lake, work, considered, held)
    log = exploded(scans, "deid_log").unionByName(exploded(patients, "deid_log"))
    lake.write(work, "curated.deid_log", log, scope=EVERYTHING if work.rebuild else log.select("file_key"))
    return _accounts(patients, scans, drawn, lost, held)


def _accounts(
    patients: DataFrame, scans: DataFrame, drawn: DataFrame, lost: DataFrame, held: DataFrame
) -> list[Account]:
    """Files, records and annotations, counted in one job."""
    from pyspark.sql import functions as F

    def counted(unit: str, frame: DataFrame, came: str, passed: str) -> DataFrame:
        return frame.selectExpr(f"'{unit}' AS unit", f"{came} AS came", f"{passed} AS passed", "0 AS held")

    files = "aggregate(scans, 0, (count, scan) -> count + size(split(scan.uri, ' ')))"
    each = counted("file", scans, "came", files)
    each = each.union(counted("record", patients, "came", "passed")).union(counted("record", lost, "1", "0"))
    each = each.union(counted("annotation", drawn, "int(unit IS NOT NULL)", "int(annotation IS NOT NULL)"))
    each = each.union(held.selectExpr("unit_kind", "0", "0", "1"))
    sums = [F.coalesce(F.sum(column), F.lit(0)).alias(column) for column in ("came", "passed", "held")]
    found = {row.unit: Account(**row.asDict()) for row in each.groupBy("unit").agg(*sums).collect()}
    return [found.get(unit, Account(unit, 0, 0, 0)) for unit in ("file", "record", "annotation")]


def _considered(lake: Lake, patients: DataFrame, scans: DataFrame, drawn: DataFrame) -> DataFrame:
    """Every unit that this run looked at."""
    from pyspark.sql import functions as F

    def unit(kind: str, frame: DataFrame) -> DataFrame:
        return frame.select(F.lit(kind).alias("unit_kind"), F.col("unit_id"))

    files = scans.select(F.explode("paths").alias("unit_id"))
    records = patients.select(F.explode("units").alias("unit_id"))
    annotations = drawn.where("unit IS NOT NULL").select(F.col("unit").alias("unit_id"))
    return unit("file", files).unionByName(unit("record", records)).unionByName(unit("annotation", annotations))
