"""Build a candidate: the files of a release, from exactly the table versions that one snapshot pins.

Keys and labels are joined first, without pixels, what identifies patients together is made general enough, and all pass
the release's gate. Then each cell is numbered into a shard by its key, and executors write the shards. Nothing in the
files depends on when, where or in how many parts they were made, so the same snapshot gives the same bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.errors import GateFailed, LakeError
from jobs.frames import parked
from jobs.lake import Lake
from jobs.release import card
from jobs.release.candidate import Candidate, candidate_id, discard, folder, load, record
from jobs.release.contents import SUMS
from jobs.release.protect import COLUMNS, Protection, alike, applied, protect
from jobs.release.shards import WRITTEN_SCHEMA, ShardWriter
from jobs.session import in_executor
from schemas.contract import Privacy, Table, Zone
from schemas.released_cells import FROM_CROPS, FROM_SAMPLES, IMAGE, RELEASED_CELLS
from schemas.stages import RELEASE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

NEEDED = ("curated.samples", "curated.crops", "curated.duplicates")


@dataclass(frozen=True)
class Snapshot:
    """One row of `curated.snapshots`."""

    id: str
    number: int
    tables: dict[str, int]
    warnings: int = 0


def newest_snapshot(lake: Lake) -> Snapshot | None:
    """The snapshot of the highest number; None where there is none yet."""
    from pyspark.sql import functions as F

    row = lake.read("curated.snapshots").orderBy(F.col("number").desc()).first()
    return Snapshot(row["snapshot_id"], row["number"], dict(row["tables"]), row["warnings"]) if row else None


def build_candidate(lake: Lake, snapshot: Snapshot, *, partitions: int | None = None) -> Candidate:
    """Write the candidate's files and its record; a complete candidate stays as it is.

    Args:
        partitions: in how many parts executors write; None: as many as there are shards. The bytes are the same.

    Raises:
        GateFailed: a critical expectation of the release failed; no candidate is left.
    """
    identity = candidate_id(lake, snapshot.id)
    there = load(lake, identity)
    if there is not None:
        return there
    refuse_direct(RELEASED_CELLS)
    root = folder(lake, identity)
    discard(lake, identity)
    protection = protect(pinned(lake, snapshot, "curated.samples"), lake.settings.release.k)
    with parked(lake, numbered(lake, released(lake, snapshot, protection)), Zone.CURATED) as cells:
        warnings = check(cells)
        written = _write_shards(lake, snapshot, cells, root, partitions)
        counts = _counts(cells)
        patients = cells.select("patient_key").distinct().count()
    try:
        _refuse_missing(written, sum(counts.values()))
    except GateFailed:
        discard(lake, identity)
        raise
    made_by = _made_by(lake, snapshot)
    made = card.Made(_classes(counts), patients, protection.told, snapshot.id, snapshot.tables, made_by)
    digests = {row["path"]: row["sha256"] for row in written}
    texts = card.texts(lake.settings, made)
    for path, text in texts.items():
        lake.store.write(f"{root}/{path}", text.encode())
        digests[path] = hashlib.sha256(text.encode()).hexdigest()
    listed = "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode()
    lake.store.write(f"{root}/{SUMS}", listed)
    candidate = Candidate(
        id=identity,
        release_sha256=hashlib.sha256(listed).hexdigest(),
        snapshot_id=snapshot.id,
        snapshot_number=snapshot.number,
        snapshots_version=lake.version("curated.snapshots") or 0,
        tables=snapshot.tables,
        settings_sha256=lake.settings.digest(*RELEASE.settings),
        cells=sum(counts.values()),
        patients=patients,
        classes=made.classes,
        files=len(digests) + 1,
        bytes=sum(row["bytes"] for row in written) + sum(len(t.encode()) for t in texts.values()) + len(listed),
        warnings=warnings,
        snapshot_warnings=snapshot.warnings,
        anonymity=protection.told,
    )
    record(lake, candidate)
    return candidate


def refuse_direct(table: Table) -> None:
    """Raise GateFailed where the contract of a release holds a column that identifies a person by itself."""
    direct = [column.name for column in table.columns if column.privacy is Privacy.DIRECT]
    if direct:
        raise GateFailed(
            f"{table.full_name}: {', '.join(direct)} identifies persons directly and may not be released. "
            f"Take it out of schemas/released_{table.name}.py."
        )


def released(lake: Lake, snapshot: Snapshot, protection: Protection) -> DataFrame:
    """One row a sample of the snapshot: the released columns but the image, and what the rules need to know."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    samples = pinned(lake, snapshot, "curated.samples").select("cell_id", *FROM_SAMPLES)
    samples = applied(samples.withColumn("votes", F.array_sort("votes")), protection)
    crops = _cell_crops(lake, snapshot).select("cell_id", *(F.col(there).alias(here) for here, there in _crop_names()))
    of_patient = Window.partitionBy("patient_key")
    sides = F.size(F.collect_set("side").over(of_patient)).alias("patient_sides")
    crossing = _crossing(samples, pinned(lake, snapshot, "curated.duplicates"))
    return (
        samples.join(crops, "cell_id", "left")
        .join(crossing, "cell_id", "left")
        .join(alike(samples), "patient_key")
        .withColumn("stage_version", F.lit(RELEASE.version))
        .withColumn("settings_sha256", F.lit(lake.settings.digest(*RELEASE.settings)))
        .select(
            *(name for name in RELEASED_CELLS.names if name != IMAGE),
            sides,
            F.coalesce("crossing", F.lit(1)).alias("duplicate_sides"),
            F.when(F.coalesce(*COLUMNS).isNotNull(), F.col("patients_alike")).alias("patients_alike"),
            F.lit(lake.settings.release.k).alias("patients_asked"),
        )
    )


