"""Ingest: take closed deliveries from the landing zone, keep originals by content, read headers and records.

Example:
    $ hemalake ingest --settings demo/hemalake.toml
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from jobs.accounting import HELD_TYPE, Account, held_row, hold
from jobs.errors import BadInput
from jobs.frames import Row, ddl, exploded, in_pieces, mapped, parked, present, row_type, rows_type, spread
from jobs.ingest.content import Content, read_content
from jobs.ingest.identity import Id, resolve
from jobs.ingest.landing import LANDED_SCHEMA, Landed, landed_files, manifest_problem
from jobs.lake import Lake, Work, contract
from jobs.settings import Settings, Source
from jobs.store import Store
from schemas.reasons import Reason

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CHUNK = 1 << 20
FILE_COLUMNS = (
    "media_type",
    "role",
    "scan_name",
    "scan_ref",
    "patient_system",
    "patient_number",
    "specimen_number",
)
READ_SCHEMA = ddl(
    {
        "file": row_type("restricted.files"),
        "records": rows_type("restricted.records"),
        "shapes": rows_type("restricted.shapes"),
        "identifiers": rows_type("restricted.identifiers"),
        "links": "array<array<struct<system:string,id:string>>>",
        "held": f"array<{HELD_TYPE}>",
    }
)


def run(lake: Lake, work: Work) -> list[Account]:
    """Take in what is new in the landing zone; files that were seen before are not opened."""
    landed = list(landed_files(lake.store, lake.settings))
    if not work.rebuild and nothing_new(lake, landed):
        return []
    fresh = new_files(lake, landed, again=work.rebuild)
    with parked(lake, _read(lake, fresh)) as read:
        return _write(lake, work, read)


def nothing_new(lake: Lake, landed: list[Landed]) -> bool:
    """Whether every landed file was seen as it is; told without starting Spark, because it is what most runs find."""
    seen = lake.glance("restricted.files").to_table(columns=["path", "version", "bytes", "modified"]).to_pylist()
    latest = {row["path"]: row for row in sorted(seen, key=lambda row: row["version"])}
    return all(
        (old := latest.get(one.path)) is not None and (old["bytes"], old["modified"]) == (one.bytes, one.modified)
        for one in landed
    )


def new_files(lake: Lake, landed: list[Landed], *, again: bool = False) -> DataFrame:
    """Files whose path, size and modification time were not seen together before, with their version.

    Args:
        again: give all files, for a rebuild; those seen before keep their version.
    """
    from pyspark.sql import functions as F

    listed = lake.spark.createDataFrame([tuple(asdict(one).values()) for one in landed], LANDED_SCHEMA)
    latest = (
        lake.read("restricted.files")
        .groupBy("path")
        .agg(
            F.max("version").alias("last_version"),
            F.max_by(F.struct("bytes", "modified"), "version").alias("last"),
        )
    )
    seen = F.coalesce(F.col("last") == F.struct("bytes", "modified"), F.lit(False))
    version = F.coalesce("last_version", F.lit(0)) + F.when(seen, 0).otherwise(1)
    found = listed.join(latest, "path", "left").withColumn("version", version)
    return (found if again else found.where(~seen)).drop("last", "last_version")


def _read(lake: Lake, fresh: DataFrame) -> DataFrame:
    """Every file with all that was found in it as nested rows."""
    store, settings = lake.store, lake.settings

    def one_file(row: Row) -> Iterable[Row]:
        version = row.pop("version")
        return read_file(store, settings, Landed(**row), version)

    return mapped(spread(fresh), READ_SCHEMA, one_file)


@dataclass(frozen=True)
class Kept:
    """An original that now lies under its content's hash."""

    uri: str
    sha256: str


def read_file(store: Store, settings: Settings, landed: Landed, version: int) -> list[Row]:
    """Keep one file's content and read what it holds; a file that cannot be used comes back as held.

    Returns:
        A row with `file`, `records`, `shapes`, `identifiers`, `links` and `held`; of a file that holds many, more rows
        without `file`.
    """
    source = settings.sources[landed.source]
    sha256, content = hashlib.sha256().hexdigest(), Content()
    try:
        manifest_problem(landed, None)
        kept = keep(store, landed.uri, f"{settings.zone_root('restricted')}/objects")
        sha256 = kept.sha256
        manifest_problem(landed, sha256)
        if _ignored(landed, source):
            content = Content(media_type="application/octet-stream", role="other")
        else:
            with store.open(kept.uri) as stream:
                content = read_content(landed.path, stream, landed.bytes, landed.source, source)
    except BadInput as problem:
        content = Content(held=[(None, problem.reason)])
    return list(in_pieces(_row(landed, version, sha256, _unnamed(content, landed, source))))


