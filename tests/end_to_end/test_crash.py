"""A crash at any point loses nothing and doubles nothing on the next run.

A process of its own runs the pipeline and kills itself, as `kill -9` would, when a table's batch is staged and not yet
committed, or when a file of it lies in the table's folder and no commit names it. The next process goes on.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from jobs import pipeline
from tests.end_to_end.conftest import prepare

KILLED_AT = (
    "restricted.shapes",  # within ingest, when some of its tables are written
    "restricted.files",  # at ingest's ledger
    "curated.annotations",
    "curated/cells/",
    "curated.crops",
    "curated.duplicates",
    "curated.samples",
    "curated.snapshots",
)

SCRIPT = """
import os, signal, sys
from jobs import lake, cli, store
commit, link = lake.Lake._commit, store.Store.link
def dying(self, table, *rest):
    if table.full_name == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
    return commit(self, table, *rest)
def dying_linked(self, source, target):
    link(self, source, target)
    if sys.argv[1] in target:
        os.kill(os.getpid(), signal.SIGKILL)
lake.Lake._commit, store.Store.link = dying, dying_linked
sys.exit(cli.main(["run", "--settings", sys.argv[2]]))
"""

PUBLISH = """
import os, signal, sys
from jobs import store, cli
write = store.Store.write
def dying(self, uri, data):
    if uri.endswith("/manifest.json") and "/released/" in uri:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, uri, data)
store.Store.write = dying
sys.exit(cli.main(["release", "--settings", sys.argv[1]]))
"""


def content(ran, name: str) -> set[str]:
    """A table's rows as text, without images: the pixels' hash stands for them."""
    from pyspark.sql import functions as F

    rows = ran.lake.read(name)
    kept = [c for c, kind in rows.dtypes if kind != "binary"]
    return {row[0] for row in rows.select(F.to_json(F.struct(*kept))).collect()}


def test_killed_between_staging_and_commit_in_each_stage(ran, tmp_path, spark):
    crashed = prepare(tmp_path, spark)
    settings = str(tmp_path / "hemalake.toml")
    script = tmp_path / "dying.py"
    script.write_text(SCRIPT)
    for table in KILLED_AT:
        died = subprocess.run([sys.executable, script, table, settings], capture_output=True, check=False)
        assert died.returncode == -signal.SIGKILL, (table, died.stderr[-500:])
    pipeline.run(crashed.lake)
    for name in ("restricted.records", "restricted.shapes", "restricted.quarantine", "curated.scans"):
        assert content(crashed, name) == content(ran, name), name
    for name in ("curated.cells", "curated.votes", "curated.crops", "curated.duplicates", "curated.samples"):
        assert crashed.lake.read(name).count() == len(content(crashed, name)), f"{name} has rows twice"
        assert content(crashed, name) == content(ran, name), name
    leftovers = [
        e.uri
        for z in ("restricted", "curated")
        for e in crashed.lake.store.list(f"{tmp_path.as_uri()}/lake/{z}/_staging")
    ]
    assert leftovers == []


def test_killed_while_publishing(ran, tmp_path):
    from jobs.release import signoff, stage

    crashed = ran.copy(tmp_path)
    settings = str(tmp_path / "hemalake.toml")
    candidate = stage.newest_candidate(crashed.lake)
    signoff.decide(crashed.lake, candidate.release_sha256, "approved", officer="Officer", comment="", by="command line")
    script = tmp_path / "dying.py"
    script.write_text(PUBLISH)
    died = subprocess.run([sys.executable, script, settings], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr[-500:]
    assert stage.status(crashed.lake)["published"] == []
    subprocess.run(
        [sys.executable, "-m", "jobs.cli", "release", "--settings", settings], check=True, capture_output=True
    )
    assert [one["version"] for one in stage.status(crashed.lake)["published"]] == ["v1"]
