"""Patients and all that is theirs: which are affected by a change, and their clinical records, cleaned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from jobs.accounting import HELD, HELD_TYPE, held_row
from jobs.deidentify.batch import Batch, Everyone
from jobs.deidentify.record_rules import free_text_paths
from jobs.deidentify.records import Record, clean_records
from jobs.deidentify.scans import pseudonyms_of
from jobs.errors import SettingsError
from jobs.frames import Row, ddl, mapped, rows_type, spread
from jobs.lake import Lake, Work
from jobs.pseudonyms import Pseudonyms
from schemas.reasons import Reason

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CLINICAL = ("patients", "specimens", "diagnoses", "measurements", "genetics", "outcomes")
CASE_SCHEMA = ddl(
    {
        "patient_keys": "array<string>",
        **{name: rows_type(f"curated.{name}") for name in CLINICAL},
        "deid_log": rows_type("curated.deid_log"),
        "held": f"array<{HELD_TYPE}>",
        "units": "array<string>",
        "came": "int",
        "passed": "int",
    }
)
NOT_ABOUT_A_PATIENT = (
    "Device", "Group", "HealthcareService", "Location", "Medication", "Organization", "Practitioner",
    "PractitionerRole", "Provenance", "Substance",
)  # fmt: skip
"""FHIR resources that are about nobody; they pass, and nothing of them is kept."""


def with_patient(lake: Lake, frame: DataFrame) -> DataFrame:
    """The frame with `patient_id` for its patient_system and patient_number; null where nobody is known by them."""
    from pyspark.sql import functions as F

    identities = lake.read("restricted.identities").select(
        F.col("system").alias("patient_system"), F.col("id").alias("patient_number"), "patient_id"
    )
    return frame.join(identities, ["patient_system", "patient_number"], "left")


def images(lake: Lake) -> DataFrame:
    """Every image file in use with its patient: by its header, else by the scan sheet; and the sheet's row."""
    from pyspark.sql import functions as F

    files = lake.read("restricted.files").where((F.col("role") == "image") & (F.col("state") == "accepted"))
    sheet = (
        lake.read("restricted.records")
        .where((F.col("kind") == "scan") & F.col("file").isNotNull())
        .groupBy(F.col("file").alias("path"))
        .agg(
            F.first("patient_system").alias("sheet_system"),
            F.first("patient_number").alias("sheet_number"),
            F.first("body").alias("sheet"),
        )
    )
    told = files.join(sheet, "path", "left")
    return with_patient(
        lake,
        told.withColumn("patient_system", F.coalesce("patient_system", "sheet_system"))
        .withColumn("patient_number", F.coalesce("patient_number", "sheet_number"))
        .withColumn("specimen_number", F.coalesce("specimen_number", F.get_json_object("sheet", "$.specimen"))),
    )


def affected_patients(lake: Lake, work: Work) -> DataFrame:
    """patient_id of everyone of whom an id, record, identifier or image changed; all, when nothing was consumed yet."""
    identities = lake.changes("restricted.identities", work.last("restricted.identities"))
    found = identities.select("patient_id").union(identities.select("merged_from"))
    for name in ("restricted.records", "restricted.identifiers"):
        changed = lake.changes(name, work.last(name)).select("patient_system", "patient_number").distinct()
        found = found.union(with_patient(lake, changed).select("patient_id"))
    return found.dropna().distinct()


def withdrawn_patients(lake: Lake) -> DataFrame:
    """patient_id of everyone whose consent says no."""
    from pyspark.sql import functions as F

    consents = lake.read("restricted.records").where(F.col("kind") == "Consent")
    not_in_force = F.get_json_object("body", "$.status").isin("inactive", "entered-in-error", "draft", "proposed")
    denied = consents.where(
        (F.get_json_object("body", "$.provision.type") == "deny") & ~F.coalesce(not_in_force, F.lit(False))
    )
    return with_patient(lake, denied).select("patient_id").dropna().distinct()


def identifiers_of_patients(lake: Lake) -> DataFrame:
    """patient_id and `identifiers`: every value that the raw inputs name for that patient."""
    from pyspark.sql import functions as F

    known = with_patient(lake, lake.read("restricted.identifiers")).dropna(subset=["patient_id"])
    return known.groupBy("patient_id").agg(F.sort_array(F.collect_set("value")).alias("identifiers"))


def everyone(lake: Lake, patients: DataFrame, images: DataFrame) -> Everyone:
    """What the raw inputs name these patients by, and the staff and devices that the files of these images name.

    Birth dates are left out: the date of something else is often that of somebody's birth.
    """
    from pyspark.sql import functions as F

    raw = lake.read("restricted.identifiers").where(F.col("kind") != "birth_date")
    known = with_patient(lake, raw).join(patients, "patient_id", "left_semi").select("kind", "value")
    nobodys = raw.where(F.col("patient_number") == "").join(images, "path", "left_semi").select("kind", "value")
    rows = known.union(nobodys).distinct().collect()
    names = frozenset(row.value for row in rows if row.kind == "name")
    return Everyone(names, frozenset(row.value for row in rows if row.kind != "name"))


def identifiers_of_files(lake: Lake) -> DataFrame:
    """scan_ref and `staff`: what the scan's own files name without saying whose it is, such as staff and devices."""
    from pyspark.sql import functions as F

    nobodys = lake.read("restricted.identifiers").where(F.col("patient_number") == "").select("path", "value")
    scans = lake.read("restricted.files").where(F.col("scan_ref").isNotNull()).select("path", "scan_ref")
    return scans.join(nobodys, "path").groupBy("scan_ref").agg(F.sort_array(F.collect_set("value")).alias("staff"))


