"""A small synthetic hospital that went through the whole pipeline, once for all tests of this folder.

It arrives as it would: first the deliveries of all patients, later a batch of votes.
"""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jobs import demo, pipeline
from jobs.hospital.build import build
from jobs.lake import Lake
from jobs.pipeline import Outcome
from jobs.settings import load_settings
from schemas.tables import TABLES


@dataclass
class Ran:
    """A hospital, its lake and what was planted."""

    folder: Path
    lake: Lake
    truth: dict[str, Any]
    before_votes: dict[str, Any] = field(default_factory=dict)
    """Table versions, and cell and crop keys, before the late votes came."""
    with_votes: Sequence[Outcome] = ()
    """What the run did that took in the late votes."""

    @property
    def landing(self) -> Path:
        return self.folder / "hospital" / "landing"

    def versions(self) -> dict[str, int | None]:
        return {name: self.lake.version(name) for name in TABLES}

    def held(self) -> dict[str, str]:
        rows = self.lake.read("restricted.quarantine").where("resolved_by IS NULL").collect()
        return {row.place: row.reason for row in rows}

    def copy(self, folder: Path) -> Ran:
        """The same hospital and lake in another place, to go on from."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return opened(folder, self.lake.spark)


def prepare(folder: Path, spark: Any, *, patients: int = 4, cells: int = 60, seed: int = 1) -> Ran:
    """A hospital with settings and key, not run yet."""
    build(folder / "hospital", patients=patients, cells=cells, seed=seed)
    demo.prepare(folder, patients, seed)
    return opened(folder, spark)


def opened(folder: Path, spark: Any) -> Ran:
    """What lies in a folder."""
    truth = json.loads((folder / "hospital" / "truth.json").read_text())
    return Ran(folder, Lake(load_settings(folder / "hemalake.toml"), spark), truth)


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory, spark) -> Ran:
    """The hospital after all of it arrived; tests read it and leave it as it is.

    The processes of a run share it: the first to ask makes it, and each has a copy of its own.
    """
    own = tmp_path_factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "arrived"
    place.mkdir(exist_ok=True)
    noted = place / "noted.pickle"
    with (place / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not noted.exists():
            before, outcomes = arrive(prepare(place / "ran", spark))
            noted.write_bytes(pickle.dumps((before, outcomes)))
    found = opened(place / "ran", spark).copy(tmp_path_factory.mktemp("hospital"))
    found.before_votes, found.with_votes = pickle.loads(noted.read_bytes())
    return found


def arrive(found: Ran) -> tuple[dict[str, Any], Sequence[Outcome]]:
    """Run the pipeline without the late votes, then with them; what was there before, and what the second run did."""
    late = found.landing / found.truth["late"]["delivery"]
    aside = found.folder / "not yet"
    shutil.move(late, aside)
    pipeline.run(found.lake)
    before = {
        "versions": found.versions(),
        "cells": {row.cell_id for row in found.lake.read("curated.cells").collect()},
        "crops": {row.unit_id: row.pixel_sha256 for row in found.lake.read("curated.crops").drop("image").collect()},
    }
    shutil.move(aside, late)
    return before, pipeline.run(found.lake)
