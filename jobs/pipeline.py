"""The stages in their order, run one after another or one alone; for the command line and for Airflow alike.

Each run of a stage holds the stage's lease, checks that units are accounted for, and leaves one JSON record with what
varies by run: its id, host and times, versions read and written, and counts.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobs import session
from jobs.accounting import Account
from jobs.errors import without_values
from jobs.keys import check_key
from jobs.lake import Lake, Work, Written, contract
from jobs.lease import lease_of
from schemas.stages import INGEST, RELEASE, STAGES, Stage


@dataclass(frozen=True)
class Outcome:
    """What one run of a stage did."""

    stage: Stage
    accounts: Sequence[Account]
    written: Sequence[Written]
    warnings: Sequence[str]
    seconds: float
    skipped: bool = False

    @property
    def changed(self) -> int:
        """Rows that were inserted, updated or deleted, in all tables."""
        return sum(w.inserted + w.updated + w.deleted for w in self.written)


def run(
    lake: Lake,
    stages: Sequence[Stage] = STAGES,
    *,
    rebuild: bool = False,
    told: Callable[[Outcome], None] = lambda outcome: None,
    starting: Callable[[Stage], None] = lambda stage: None,
) -> list[Outcome]:
    """Run stages in their order.

    Args:
        rebuild: do everything anew and replace what is there.
        told: called with each outcome as it comes.
        starting: called before each stage.

    Raises:
        HemalakeError: a stage failed; those after it were not run.
    """
    check_key(lake)
    outcomes = []
    for stage in stages:
        starting(stage)
        outcome = run_stage(lake, stage, rebuild=rebuild)
        told(outcome)
        outcomes.append(outcome)
    return outcomes


def run_stage(lake: Lake, stage: Stage, *, rebuild: bool = False) -> Outcome:
    """Run one stage under its lease; a stage whose inputs are as it left them does nothing."""
    started = time.time()
    with lease_of(lake.store, lake.settings, stage.name):
        work = lake.work(stage, rebuild=rebuild) if stage.writes else Work(stage, {}, {})
        if work.nothing and stage not in (INGEST, RELEASE):
            return Outcome(stage, (), (), (), time.time() - started, skipped=True)
        lake.running = stage.name
        lake.clear_staging()
        try:
            session.expect(lake.spark, lake.settings, _rows_new(lake, work))
            accounts: list[Account] = importlib.import_module(f"jobs.{stage.name}.stage").run(lake, work)
            for account in accounts:
                account.balance(stage.name)
        except Exception as error:
            failed = without_values(error)
            _record(lake, work, [], started, str(failed))
            raise failed from None
        outcome = Outcome(stage, accounts, work.written, work.warnings, time.time() - started)
        if outcome.changed or any(account.came for account in accounts):
            _record(lake, work, accounts, started, None)
        return outcome


def _rows_new(lake: Lake, work: Work) -> int:
    """By how many rows the tables have grown that the stage reads, since it consumed them last."""
    import pyarrow as pa

    def rows(name: str, version: int) -> int:
        files = pa.table(lake.log(contract(name), version).get_add_actions())
        return sum(count or 0 for count in files["num_records"].to_pylist())

    new = 0
    for name, now in work.now.items():
        last = work.last(name)
        new += max(0, rows(name, now) - (0 if last is None or last > now else rows(name, last)))
    return new


def _record(lake: Lake, work: Work, accounts: Sequence[Account], started: float, error: str | None) -> None:
    """Leave the record of one run, in `restricted/runs`."""
    moment = datetime.fromtimestamp(started, UTC).strftime("%Y%m%dT%H%M%S")
    name = f"{moment}-{work.stage.name}-{uuid.uuid4().hex[:8]}"
    record: dict[str, Any] = {
        "run": name,
        "stage": work.stage.name,
        "stage_version": work.stage.version,
        "settings_sha256": lake.settings.digest(*work.stage.settings),
        "host": platform.node(),
        "pid": os.getpid(),
        "started": moment,
        "seconds": round(time.time() - started, 3),
        "read": {"since": work.since, "now": work.now},
        "written": [
            {**vars(written), "version": lake.version(written.table)} for written in work.written if written.changed
        ],
        "accounts": [vars(account) for account in accounts],
        "warnings": work.warnings,
        "error": error,
    }
    uri = f"{lake.settings.zone_root('restricted')}/runs/{name}.json"
    lake.store.write(uri, json.dumps(record, indent=1).encode())
