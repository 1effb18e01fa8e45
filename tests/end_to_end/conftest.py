"""A small synthetic hospital that went through the whole pipeline, once for all tests of this folder.

It arrives as it would: first the deliveries of all patients, later a batch of votes.
"""

from __future__ import annotations

import json
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
        return Ran(folder, Lake(load_settings(folder / "hemalake.toml"), self.lake.spark), self.truth)


def prepare(folder: Path, spark: Any, *, patients: int = 4, cells: int = 60, seed: int = 1) -> Ran:
    """A hospital with settings and key, not run yet."""
    build(folder / "hospital", patients=patients, cells=cells, seed=seed)
    settings = load_settings(demo.prepare(folder, patients, seed))
    truth = json.loads((folder / "hospital" / "truth.json").read_text())
    return Ran(folder, Lake(settings, spark), truth)


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory, spark) -> Ran:
    """The hospital after all of it arrived; tests read it and leave it as it is."""
    found = prepare(tmp_path_factory.mktemp("hospital"), spark)
    late = found.landing / found.truth["late"]["delivery"]
    aside = found.folder / "not yet"
    shutil.move(late, aside)
    pipeline.run(found.lake)
    found.before_votes = {
        "versions": found.versions(),
        "cells": {row.cell_id for row in found.lake.read("curated.cells").collect()},
        "crops": {row.unit_id: row.pixel_sha256 for row in found.lake.read("curated.crops").drop("image").collect()},
    }
    shutil.move(aside, late)
    found.with_votes = pipeline.run(found.lake)
    return found
