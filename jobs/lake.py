"""Read and write the lake's tables; the one place that knows Delta. It holds every table to its contract.

Writing has three steps: the batch is staged as Parquet beside the table, its suite of expectations runs on what was
staged, and one Delta commit takes over what differs from the table. A commit that would change nothing is not made.
A stage's last table is its ledger: the commit's metadata says which versions of the upstream tables it consumed, so
that progress is stored with the rows that it led to, or not at all.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from jobs.errors import ContractMismatch, GateFailed, LakeTooNew, StaleOutput, StoreError, UnknownTable
from jobs.settings import Settings
from jobs.store import Store, hadoop_path
from schemas.contract import Table, Zone
from schemas.stages import Stage
from schemas.tables import TABLES

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from expectations.rules import Rule

CONTRACT_PROPERTY = "hemalake.contract.version"
ACTION = "_action"
WRITERS = 2
_GATE = Lock()
FEW_FILES = 32
"""Tables of so many files are read by the list of them: for small ones, Spark's jobs over the log cost more than the
rows. From here on Spark would list them in a job of its own."""
EVERYTHING = "everything"
"""The scope of a batch that is all the table should hold."""


@dataclass(frozen=True)
class Written:
    """What one write did to a table."""

    table: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def changed(self) -> bool:
        """Whether any row is other than before."""
        return bool(self.inserted or self.updated or self.deleted)


@dataclass
class Work:
    """What a stage has to do: the upstream versions that it last consumed, and those there are now."""

    stage: Stage
    since: dict[str, int]
    now: dict[str, int]
    rebuild: bool = False
    """Read everything and replace everything: asked for, or because nothing was consumed yet."""
    written: list[Written] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """All that there is has been consumed."""
        return not self.rebuild and self.since == self.now

    def last(self, table: str) -> int | None:
        """The version of the table that the stage consumed last; None: read all of it."""
        return None if self.rebuild else self.since.get(table)


@dataclass(frozen=True)
class _Scope:
    """Which rows of a table a batch owns: those it replaces or, where it has no successor for them, deletes."""

    rows: DataFrame | str | None
    keep: DataFrame | None

    def marked(self, table: Table, old: DataFrame) -> DataFrame:
        """The table's rows with `_owned`."""
        from pyspark.sql import functions as F

        if self.rows is None or isinstance(self.rows, str):
            marked = old.withColumn("_owned", F.lit(self.rows == EVERYTHING))
        else:
            owned = self.rows.select(table.scope).distinct().withColumn("_owned", F.lit(True))
            marked = old.join(F.broadcast(owned), table.scope, "left")
        if self.keep is None:
            return marked
        kept = self.keep.distinct().withColumn("_kept", F.lit(True))
        joined = marked.join(kept, list(self.keep.columns), "left")
        return joined.withColumn("_owned", F.col("_owned") & F.col("_kept").isNull()).drop("_kept")


