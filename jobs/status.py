"""What is where, how much, what is held back and why, and what is stale: a look at the lake without Spark."""

from __future__ import annotations

from jobs.lake import Lake
from jobs.query import connect
from schemas.contract import Zone
from schemas.stages import STAGES
from schemas.tables import TABLES


def show(lake: Lake) -> None:
    """Print tables, stages, quarantine and releases."""
    from rich.console import Console

    console = Console()
    connection = connect(lake, (Zone.RESTRICTED, Zone.CURATED))
    console.print(_tables(lake, connection))
    console.print(_stages(lake))
    if lake.version("restricted.quarantine") is not None:
        console.print(_quarantine(connection))
    _releases(lake, console)


def _tables(lake: Lake, connection: object) -> object:
    from rich.table import Table

    shown = Table("table", "rows", "version", "one row a …", title="Tables")
    for name, table in TABLES.items():
        version = lake.version(name)
        if version is not None:
            count = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # type: ignore[attr-defined]
            shown.add_row(name, f"{count:,}", str(version), table.grain.removeprefix("one row a "))
    return shown


def _stages(lake: Lake) -> object:
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


def _quarantine(connection: object) -> object:
    from rich.table import Table

    shown = Table("stage", "held back", "units", "resolved", "why", title="Quarantine")
    rows = connection.execute(  # type: ignore[attr-defined]
        "SELECT stage, unit_kind, count(*) FILTER (resolved_by IS NULL), count(*) FILTER (resolved_by IS NOT NULL), "
        "sentence FROM restricted.quarantine GROUP BY stage, unit_kind, sentence ORDER BY ALL"
    ).fetchall()
    for stage, kind, held, resolved, sentence in rows:
        shown.add_row(stage, kind, str(held), str(resolved), sentence)
    return shown


def _releases(lake: Lake, console: object) -> None:
    from jobs.release import stage as release

    found = release.status(lake)
    for name, value in found.items():
        console.print(f"{name}: {value}")  # type: ignore[attr-defined]
