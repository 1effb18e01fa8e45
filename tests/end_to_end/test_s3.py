"""The whole lake on S3 is a setting: the same pipeline, on a real S3 server, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jobs import demo
from jobs.hospital.build import build
from jobs.lake import Lake
from jobs.release import stage
from jobs.settings import load_settings
from jobs.store import Store
from tests.s3 import s3_server


def hemalake(*arguments: str) -> str:
    command = [sys.executable, "-m", "jobs.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout


def test_a_lake_on_s3_ends_the_same(ran, tmp_path: Path):
    build(tmp_path / "hospital", patients=4, cells=60, seed=1)
    settings = demo.prepare(tmp_path, 4, 1)
    with s3_server(tmp_path / "s3") as endpoint:
        store = Store(endpoint)
        for file in sorted((tmp_path / "hospital" / "landing").rglob("*")):
            if file.is_file():
                inside = file.relative_to(tmp_path / "hospital" / "landing")
                store.write(f"s3a://lake/landing/{inside}", file.read_bytes())
        text = settings.read_text().replace('lake = "lake"', f'lake = "s3a://lake/lake"\ns3_endpoint = "{endpoint}"')
        settings.write_text(text.replace('landing = "hospital/landing"', 'landing = "s3a://lake/landing"'))
        hemalake("run", "--settings", str(settings))
        counted = hemalake("query", "SELECT count(*) FROM curated.samples", "--csv", "--settings", str(settings))
        assert counted.split()[-1] == str(ran.lake.read("curated.samples").count())
        hemalake("review", "--approve", "--officer", "An Officer", "--settings", str(settings))
        hemalake("release", "--settings", str(settings))
        published = stage.status(Lake(load_settings(settings)))["published"]
        assert [release["version"] for release in published] == ["v1"]
        assert store.exists("s3a://lake/lake/released/v1/manifest.json")
