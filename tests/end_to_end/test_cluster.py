"""The pipeline on a standalone Spark cluster whose two workers see nothing of the project but what the job ships."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyspark
import pytest
from deltalake import DeltaTable

from jobs import demo
from jobs.lake import Lake
from jobs.settings import load_settings
from jobs.store import local_path
from schemas.contract import Table, Zone
from schemas.tables import TABLES
from tests.planted import leaks

ROOT = Path(__file__).resolve().parents[2]
SPARK_HOME = Path(pyspark.__file__).parent
HIDDEN = [str(ROOT / name) for name in ("jobs", "schemas", "expectations", "dags")]
HIDE = 'while [ "$1" != -- ]; do mount -t tmpfs none "$1"; shift; done; shift; exec "$@"'
WORKERS = 2
# The other lake took the same deliveries in two runs, so it has one snapshot more.
CURATED = [table for table in TABLES.values() if table.zone is Zone.CURATED and table.name != "snapshots"]


def blind() -> list[str]:
    """A command that runs another one where the checkout's packages are empty folders."""
    for unshare in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        command = [*unshare, "sh", "-c", HIDE, "blind", *HIDDEN, "--"]
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    pytest.skip("this machine lets no process have mounts of its own, so nothing can be hidden from a worker")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(folder: Path, hidden_from_worker: list[str]) -> Iterator[str]:
    """A master and workers of one core on the loopback; its address, once all are registered."""
    spark_class = str(SPARK_HOME / "bin" / "spark-class")
    port, where = free_port(), ["--host", "127.0.0.1", "--webui-port", "0", "--port"]
    package = "org.apache.spark.deploy"
    master = [spark_class, f"{package}.master.Master", *where, str(port)]
    worker = [
        *hidden_from_worker, spark_class, f"{package}.worker.Worker", *where, "0",
        "--cores", "1", "--memory", "1g", "--work-dir", str(folder / "work"), f"spark://127.0.0.1:{port}",
    ]  # fmt: skip
    workers = {f"worker{number}": worker for number in range(WORKERS)}
    folder.mkdir()
    env = {
        **os.environ,
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
    }
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in {"master": master, **workers}.items():
            with (folder / f"{name}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log, start_new_session=True)
                )
        until = time.monotonic() + 60
        for name in workers:
            while "Successfully registered with master" not in (folder / f"{name}.log").read_text():
                assert time.monotonic() < until, (folder / f"{name}.log").read_text()
                time.sleep(0.2)
        yield f"spark://127.0.0.1:{port}"
    finally:
        for process in reversed(started):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            process.wait(timeout=30)


def rows(lake: Lake, table: Table) -> dict[tuple[object, ...], tuple[object, ...]] | None:
    """All rows by their keys, images by their bytes; None where the table is not there."""
    folder = str(local_path(lake.uri(table)))
    if not DeltaTable.is_deltatable(folder):
        return None
    held = DeltaTable(folder).to_pyarrow_table().to_pylist()
    found = {tuple(row[name] for name in table.key): tuple(map(str, row.values())) for row in held}
    assert len(found) == len(held)
    return found


def test_a_worker_needs_only_what_the_job_ships(tmp_path, ran):
    hospital = ran.folder / "hospital"
    hide = blind()
    seen = subprocess.run([*hide, sys.executable, "-c", "import jobs.pixels"], cwd=tmp_path, capture_output=True)
    assert seen.returncode == 1, "the worker would see the checkout"

    events = tmp_path / "events"
    events.mkdir()
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "hospital").symlink_to(hospital)
    settings = demo.prepare(tmp_path / "cluster", patients=4, seed=1)
    with cluster(tmp_path / "spark", hide) as master:
        settings.write_text(
            settings.read_text() + f'\n[spark]\nmaster = "{master}"\ndriver_memory = "1g"\n[spark.conf]\n'
            f'"spark.eventLog.enabled" = "true"\n"spark.eventLog.dir" = "{events.as_uri()}"\n'
            '"spark.executor.memory" = "1g"\n'
        )
        command = [sys.executable, "-m", "jobs.cli", "run", "--settings", str(settings)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    (tmp_path / "spark" / "driver.log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr
    ran_on = list((tmp_path / "spark" / "work").glob("app-*/*/stderr"))
    assert len(ran_on) == WORKERS, "a worker had nothing to do"

    remote = Lake(load_settings(settings))
    differing = [table.full_name for table in CURATED if rows(remote, table) != rows(ran.lake, table)]
    assert differing == []
    assert rows(remote, TABLES["curated.samples"])

    assert any(file.stat().st_size for file in events.rglob("*") if file.is_file())
    for shipped in [*(tmp_path / "spark").rglob("*.zip"), *(tmp_path / "spark").rglob("*.jar")]:
        shipped.unlink()  # program code, which holds the synthetic hospital's lists of names
    assert leaks(hospital / "truth.json", [tmp_path / "spark", events]) == []
