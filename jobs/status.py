"""What is where, how much, what is held back and why, and what is stale: a look at the lake without Spark."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from jobs.lake import Lake
from jobs.query import connect
from schemas.contract import Zone
from schemas.stages import STAGES
from schemas.tables import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from rich.table import Table


def show(lake: Lake) -> None:
    """Print tables, stages, quarantine and releases."""
    from rich.console import Console

    console = Console()
    with closing(connect(lake, (Zone.RESTRICTED, Zone.CURATED))) as connection:
        console.print(_tables(lake, connection))
        console.print(_stages(lake))
        if lake.version("restricted.quarantine") is not None:
            console.print(_quarantine(connection))
    console.print(_releases(lake))


def _tables(lake: Lake, connection: DuckDBPyConnection) -> Table:
    from rich.table import Table

    shown = Table("table", "rows", "version", "one row a …", title="Tables")
    for name, table in TABLES.items():
        version = lake.version(name)
        if version is not None:
            count = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            shown.add_row(name, f"{count:,}", str(version), table.grain.removeprefix("one row a "))
    return shown


def _stages(lake: Lake) -> Table:
    from rich.table import Table

    shown = Table("stage", "state", title="Stages")
    for stage in STAGES:
        if not stage.writes:
            continue
        done = lake.progress(stage)
        behind = [name for name in stage.reads if lake.version(name) != done.get("consumed", {}).get(name)]
        stale = lake.stale(stage)
        state = "not run yet" if not done else f"stale: {stale}" if stale else "up to date"
        if done and not stale and behind:
            state = f"has work: {', '.join(behind)} changed"
        shown.add_row(stage.name, state)
    return shown


def _quarantine(connection: DuckDBPyConnection) -> Table:
    from rich.table import Table

    shown = Table("stage", "held back", "units", "resolved", "why", title="Quarantine")
    rows = connection.execute(
        "SELECT stage, unit_kind, count(*) FILTER (resolved_by IS NULL), count(*) FILTER (resolved_by IS NOT NULL), "
        "sentence FROM restricted.quarantine GROUP BY stage, unit_kind, sentence ORDER BY ALL"
    ).fetchall()
    for stage, kind, held, resolved, sentence in rows:
        shown.add_row(stage, kind, str(held), str(resolved), sentence)
    return shown


def _releases(lake: Lake) -> Table:
    from rich.table import Table

    from jobs.release import stage as release

    found = release.status(lake)
    shown = Table(title="Release", show_header=False)
    candidate = found["candidate"]
    if candidate:
        shown.add_row("candidate", f"{candidate['id']}: {candidate['cells']} cells of {candidate['patients']} patients")
        shown.add_row("sha256", candidate["release_sha256"])
        shown.add_row("report", found["report"] or "")
        shown.add_row("decision", found["decision"]["decision"] if found["decision"] else "waits for an officer")
    versions = [f"{one['version']} ({one['cells']} cells)" for one in found["published"]]
    shown.add_row("published", ", ".join(versions) or "nothing yet")
    return shown
