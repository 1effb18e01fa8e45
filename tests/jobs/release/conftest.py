"""A lake as the stages before leave it, written once, and copies of it that a test may change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jobs.lake import EVERYTHING, Lake, contract
from jobs.release.build import Snapshot, build_candidate
from jobs.release.candidate import Candidate
from jobs.settings import Places, Release, Settings, Source
from jobs.store import hadoop_path
from schemas.stages import CROP, DEDUPLICATE, JOIN, VALIDATE, Stage
from tests.jobs.release import hospital

STAGE_OF: dict[str, Stage] = {
    "curated.samples": JOIN,
    "curated.crops": CROP,
    "curated.duplicates": DEDUPLICATE,
    "curated.snapshots": VALIDATE,
}


def put(lake: Lake, name: str, rows: list[dict[str, Any]]) -> int:
    """Make the rows all that a table holds; returns the table's version."""
    schema = ", ".join(f"{column.name} {column.type}" for column in contract(name).own_columns)
    frame = lake.spark.createDataFrame(rows, schema)
    lake.write(lake.work(STAGE_OF[name]), name, frame, scope=EVERYTHING)
    version = lake.version(name)
    assert version is not None
    return version


def put_unchecked(lake: Lake, name: str, rows: list[dict[str, Any]]) -> int:
    """Make the rows a table that is only read here, without staging and gate: several times as fast."""
    made = {"stage_version": "1", "settings_sha256": "0" * 64}
    frame = lake.spark.createDataFrame([row | made for row in rows], contract(name).ddl)
    frame.coalesce(1).write.format("delta").save(hadoop_path(lake.uri(contract(name))))
    return 0


def settings_at(root: Path) -> Settings:
    """Settings of a lake at a place; seven rows a file give every side several, and 9 patients hardly look alike."""
    places = Places(lake=(root / "lake").as_uri(), landing=(root / "landing").as_uri())
    release = Release(title="Cells of a small hospital", rows_per_file=7, k=2)
    return Settings(places=places, sources={"helsinki": Source()}, release=release)


def fresh_process(lake: Lake, script: str) -> str:
    """Run a script on a lake in an interpreter of its own; `settings_at` and `place` are there. Returns its output.

    It lies in a file: under `python -c`, PySpark's Connect client takes itself for its own doctests and exits with 0.
    """
    root = Path(lake.settings.places.lake.removeprefix("file://")).parent
    head = (
        f"from pathlib import Path\nfrom tests.jobs.release.conftest import settings_at\nplace = Path({str(root)!r})\n"
    )
    file = root / "fresh.py"
    file.write_text(head + script)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=True, env=environment)
    return done.stdout


@dataclass(frozen=True)
class Built:
    """A lake with a complete candidate."""

    lake: Lake
    snapshot: Snapshot
    candidate: Candidate


@pytest.fixture(scope="session")
def built(spark, tmp_path_factory) -> Built:
    """Every table that a release and its report read, and the candidate; not to be changed."""
    lake = Lake(settings_at(tmp_path_factory.mktemp("release")), spark)
    samples = [hospital.sample(cell) for cell in range(hospital.CELLS)]
    samples[9] |= {"duplicate_of": hospital.key("cell", 0)}
    tables = {
        "curated.samples": put(lake, "curated.samples", samples),
        "curated.crops": put(lake, "curated.crops", [hospital.crop(cell) for cell in range(hospital.CELLS)]),
        "curated.duplicates": put(
            lake, "curated.duplicates", [hospital.duplicate("cell", 0, 9), hospital.duplicate("scan", 0, 1)]
        ),
        "curated.deid_log": put_unchecked(lake, "curated.deid_log", hospital.deid_log()),
    }
    for name in ("files", "records", "shapes", "identifiers", "quarantine"):
        put_unchecked(lake, f"restricted.{name}", getattr(hospital, name)())
    snapshot = Snapshot("5" * 64, 1, tables, 2)
    put(
        lake,
        "curated.snapshots",
        [{"snapshot_id": snapshot.id, "number": 1, "tables": tables, "warnings": snapshot.warnings}],
    )
    return Built(lake, snapshot, build_candidate(lake, snapshot))


@pytest.fixture
def copied(built: Built, tmp_path: Path) -> Built:
    """The same lake at another place, for a test to change."""
    source = Path(built.lake.settings.places.lake.removeprefix("file://"))
    shutil.copytree(source, tmp_path / "lake")
    lake = Lake(replace(built.lake.settings, places=settings_at(tmp_path).places), built.lake._spark)
    return replace(built, lake=lake)