class Lake:
    """The tables of one lake, through one Spark session that starts when it is first needed."""

    def __init__(self, settings: Settings, spark: SparkSession | None = None) -> None:
        self.settings = settings
        self.store = Store(settings.places.s3_endpoint)
        self._spark = spark
        self.running = "unnamed"
        """The stage that is running; its batches are staged under this name."""

    def staging(self, zone: Zone) -> str:
        """A new place to stage a batch of the running stage."""
        return f"{self.settings.zone_root(zone)}/_staging/{self.running}/{uuid.uuid4().hex}"

    def clear_staging(self) -> None:
        """Remove what a run of this stage left staged when it was killed."""
        for zone in (Zone.RESTRICTED, Zone.CURATED):
            self.store.delete_folder(f"{self.settings.zone_root(zone)}/_staging/{self.running}")

    @property
    def spark(self) -> SparkSession:
        """The session, started on first use."""
        if self._spark is None:
            from jobs import session

            self._spark = session.start(self.settings)
        return self._spark

    def uri(self, table: Table) -> str:
        """Where the table's Delta folder lies."""
        return f"{self.settings.zone_root(table.zone)}/{table.name}"

    def version(self, name: str) -> int | None:
        """Newest version of the table, read from its log without Spark; None where the table is not there."""
        log = f"{self.uri(contract(name))}/_delta_log"
        names = [entry.uri.rsplit("/", 1)[-1] for entry in self.store.list(log)]
        versions = [int(name[:20]) for name in names if name[20:] == ".json" and name[:20].isdigit()]
        return max(versions, default=None)

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """All rows of a table, now or at a version; no rows where the table is not there yet.

        Raises:
            UnknownTable: no contract has this name.
        """
        table = contract(name)
        if self.version(name) is None:
            return self._no_rows(table)
        files = self._log(table, version).file_uris()
        if len(files) > FEW_FILES:
            reader = self.spark.read.format("delta")
            reader = reader if version is None else reader.option("versionAsOf", version)
            return reader.load(hadoop_path(self.uri(table))).select(*table.names)
        root = hadoop_path(self.uri(table))
        places = [f"{root}/{file.rsplit('/', 1)[-1]}" for file in files]
        return self.spark.read.schema(self._schema(table)).parquet(*places) if places else self._no_rows(table)

    def glance(self, name: str) -> Any:
        """The rows of a table as a PyArrow dataset, through delta-rs: for a look that is not worth a Spark session."""
        return self._log(contract(name)).to_pyarrow_dataset()

    def changes(self, name: str, since: int | None) -> DataFrame:
        """Rows that were inserted, updated (before and after) or deleted after a version; all rows where it is None."""
        table = contract(name)
        now = self.version(name)
        if since is None or now is None:
            return self.read(name)
        if since >= now:
            return self._no_rows(table)
        feed = self.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", since + 1)
        return feed.load(hadoop_path(self.uri(table))).select(*table.names)

    def work(self, stage: Stage, *, rebuild: bool = False) -> Work:
        """What the stage has to do now.

        Raises:
            StaleOutput: the stage's rows were made under other settings or by another version of it.
        """
        now = {name: version for name in stage.reads if (version := self.version(name)) is not None}
        done = self.progress(stage)
        if done and not rebuild:
            self._refuse_stale(stage, done)
        return Work(stage, dict(done.get("consumed", {})), now, rebuild or not done)

    def progress(self, stage: Stage) -> dict[str, Any]:
        """What the newest commit of the stage's ledger says: consumed versions, stage version, settings; else empty."""
        log = f"{self.uri(contract(stage.ledger))}/_delta_log"
        for version in range(self.version(stage.ledger) or 0, -1, -1):
            try:
                lines = self.store.read(f"{log}/{version:020d}.json").splitlines()
            except StoreError:
                return {}
            told: dict[str, Any] = next(
                (json.loads(line)["commitInfo"] for line in lines if b'"commitInfo"' in line), {}
            )
            noted: dict[str, Any] = json.loads(told.get("userMetadata") or "{}")
            if noted.get("stage") == stage.name:
                return noted
        return {}

    def stale(self, stage: Stage) -> str:
        """Why the stage's rows are out of date against code and settings; empty where they are not."""
        done = self.progress(stage)
        if not done:
            return ""
        if done["stage_version"] != stage.version:
            return f"made by version {done['stage_version']} of the stage, which is now {stage.version}"
        if done["settings_sha256"] != self.settings.digest(*stage.settings):
            return f"made under other settings of {', '.join(stage.settings)}"
        return ""

    def write(
        self,
        work: Work,
        name: str,
        frame: DataFrame,
        *,
        scope: DataFrame | str | None = None,
        keep: DataFrame | None = None,
        staged: bool = False,
    ) -> Written:
        """Stage a batch, run its suite, and commit what differs from the table.

        Args:
            work: the stage's work, which goes into the commit of its ledger.
            frame: the rows, with the contract's own columns in any order.
            scope: values of the table's scope column. Rows of that scope that are not in `frame` are deleted;
                `EVERYTHING` replaces all rows, and without a scope no row is deleted.
            keep: keys, or part of them, of rows in the scope that stay although they are not in `frame`.
            staged: whether `frame` is read from Parquet already, so that there is no need to stage it again.

        Raises:
            ContractMismatch: a column is missing, or of another type.
            GateFailed: a critical expectation failed; the table stays as it was.
        """
        table = contract(name)
        batch = self._conform(table, frame, work.stage)
        staging = "" if staged else self.staging(table.zone)
        try:
            if staging:
                batch.write.parquet(hadoop_path(staging))
                batch = self.spark.read.schema(self._schema(table)).parquet(hadoop_path(staging))
            if not batch.isEmpty():
                work.warnings += _passed(table, batch)
            written = self._commit(table, batch, _Scope(scope, keep), work)
        finally:
            if staging:
                self.store.delete_folder(staging)
        work.written.append(written)
        return written

    def write_all(self, work: Work, frames: dict[str, DataFrame], *, scope: DataFrame | str | None = None) -> None:
        """Write several tables side by side from frames that are staged already; raises as `write` does.

        Planning and committing take one thread each, so that two tables at a time use two cores.
        """
        from pyspark import inheritable_thread_target

        def one(item: tuple[str, DataFrame]) -> Written:
            return self.write(work, item[0], item[1], scope=scope, staged=True)

        with ThreadPoolExecutor(WRITERS) as pool:
            for _ in pool.map(inheritable_thread_target(self.spark)(one), frames.items()):
                pass

    def _conform(self, table: Table, frame: DataFrame, stage: Stage) -> DataFrame:
        """The frame with exactly the contract's columns, in its order and types."""
        from pyspark.sql import functions as F

        made = {"stage_version": stage.version, "settings_sha256": self.settings.digest(*stage.settings)}
        for column, value in made.items():
            frame = frame.withColumn(column, F.lit(value))
        found = dict(frame.dtypes)
        wanted = {field.name: field.dataType.simpleString() for field in self._schema(table).fields}
        for column, kind in wanted.items():
            if found.get(column) != kind:
                raise ContractMismatch(
                    f"{table.full_name}.{column} should be {kind} but is {found.get(column, 'missing')}. "
                    f"Stage `{stage.name}` must select what schemas/{table.name}.py declares."
                )
        return frame.select(*table.names)

    def _commit(self, table: Table, batch: DataFrame, scope: _Scope, work: Work) -> Written:
        from pyspark.sql import functions as F

        note = self._note(table, work)
        if self.version(table.full_name) is None:
            self._create(table)
            count = batch.count()
            if count or note:
                self._append(table, batch, note)
            return Written(table.full_name, count)
        self._check_version(table)
        changes = self._changes(table, batch, self.read(table.full_name), scope)
        counts = {row[ACTION]: row["count"] for row in changes.groupBy(ACTION).count().collect()}
        written = Written(table.full_name, *(counts.get(action, 0) for action in ("insert", "update", "delete")))
        if written.updated or written.deleted:
            self._merge(table, batch, changes.where(F.col(ACTION) != "keep"), note)
        elif written.inserted or (note and note != self.progress(work.stage)):
            if counts.get("keep"):
                new = changes.where(F.col(ACTION) == "insert").select(*table.key)
                batch = batch.join(new, list(table.key), "left_semi").select(*table.names)
            self._append(table, batch, note)
        return written

    def _changes(
        self,
        table: Table,
        batch: DataFrame,
        current: DataFrame,
        scope: _Scope,
    ) -> DataFrame:
        """Key and action of each row that is to be inserted, updated, deleted, or kept as the batch has it."""
        from pyspark.sql import functions as F

        new = batch.select(*table.key, _fingerprint(table).alias("_new"))
        old = current.select(*table.key, *_missing(table.scope, table.key), _fingerprint(table).alias("_old"))
        old = scope.marked(table, old)
        action = (
            F.when(F.col("_old").isNull(), "insert")
            .when(F.col("_new").isNull() & F.coalesce("_owned", F.lit(False)), "delete")
            .when(F.col("_new") != F.col("_old"), "update")
            .when(F.col("_new").isNotNull(), "keep")
        )
        both = new.join(old.drop(*_missing(table.scope, table.key)), list(table.key), "full_outer")
        return both.select(*table.key, action.alias(ACTION)).where(F.col(ACTION).isNotNull())

    def _create(self, table: Table) -> None:
        from delta.tables import DeltaTable

        builder = DeltaTable.create(self.spark).location(hadoop_path(self.uri(table))).addColumns(self._schema(table))
        properties = {
            CONTRACT_PROPERTY: str(table.version),
            "delta.enableChangeDataFeed": "true",
            "delta.minReaderVersion": "1",
            "delta.minWriterVersion": "4",
            # The ledger's metadata lives in the log, so the log outlives the data that time travel keeps.
            "delta.logRetentionDuration": "interval 3650 days",
            "delta.deletedFileRetentionDuration": table.retention,
            **{f"delta.constraints.{name}": sql for name, sql in table.checks.items()},
            **_statistics(table),
        }
        for name, value in properties.items():
            builder = builder.property(name, value)
        builder.execute()

    def _append(self, table: Table, rows: DataFrame, note: dict[str, Any]) -> None:
        writer = rows.write.format("delta").mode("append").option("userMetadata", json.dumps(note))
        writer.save(hadoop_path(self.uri(table)))

    def _merge(self, table: Table, staged: DataFrame, changes: DataFrame, note: dict[str, Any]) -> None:
        from delta.tables import DeltaTable

        source = changes.join(staged, list(table.key), "left")
        on = " AND ".join(f"t.{column} = s.{column}" for column in table.key)
        values = {column: f"s.{column}" for column in table.names}
        setting = "spark.databricks.delta.commitInfo.userMetadata"
        self.spark.conf.set(setting, json.dumps(note))
        try:
            (
                DeltaTable.forPath(self.spark, hadoop_path(self.uri(table)))
                .alias("t")
                .merge(source.alias("s"), on)
                .whenMatchedDelete(f"s.{ACTION} = 'delete'")
                .whenMatchedUpdate(f"s.{ACTION} = 'update'", set=dict(values))
                .whenNotMatchedInsert(f"s.{ACTION} = 'insert'", values=dict(values))
                .execute()
            )
        finally:
            self.spark.conf.unset(setting)

    def _note(self, table: Table, work: Work) -> dict[str, Any]:
        """What the commit of a ledger says of the stage's progress; empty for other tables."""
        if table.full_name != work.stage.ledger:
            return {}
        return {
            "stage": work.stage.name,
            "stage_version": work.stage.version,
            "settings_sha256": self.settings.digest(*work.stage.settings),
            "consumed": work.now,
        }

    def _refuse_stale(self, stage: Stage, done: dict[str, Any]) -> None:
        why = self.stale(stage)
        if why:
            raise StaleOutput(
                f"the rows of stage `{stage.name}` were {why}. Rows of two kinds are not mixed: run "
                f"`hemalake {stage.name} --rebuild` to replace them, or restore the setting."
            )

    def _check_version(self, table: Table) -> None:
        log = self._log(table)
        version = int(log.metadata().configuration.get(CONTRACT_PROPERTY, "1"))
        if version > table.version:
            raise LakeTooNew(
                f"{table.full_name} is of contract version {version}, but this HemaLake knows {table.version}. "
                "Install the version that wrote the lake, or a later one."
            )
        self._add_columns(table, {field.name for field in log.schema().fields})

    def _add_columns(self, table: Table, have: set[str]) -> None:
        """Add columns that the contract has gained; they must be nullable."""
        new = [column for column in table.columns if column.name not in have]
        for column in new:
            if not column.nullable:
                raise ContractMismatch(
                    f"{table.full_name} lacks the column {column.name}, which may not be null: this needs a migration."
                )
            self.spark.sql(
                f"ALTER TABLE delta.`{hadoop_path(self.uri(table))}` ADD COLUMNS ({column.name} {column.type})"
            )

    def _log(self, table: Table, version: int | None = None) -> Any:
        """The table's log through delta-rs, which needs no Spark session and no job."""
        from deltalake import DeltaTable

        uri, endpoint = self.uri(table), self.settings.places.s3_endpoint
        if not uri.startswith("s3a:"):
            return DeltaTable(uri, version)
        options = {"aws_region": os.environ.get("AWS_DEFAULT_REGION", "us-east-1")}
        if endpoint:
            options |= {"aws_endpoint": endpoint, "aws_allow_http": "true", "aws_virtual_hosted_style_request": "false"}
        return DeltaTable(uri.replace("s3a:", "s3:", 1), version, options)

    def _no_rows(self, table: Table) -> DataFrame:
        return self.spark.createDataFrame([], self._schema(table))

    def _schema(self, table: Table) -> Any:
        from pyspark.sql.types import StructType

        return StructType.fromDDL(table.ddl)


