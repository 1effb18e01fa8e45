"""Read and write the lake's tables, each held to its contract. What Delta is asked for stands in `delta.py`.

Writing has three steps: the batch is staged as Parquet beside the table, its suite of expectations runs on what was
staged, and one Delta commit takes over what differs from the table: the staged files as they are where all of their
rows are new. A commit that would change nothing is not made.
A stage's last table is its ledger: the commit's metadata says which versions of the upstream tables it consumed, so
that progress is stored with the rows that it led to, or not at all.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from jobs import delta
from jobs.changes import ACTION, EVERYTHING, Scope, changes_of
from jobs.errors import ContractMismatch, GateFailed, LakeTooNew, StaleOutput, StoreError, UnknownTable
from jobs.settings import Settings
from jobs.store import Store, hadoop_path
from schemas.contract import Table, Zone
from schemas.stages import Stage
from schemas.tables import TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from expectations.rules import Rule

__all__ = ["EVERYTHING", "Lake", "Work", "Written", "checked", "contract"]

WRITERS = 2
_GATE = Lock()
FEW_FILES = 32
"""Tables of so many files are read by the list of them: for small ones, Spark's jobs over the log cost more than the
rows. From here on Spark would list them in a job of its own."""


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

    @property
    def key_uri(self) -> str:
        """Where the lake keeps what it knows of its pseudonym key; see `keys.py`."""
        return f"{self.settings.zone_root('restricted')}/key.json"

    def key_rotations(self) -> int:
        """How often the lake was given another key."""
        if not self.store.exists(self.key_uri):
            return 0
        return int(json.loads(self.store.read(self.key_uri)).get("rotations", 0))

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
            return delta.no_rows(self.spark, table)
        files = self.log(table, version).file_uris()
        if len(files) > FEW_FILES:
            reader = self.spark.read.format("delta")
            reader = reader if version is None else reader.option("versionAsOf", version)
            return delta.with_columns(reader.load(hadoop_path(self.uri(table))), table)
        return delta.rows_of(self.spark, table, [f"{self.uri(table)}/{file.rsplit('/', 1)[-1]}" for file in files])

    def glance(self, name: str) -> Any:
        """The rows of a table as a PyArrow dataset, through delta-rs: for a look that is not worth a Spark session."""
        return self.log(contract(name)).to_pyarrow_dataset()

    def changes(self, name: str, since: int | None) -> DataFrame:
        """Rows that were inserted, updated (before and after) or deleted after a version; all rows where it is None."""
        table = contract(name)
        now = self.version(name)
        if since is None or now is None:
            return self.read(name)
        if since >= now:
            return delta.no_rows(self.spark, table)
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
        return self.noted(stage)[1]

    def noted(self, stage: Stage) -> tuple[int, dict[str, Any]]:
        """The version of the ledger that holds the stage's progress, and the progress; 0 and nothing without one."""
        log = f"{self.uri(contract(stage.ledger))}/_delta_log"
        for version in range(self.version(stage.ledger) or 0, -1, -1):
            try:
                lines = self.store.read(f"{log}/{version:020d}.json").splitlines()
            except StoreError:
                break
            told: dict[str, Any] = next(
                (json.loads(line)["commitInfo"] for line in lines if b'"commitInfo"' in line), {}
            )
            noted: dict[str, Any] = json.loads(told.get("userMetadata") or "{}")
            if noted.get("stage") == stage.name:
                return version, noted
        return 0, {}

    def stale(self, stage: Stage) -> str:
        """Why the stage's rows are out of date against code and settings; empty where they are not."""
        done = self.progress(stage)
        if not done:
            return ""
        if done["stage_version"] != stage.version:
            return f"made by version {done['stage_version']} of the stage, which is now {stage.version}"
        if done["settings_sha256"] != self.settings.digest(*stage.settings):
            return f"made under other settings of {', '.join(stage.settings)}"
        if stage.keyed and done.get("key_rotations", 0) != self.key_rotations():
            return "made under another pseudonym key"
        return ""

    def write(
        self,
        work: Work,
        name: str,
        frame: DataFrame,
        *,
        scope: DataFrame | str | None = None,
        keep: DataFrame | None = None,
        files: Sequence[str] = (),
    ) -> Written:
        """Stage a batch, run its suite, and commit what differs from the table.

        Args:
            work: the stage's work, which goes into the commit of its ledger.
            frame: the rows, with the contract's own columns in any order.
            scope: values of the table's scope column. Rows of that scope that are not in `frame` are deleted;
                `EVERYTHING` replaces all rows, and without a scope no row is deleted.
            keep: keys, or part of them, of rows in the scope that stay although they are not in `frame`.
            files: URIs of the Parquet files that hold exactly the rows of `frame`, if there are such already: then
                `frame` is only looked at for its columns.

        Raises:
            ContractMismatch: a column is missing, of another type, or null where it may not be.
            GateFailed: a critical expectation failed; the table stays as it was.
        """
        table = contract(name)
        conformed = self._conform(table, frame, work.stage)
        with nullcontext(files) if files else self._staged(table, conformed) as staged:
            batch = delta.rows_of(self.spark, table, staged)
            if staged:
                work.warnings += _passed(table, batch)
            if not staged and scope is None and name != work.stage.ledger and self.version(name) is not None:
                written = Written(name)  # nothing to insert, and nothing may be deleted
            else:
                written = self._commit(table, batch, staged, Scope(scope, keep), work)
        work.written.append(written)
        return written

    def write_all(self, work: Work, frames: dict[str, DataFrame], *, scope: DataFrame | str | None = None) -> None:
        """Write several tables side by side; raises as `write` does."""
        self.side_by_side(*(partial(self.write, work, name, frame, scope=scope) for name, frame in frames.items()))

    def side_by_side(self, *writes: Callable[[], Any]) -> None:
        """Make writes of several tables, none of them the ledger of its stage; raises as the first that fails.

        Planning and committing take one thread each, so that two tables at a time use two cores.
        """
        from pyspark import inheritable_thread_target

        with ThreadPoolExecutor(WRITERS) as pool:
            for _ in pool.map(inheritable_thread_target(self.spark)(lambda write: write()), writes):
                pass

    def made_by(self, stage: Stage) -> dict[str, str]:
        """What each row says of its making."""
        return {"stage_version": stage.version, "settings_sha256": self.settings.digest(*stage.settings)}

    def _conform(self, table: Table, frame: DataFrame, stage: Stage) -> DataFrame:
        """The frame with exactly the contract's columns, in its order and types."""
        from pyspark.sql import functions as F

        for column, value in self.made_by(stage).items():
            frame = frame.withColumn(column, F.lit(value))
        found = dict(frame.dtypes)
        wanted = {field.name: field.dataType.simpleString() for field in delta.schema(table).fields}
        for column, kind in wanted.items():
            if found.get(column) != kind:
                raise ContractMismatch(
                    f"{table.full_name}.{column} should be {kind} but is {found.get(column, 'missing')}. "
                    f"Stage `{stage.name}` must select what schemas/{table.name}.py declares."
                )
        return frame.select(*table.names)

    def _commit(self, table: Table, batch: DataFrame, files: Sequence[str], scope: Scope, work: Work) -> Written:
        from pyspark.sql import functions as F

        note = self._note(table, work)
        if self.version(table.full_name) is None:
            delta.create(self.uri(table), self.settings.places.s3_endpoint, table)
            return Written(table.full_name, self._take(table, files, note))
        self._check_version(table)
        changes = changes_of(table, batch, self.read(table.full_name), scope)
        counts = {row[ACTION]: row["count"] for row in changes.groupBy(ACTION).count().collect()}
        written = Written(table.full_name, *(counts.get(action, 0) for action in ("insert", "update", "delete")))
        if written.updated or written.deleted:
            delta.merge(self.spark, self.uri(table), table, batch, changes.where(F.col(ACTION) != "keep"), note)
        elif written.inserted and counts.get("keep"):
            new = changes.where(F.col(ACTION) == "insert").select(*table.key)
            with self._staged(table, batch.join(new, list(table.key), "left_semi").select(*table.names)) as some:
                self._take(table, some, note)
        elif written.inserted or (note and note != self.progress(work.stage)):
            self._take(table, files if written.inserted else (), note)
        return written

    def _take(self, table: Table, files: Sequence[str], note: dict[str, Any]) -> int:
        return delta.take(self.log(table), self.store, self.uri(table), files, table, note)

    @contextmanager
    def _staged(self, table: Table, batch: DataFrame) -> Iterator[Sequence[str]]:
        """The Parquet files that hold the rows of a batch, written beside the table and removed at the end."""
        place = self.staging(table.zone)
        try:
            # A union has the partitions of all its parts, and each would be a file.
            batch.coalesce(self.spark.sparkContext.defaultParallelism).write.parquet(hadoop_path(place))
            written = [entry.uri for entry in self.store.list(place) if entry.uri.endswith(".parquet")]
            yield [file for file in written if delta.has_rows(self.store, file)]
        finally:
            self.store.delete_folder(place)

    def log(self, table: Table, version: int | None = None) -> Any:
        """The table's log, now or at a version, as delta-rs reads it."""
        return delta.log(self.uri(table), self.settings.places.s3_endpoint, version)

    def _check_version(self, table: Table) -> None:
        log = self.log(table)
        told = log.metadata().configuration
        version = int(told.get(delta.CONTRACT_PROPERTY, "1"))
        if version > table.version:
            raise LakeTooNew(
                f"{table.full_name} is of contract version {version}, but this HemaLake knows {table.version}. "
                "Install the version that wrote the lake, or a later one."
            )
        have = {field.name: field.nullable for field in log.schema().fields}
        prefix = "delta.constraints."
        checks = {name.removeprefix(prefix): sql for name, sql in told.items() if name.startswith(prefix)}
        delta.widen(self.spark, self.uri(table), table, have, checks)

    def _note(self, table: Table, work: Work) -> dict[str, Any]:
        """What the commit of a ledger says of the stage's progress; empty for other tables."""
        if table.full_name != work.stage.ledger:
            return {}
        return {
            "stage": work.stage.name,
            "stage_version": work.stage.version,
            "settings_sha256": self.settings.digest(*work.stage.settings),
            "consumed": work.now,
            "key_rotations": self.key_rotations(),
        }

    def _refuse_stale(self, stage: Stage, done: dict[str, Any]) -> None:
        why = self.stale(stage)
        if why:
            raise StaleOutput(
                f"the rows of stage `{stage.name}` were {why}. Rows of two kinds are not mixed: run "
                f"`hemalake {stage.name} --rebuild` to replace them, or restore the setting."
            )


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
