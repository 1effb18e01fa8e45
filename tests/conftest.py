"""What all tests share: one Spark session, settings over a temporary lake, the place of the real data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jobs.lake import Lake
from jobs.settings import Crop, Places, Settings, Source, Spark

# The two processes of a run were started by `python -c`, in which PySpark takes itself for a doctest and exits.
sys.modules["__main__"].__dict__.setdefault("__file__", __file__)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that at the end no process waits for another."""
    items.sort(key=lambda item: item.path.parent.name not in ("dags", "end_to_end", "real_data"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded as `figures`."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, figures in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(f"\n{figures}")


@pytest.fixture(scope="session")
def spark():
    """The one Spark session of the whole run; its memory is for the many lakes that pass through it."""
    from jobs import session

    places = Places(lake="file:///nowhere", landing="file:///nowhere")
    conf = {"spark.databricks.delta.delta.log.cacheSize": "50"}
    one = Spark(master="local[2]", driver_memory="4g", conf=conf)
    started = session.start(Settings(places=places, sources={}, spark=one))
    yield started
    started.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty lake with a key."""
    key = tmp_path / "pseudonym.key"
    key.write_bytes(bytes(range(32)))
    places = Places(lake=(tmp_path / "lake").as_uri(), landing=(tmp_path / "landing").as_uri(), key=f"@{key}")
    return Settings(places=places, sources={"helsinki": Source()}, crop=Crop())


@pytest.fixture
def lake(settings: Settings, spark) -> Lake:
    """An empty lake on the shared session."""
    return Lake(settings, spark)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets; tests that ask for it are skipped where it is absent."""
    default = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("HEMALAKE_REAL_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set HEMALAKE_REAL_DATA")
    return folder
