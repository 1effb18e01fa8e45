"""The figures of the compliance report: counts from tables, and what can be said of the bytes to be released.

What would be released is read from the candidate's own Parquet, so that the report speaks of exactly those bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake import Lake
from jobs.release.candidate import Candidate
from jobs.release.unusual import SHORT
from schemas.contract import Privacy
from schemas.deid_log import DEID_LOG
from schemas.looks import PIXELS, Look, in_words
from schemas.reasons import Reason
from schemas.released_cells import RELEASED_CELLS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Row = dict[str, Any]
QUASI = tuple(column.name for column in RELEASED_CELLS.columns if column.privacy is Privacy.QUASI)
ACTIONS = DEID_LOG.column("action").values
SMALLEST = 15
"""How many of the smallest groups the report lists."""
MEANINGS = {
    "D": "replaced by a dummy value",
    "Z": "emptied, or replaced by a dummy value",
    "X": "removed",
    "K": "kept",
    "C": "cleaned: replaced by a value of similar meaning that identifies nobody",
    "U": "replaced by another UID, the same everywhere",
}
"""Action codes of DICOM PS3.15, Table E.1-1a."""


@dataclass(frozen=True)
class Came:
    """What came in, each a list of rows with `count`."""

    files: list[Row]
    records: list[Row]
    shapes: list[Row]
    identifiers: list[Row]


@dataclass(frozen=True)
class Anonymity:
    """k-anonymity of the released columns that identify together with others; k counts distinct patients."""

    columns: tuple[str, ...]
    k: int
    """Patients in the smallest group; 0 where no patient has a value."""
    groups: list[Row]
    """The smallest groups: the columns, patients and cells."""
    total: int
    """How many groups there are."""
    blank: int
    """Patients of whom nothing is told in some cell: not known or withheld. They form no group."""


def came_in(lake: Lake) -> Came:
    """Counts by source and kind of all that was ever delivered."""
    from pyspark.sql import functions as F

    files = lake.read("restricted.files").where("state <> 'superseded'")
    megabytes = F.round(F.sum("bytes") / 1e6, 1).alias("megabytes")
    return Came(
        _counted(files, ["source", "role", "media_type"], megabytes),
        _counted(lake.read("restricted.records"), ["source", "kind"]),
        _counted(
            lake.read("restricted.shapes"),
            ["source", "annotator_kind", "geometry_type"],
            F.countDistinct("examiner").alias("examiners"),
        ),
        _counted(lake.read("restricted.identifiers"), ["kind"]),
    )


def treated(lake: Lake, candidate: Candidate) -> list[Row]:
    """What was done to which attribute: pattern, action, rule, code, files and occurrences."""
    from pyspark.sql import functions as F

    log = lake.read("curated.deid_log", candidate.tables.get("curated.deid_log"))
    pattern = F.regexp_replace("attribute_path", r"\[\d+\]", "[*]")
    rows = _rows(
        log.groupBy(pattern.alias("pattern"), "action", "rule", "code")
        .agg(F.countDistinct("file_key").alias("files"), F.sum("occurrences").alias("count"))
        .orderBy("action", "pattern", "rule", "code")
    )
    return [{**row, "name": attribute_name(row["pattern"]), "means": meaning(row["code"])} for row in rows]


def looked_for_text(treated: list[Row], held: list[Row]) -> str:
    """In how many files text burned into pixels was looked for, by the log of what was done."""
    looks = {row["rule"]: row["files"] for row in treated if row["pattern"] == PIXELS}
    findings = sum(row["open"] for row in held if row["reason"] == Reason.BURNED_IN_TEXT)
    return in_words({look: looks.get(look, 0) for look in Look}, findings)


def origins(lake: Lake, candidate: Candidate) -> list[Row]:
    """What was done to the attributes of each site and device: files, attributes, and how often each action.

    Of their pseudonyms the first digits are told: enough to tell them apart.
    """
    from pyspark.sql import functions as F

    log = lake.read("curated.deid_log", candidate.tables.get("curated.deid_log"))
    names = [F.substring(f"{name}_key", 1, SHORT).alias(name) for name in ("site", "device")]
    counts = [F.sum(F.when(F.col("action") == action, F.col("occurrences")).otherwise(0)) for action in ACTIONS]
    return _rows(
        log.groupBy(*names)
        .agg(
            F.countDistinct("file_key").alias("files"),
            F.countDistinct("attribute_path").alias("attributes"),
            *(count.alias(action) for action, count in zip(ACTIONS, counts, strict=True)),
        )
        .orderBy("site", "device")
    )


def held_back(lake: Lake) -> list[Row]:
    """What is or was in quarantine: stage, unit_kind, reason, its sentence, and how many are open and resolved.

    The sentence is that of the reason code, not the one in the table, which could say anything.
    """
    from pyspark.sql import functions as F

    rows = _rows(
        lake.read("restricted.quarantine")
        .groupBy("stage", "unit_kind", "reason")
        .agg(
            F.count_if(F.col("resolved_by").isNull()).alias("open"),
            F.count_if(F.col("resolved_by").isNotNull()).alias("resolved"),
        )
        .orderBy("stage", "unit_kind", "reason")
    )
    known = {reason.value: reason for reason in Reason}
    return [
        {
            **row,
            "sentence": known[row["reason"]].sentence if row["reason"] in known else "A reason of an older version.",
            "by_policy": row["reason"] in known and known[row["reason"]].by_policy,
        }
        for row in rows
    ]


def anonymity(cells: pa.Table) -> Anonymity:
    """Groups of patients that the quasi-identifiers of the released cells leave alike."""
    rows = _groups(cells, QUASI)
    alike = [row for row in rows if any(row[name] is not None for name in QUASI)]
    return Anonymity(
        columns=QUASI,
        k=min((row["patients"] for row in alike), default=0),
        groups=alike[:SMALLEST],
        total=len(alike),
        blank=sum(row["patients"] for row in rows if row not in alike),
    )


def sides(cells: pa.Table) -> list[Row]:
    """Patients, sites, scans and cells of each side, in the order of their use."""
    counted = [("patient_key", "count_distinct"), ("scan_id", "count_distinct"), ("cell_id", "count")]
    rows = cells.group_by("side").aggregate(counted).to_pylist()
    order = ("train", "validation", "test")
    return [
        {
            "side": row["side"],
            "patients": row["patient_key_count_distinct"],
            "scans": row["scan_id_count_distinct"],
            "cells": row["cell_id_count"],
        }
        for row in sorted(rows, key=lambda row: order.index(row["side"]))
    ]


def disjoint(cells: pa.Table) -> bool:
    """Whether no patient is on two sides."""
    counted = cells.group_by("patient_key").aggregate([("side", "count_distinct")])
    return bool(pc.max(counted["side_count_distinct"]).as_py() in (None, 1))


def attribute_name(pattern: str) -> str:
    """Name of the innermost DICOM attribute of a path, such as `Patient's Name`; empty where it is none."""
    from pydicom.datadict import dictionary_description

    tag = pattern.rsplit("(", 1)[-1].rstrip(")[*]").replace(",", "")
    try:
        return str(dictionary_description(int(tag, 16))) if len(tag) == 8 else ""
    except (KeyError, ValueError):
        return ""


def meaning(code: str | None) -> str:
    """What a code of PS3.15 Table E.1-1 means; of `X/Z` and the like, each part is possible."""
    parts = (code or "").rstrip("*").split("/")
    return "; or ".join(MEANINGS[part] for part in parts if part in MEANINGS)


def _groups(cells: pa.Table, columns: tuple[str, ...]) -> list[Row]:
    counted = [("patient_key", "count_distinct"), ("cell_id", "count")]
    rows = [
        {
            **{name: row[name] for name in columns},
            "patients": row["patient_key_count_distinct"],
            "cells": row["cell_id_count"],
        }
        for row in cells.group_by(list(columns)).aggregate(counted).to_pylist()
    ]
    return sorted(rows, key=lambda row: (row["patients"], *(row[name] or "" for name in columns)))


def _counted(frame: DataFrame, by: list[str], *more: Column) -> list[Row]:
    from pyspark.sql import functions as F

    return _rows(frame.groupBy(*by).agg(F.count(F.lit(1)).alias("count"), *more).orderBy(*by))


def _rows(frame: DataFrame) -> list[Row]:
    return [row.asDict() for row in frame.collect()]
