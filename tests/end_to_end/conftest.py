"""A small synthetic hospital that went through the whole pipeline, once for all tests of this folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs import demo, pipeline
from jobs.hospital.build import build
from jobs.lake import Lake
from jobs.settings import load_settings


@dataclass
class Ran:
    """A hospital, its lake and what was planted."""

    folder: Path
    lake: Lake
    truth: dict[str, Any]

    @property
    def landing(self) -> Path:
        return self.folder / "hospital" / "landing"


def prepare(folder: Path, spark: Any, *, patients: int = 4, cells: int = 60, seed: int = 1) -> Ran:
    """A hospital with settings and key, not run yet."""
    build(folder / "hospital", patients=patients, cells=cells, seed=seed)
    settings = load_settings(demo.prepare(folder, patients, seed))
    truth = json.loads((folder / "hospital" / "truth.json").read_text())
    return Ran(folder, Lake(settings, spark), truth)


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory, spark) -> Ran:
    """The hospital after one run of all stages; tests read it and leave it as it is."""
    found = prepare(tmp_path_factory.mktemp("hospital"), spark)
    pipeline.run(found.lake)
    return found