def contract(name: str) -> Table:
    """The contract of a table by its full name, such as `curated.crops`.

    Raises:
        UnknownTable: there is none.
    """
    if name not in TABLES:
        raise UnknownTable(f"no table is called {name!r}. There are: {', '.join(TABLES)}.")
    return TABLES[name]


def checked(name: str, frame: DataFrame, rules: Sequence[Rule]) -> list[str]:
    """Run rules on a frame; the warnings that failed.

    Raises:
        GateFailed: a critical rule failed.
    """
    from expectations import gate

    return _refusals(gate.check_rules, name, frame, tuple(rules))


def _passed(table: Table, batch: DataFrame) -> list[str]:
    """The warnings of a table's gate; Great Expectations takes one batch at a time."""
    from expectations import gate

    with _GATE:
        return _refusals(gate.check, table, batch)


def _refusals(check: Callable[..., list[str]], *batch: Any) -> list[str]:
    """The warnings of a gate, its refusal as one of our own errors."""
    from expectations.gate import GateRefused

    try:
        return check(*batch)
    except GateRefused as refusal:
        raise GateFailed(str(refusal)) from None


def _fingerprint(table: Table) -> SparkColumn:
    """All columns but the key and images as one comparable string; an image's identity is its pixel hash."""
    from pyspark.sql import functions as F

    compared = [c.name for c in table.columns if c.name not in table.key and c.type != "binary"]
    return F.to_json(F.struct(*compared))


def _missing(column: str, among: Sequence[str]) -> list[str]:
    return [column] if column and column not in among else []


def _statistics(table: Table) -> dict[str, str]:
    """Leave images out of the statistics of files: nobody asks for the least image."""
    kept = [c.name for c in table.columns if not c.type.startswith(("binary", "array", "map"))]
    has_binary = any(c.type == "binary" for c in table.columns)
    return {"delta.dataSkippingStatsColumns": ",".join(kept)} if has_binary else {}