def keep(store: Store, uri: str, objects: str) -> Kept:
    """Copy the bytes at a URI to `objects/<sha256>`, without holding them in memory.

    Raises:
        BadInput: CHANGED, where they were replaced between the look and the copy.
    """
    digest, copied = hashlib.sha256(), hashlib.sha256()
    with store.open(uri) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    target = f"{objects}/{digest.hexdigest()}"
    if not store.exists(target):
        with store.open(uri) as stream, store.writing(target) as copy:
            while chunk := stream.read(CHUNK):
                copied.update(chunk)
                copy.write(chunk)
            if copied.digest() != digest.digest():
                raise BadInput(Reason.CHANGED)
    return Kept(target, digest.hexdigest())


def _ignored(landed: Landed, source: Source) -> bool:
    """Whether the settings say that the file is no part of the data."""
    inside = landed.path.split("/", 2)[2]
    return any(fnmatch(inside, pattern) for pattern in source.ignore)


def _unnamed(content: Content, landed: Landed, source: Source) -> Content:
    """Where a source names no patients, each scan is a patient of its own: its path is the number."""
    if source.patients == "none" and content.role == "image" and not content.patient_number:
        content.patient_system, content.patient_number = f"unnamed:{landed.source}", landed.path
    if content.patient_system and content.patient_number and content.role == "image":
        content.links.append([(content.patient_system, content.patient_number)])
    return content


def _row(landed: Landed, version: int, sha256: str, content: Content) -> Row:
    came = {"path": landed.path, "source": landed.source, "delivery": landed.delivery}
    whole = next((reason for position, reason in content.held if position is None), None)
    kind = "annotation" if content.role == "annotations" else "record"
    units = [
        (
            "file" if position is None else kind,
            landed.path if position is None else f"{landed.path}#{position}",
            reason,
        )
        for position, reason in content.held
    ]
    return {
        "file": {
            **came,
            "version": version,
            "bytes": landed.bytes,
            "modified": landed.modified,
            "content_sha256": sha256,
            **{name: getattr(content, name) for name in FILE_COLUMNS},
            "state": "quarantined" if whole else "accepted",
        },
        "records": [] if whole else [{**came, **record} for record in content.records],
        "shapes": [] if whole else [{**came, **shape} for shape in content.shapes],
        "identifiers": [{**came, "position": n, **found} for n, found in enumerate(content.identifiers)],
        "links": [[{"system": system, "id": number} for system, number in link] for link in content.links],
        "held": [held_row(unit, name, landed.source, landed.delivery, reason) for unit, name, reason in units],
    }


def _write(lake: Lake, work: Work, read: DataFrame) -> list[Account]:
    """Write the tables; the files come last, so that a crash before leaves the files to be read again."""
    from pyspark.sql import functions as F

    files = present(read, "file")
    paths = files.select("path")
    hold(lake, work, _considered(lake, paths), exploded(read, "held"))
    found = {f"restricted.{name}": exploded(read, name) for name in ("records", "shapes", "identifiers")}
    lake.write_all(work, found, scope=paths)
    _write_identities(lake, work, read)
    own = [column.name for column in contract("restricted.files").own_columns]
    newest = files.select("path", F.col("version").alias("newest"))
    superseded = (
        lake.read("restricted.files")
        .join(newest, "path")
        .where(F.col("version") < F.col("newest"))
        .withColumn("state", F.lit("superseded"))
    )
    lake.write(work, "restricted.files", files.select(*own).unionByName(superseded.select(*own)))
    counts = {row.state: row["count"] for row in files.groupBy("state").count().collect()}
    return [Account("file", sum(counts.values()), counts.get("accepted", 0), counts.get("quarantined", 0))]


def _considered(lake: Lake, paths: DataFrame) -> DataFrame:
    """The files of this run, and what was held back of their earlier content."""
    from pyspark.sql import functions as F

    files = paths.select(F.lit("file").alias("unit_kind"), F.col("path").alias("unit_id"))
    parts = lake.read("restricted.quarantine").withColumn("path", F.regexp_replace("place", "#[0-9]+$", ""))
    return files.unionByName(parts.join(paths, "path", "left_semi").select("unit_kind", "unit_id"))


def _write_identities(lake: Lake, work: Work, read: DataFrame) -> None:
    from pyspark.sql import functions as F

    links = [
        [(i.system, i.id) for i in row.link]
        for row in read.select(F.explode("links").alias("link")).distinct().collect()
    ]
    named = lake.spark.createDataFrame(sorted({i for link in links for i in link}), "system string, id string")
    have = lake.read("restricted.identities")
    owners = have.join(named, ["system", "id"], "left_semi").select("patient_id").distinct()
    known: dict[Id, str] = {
        (row.system, row.id): row.patient_id for row in have.join(owners, "patient_id", "left_semi").collect()
    }
    found = [(*i, patient, moved) for i, (patient, moved) in sorted(resolve(links, known).items())]
    schema = "system string, id string, patient_id string, merged_from string"
    lake.write(work, "restricted.identities", lake.spark.createDataFrame(found, schema))