def numbered(lake: Lake, cells: DataFrame) -> DataFrame:
    """The cells with the number of their shard within their side, by the order of their keys."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    place = F.row_number().over(Window.partitionBy("side").orderBy("cell_id")) - 1
    return cells.withColumn("shard", F.floor(place / lake.settings.release.rows_per_file).cast("int"))


def check(cells: DataFrame) -> list[str]:
    """Run the release's suite; returns the warnings and raises GateFailed where a critical expectation failed."""
    from expectations.gate import GateRefused, check_rules, structural
    from expectations.released_cells import SUITE

    try:
        return check_rules("release", cells, SUITE, structural(RELEASED_CELLS))
    except GateRefused as refusal:
        raise GateFailed(str(refusal)) from None


def pinned(lake: Lake, snapshot: Snapshot, name: str) -> DataFrame:
    """A table as the snapshot pins it.

    Raises:
        LakeError: the snapshot does not pin it.
    """
    if name not in snapshot.tables:
        raise LakeError(f"the snapshot pins no version of {name}. Run `hemalake validate` once {name} is there.")
    return lake.read(name, snapshot.tables[name])


def _cell_crops(lake: Lake, snapshot: Snapshot) -> DataFrame:
    crops = pinned(lake, snapshot, "curated.crops").where("unit_kind = 'cell'")
    return crops.withColumnRenamed("unit_id", "cell_id")


def _crop_names() -> list[tuple[str, str]]:
    return list(FROM_CROPS.items())


def _crossing(samples: DataFrame, pairs: DataFrame) -> DataFrame:
    """cell_id of each cell that has a duplicate, or whose scan has one, on another side; `crossing` is 2."""
    from pyspark.sql import functions as F

    found = []
    for kind in ("cell", "scan"):
        sides = samples.select(F.col(f"{kind}_id").alias("unit"), "side").distinct()
        both = (
            pairs.where(F.col("unit_kind") == kind)
            .select("unit_a", "unit_b")
            .join(sides.select(F.col("unit").alias("unit_a"), F.col("side").alias("side_a")), "unit_a")
            .join(sides.select(F.col("unit").alias("unit_b"), F.col("side").alias("side_b")), "unit_b")
            .where("side_a <> side_b")
        )
        units = both.select(F.explode(F.array("unit_a", "unit_b")).alias(f"{kind}_id")).distinct()
        found.append(samples.join(units, f"{kind}_id", "left_semi").select("cell_id"))
    return found[0].union(found[1]).distinct().withColumn("crossing", F.lit(2))


def _write_shards(
    lake: Lake, snapshot: Snapshot, cells: DataFrame, root: str, partitions: int | None
) -> list[dict[str, Any]]:
    """Have executors write every file that holds pixels; path, bytes, sha256 and rows of each."""
    shards = cells.select("side", "shard").distinct().count()
    columns = [name for name in RELEASED_CELLS.names if name != IMAGE]
    images = _cell_crops(lake, snapshot).select("cell_id", "preset", IMAGE)
    rows = (
        images.join(cells.select("shard", *columns), ["cell_id", "preset"])
        .select("shard", *RELEASED_CELLS.names)
        .repartition(partitions or max(1, shards), "side", "shard")
        .sortWithinPartitions("side", "shard", "cell_id")
    )
    written = rows.mapInArrow(in_executor(ShardWriter(lake.store, root)), WRITTEN_SCHEMA)
    return [row.asDict() for row in written.collect()]


def _refuse_missing(written: list[dict[str, Any]], cells: int) -> None:
    """Every cell of the snapshot has its row and its image."""
    wrong = sum(row["rows"] < 0 for row in written)
    if wrong:
        raise GateFailed(f"release: {wrong} images are not the PNG that their crop states. Rebuild the stage `crop`.")
    rows = sum(row["rows"] for row in written)
    images = sum(row["path"].startswith("images/") for row in written)
    if not rows == images == cells:
        raise GateFailed(
            f"release: the snapshot has {cells} samples, but {rows} rows and {images} images were written. "
            "Check that each sample has one crop, and run again."
        )


def _counts(cells: DataFrame) -> dict[tuple[str, str], int]:
    rows = cells.groupBy("side", "label_code").count().collect()
    return {(row["side"], row["label_code"]): row["count"] for row in rows}


def _classes(counts: dict[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    sides = sorted({side for side, _ in counts})
    return {side: {label: n for (at, label), n in sorted(counts.items()) if at == side} for side in sides}


def _made_by(lake: Lake, snapshot: Snapshot) -> dict[str, list[dict[str, str]]]:
    """By which stage versions and settings the rows of each pinned table were made."""
    from functools import reduce

    from pyspark.sql import DataFrame
    from pyspark.sql import functions as F

    frames = [
        lake.read(name, version).select(F.lit(name).alias("table"), "stage_version", "settings_sha256").distinct()
        for name, version in sorted(snapshot.tables.items())
    ]
    rows = reduce(DataFrame.union, frames).distinct().collect()
    found: dict[str, list[dict[str, str]]] = {name: [] for name in sorted(snapshot.tables)}
    for row in sorted(rows):
        found[row["table"]].append({"stage_version": row["stage_version"], "settings_sha256": row["settings_sha256"]})
    return found