def known_patients(lake: Lake, images: DataFrame) -> DataFrame:
    """patient_id of everyone who is more than a number: a FHIR Patient, or the patient of an image."""
    from pyspark.sql import functions as F

    resources = with_patient(lake, lake.read("restricted.records").where(F.col("kind") == "Patient"))
    return resources.select("patient_id").union(images.select("patient_id")).dropna().distinct()


def cleaned(lake: Lake, affected: DataFrame, images: DataFrame, withdrawn: DataFrame, everyone: Everyone) -> DataFrame:
    """One row an affected patient: the rows of every clinical table, what was held back, and the log."""
    from pyspark.sql import functions as F

    records = with_patient(lake, lake.read("restricted.records"))
    row = F.struct("path", "position", "source", "delivery", "kind", "body")
    bundles = records.groupBy("patient_id").agg(F.sort_array(F.collect_list(row)).alias("records"))
    flags = withdrawn.withColumn("withdrawn", F.lit(True))
    known = known_patients(lake, images).withColumn("known", F.lit(True))
    cases = (
        affected.join(bundles, "patient_id", "left")
        .join(flags, "patient_id", "left")
        .join(known, "patient_id", "left")
        .join(identifiers_of_patients(lake), "patient_id", "left")
    )
    settings = lake.settings
    materials = {name: source.material for name, source in settings.sources.items() if source.material}
    texts = {name: source.free_text for name, source in settings.sources.items() if source.free_text}
    check_free_text(texts)
    cases = (
        cases.crossJoin(F.broadcast(names_of_others(lake)))
        if texts
        else cases.withColumn("staff", F.lit(None).cast("array<string>"))
    )

    def one_patient(case: Row) -> Iterable[Row]:
        return [clean_case(case, pseudonyms_of(settings.key_path()), materials, texts, everyone.batch)]

    return mapped(spread(cases), CASE_SCHEMA, one_patient)


def check_free_text(texts: Mapping[str, Collection[str]]) -> None:
    """Refuse settings that keep a text of which no rule says how it is cleaned.

    Raises:
        SettingsError: a path is none of `free_text_paths`.
    """
    known = free_text_paths()
    for source, paths in texts.items():
        if not set(paths) <= set(known):
            raise SettingsError(f"`sources.{source}.free_text` may name only {', '.join(known)}.")


def names_of_others(lake: Lake) -> DataFrame:
    """One row with `staff`: every name that the raw inputs know and that is no patient's."""
    from pyspark.sql import functions as F

    names = lake.read("restricted.identifiers").where((F.col("patient_number") == "") & (F.col("kind") == "name"))
    return names.agg(F.sort_array(F.collect_set("value")).alias("staff"))


def clean_case(
    case: Row,
    pseudonyms: Pseudonyms,
    materials: Mapping[str, str],
    texts: Mapping[str, Collection[str]],
    batch: Batch | None = None,
) -> Row:
    """All records of one patient, cleaned or held back.

    Args:
        case: patient_id, records, identifiers, staff, withdrawn, known (the last four may be None, which means no).
        pseudonyms: of the lake.
        materials: see `clean_records`.
        texts: see `clean_records`.
        batch: see `clean_records`.
    """
    records = [Record(**record) for record in case["records"] or []]
    key = pseudonyms.key_for("patient", case["patient_id"])
    reason = Reason.CONSENT_WITHDRAWN if case["withdrawn"] else None if case["known"] else Reason.PATIENT_MISSING
    row: Row = {name: [] for name in (*CLINICAL, "deid_log", "held")}
    held = [(record, reason) for record in records] if reason else []
    if not reason:
        patient, named = case["patient_id"], case["identifiers"] or ()
        found = clean_records(records, patient, pseudonyms, materials, named, texts, case["staff"] or (), batch)
        places = {(record.path, record.position): record for record in records}
        held = [(places[path, position], why) for path, position, why in found.held]
        row |= {name: found.tables.get(name, []) for name in (*CLINICAL, "deid_log")}
        row["patients"] = row["patients"] or [{"patient_key": key, "sex": None, "birth_year": None, "region": None}]
    row["held"] = [held_row("record", _unit(r), r.source, r.delivery, why) for r, why in held]
    return row | {
        "patient_keys": [key],
        "units": [_unit(record) for record in records],
        "came": len(records),
        "passed": len(records) - len(held),
    }


def records_without_patient(lake: Lake, work: Work) -> DataFrame:
    """New records about a patient whom nobody knows, as units to hold back."""
    from pyspark.sql import functions as F

    new = lake.changes("restricted.records", work.last("restricted.records")).select("path", "position").distinct()
    about = lake.read("restricted.records").where(~F.col("kind").isin(*NOT_ABOUT_A_PATIENT))
    records = about.join(new, ["path", "position"], "left_semi")
    lost = with_patient(lake, records).where(F.col("patient_id").isNull())
    unit = F.concat_ws("#", "path", "position")
    reason = Reason.PATIENT_MISSING
    return lost.select(
        F.lit("record").alias("unit_kind"),
        unit.alias("unit_id"),
        "source",
        "delivery",
        F.lit(reason.value).alias("reason"),
        F.lit(reason.sentence).alias("sentence"),
        unit.alias("place"),
    ).select(*HELD)


def _unit(record: Record) -> str:
    return f"{record.path}#{record.position}"
