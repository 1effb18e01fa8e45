"""What a run costs beside time: memory of driver and workers, and the rows and files that Spark read."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


class Watch:
    """A context that looks at the memory of this process and of all below it.

    It does so every two seconds: twice a second, that took 6 % of what it watched.

    It is the proportional set size: what processes share is divided among them.
    """

    def __init__(self) -> None:
        self.driver = self.workers = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(2):
            driver = workers = 0
            for process in [os.getpid(), *below(os.getpid())]:
                name, used = told(process)
                if "pyspark.daemon" in name:
                    workers += used
                else:
                    driver += used
            self.driver, self.workers = max(self.driver, driver), max(self.workers, workers)


def below(process: int) -> Iterator[int]:
    """Ids of all processes that a process started, and those started."""
    with suppress(FileNotFoundError):  # it may end meanwhile
        for thread in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, _read(str(thread)).split()):
                yield child
                yield from below(child)


def told(process: int) -> tuple[str, int]:
    """Command line and memory in bytes of a process; nothing of one that has ended."""
    lines = dict(line.split(":", 1) for line in _read(f"/proc/{process}/smaps_rollup").splitlines()[1:])
    return _read(f"/proc/{process}/cmdline"), int(lines.get("Pss", "0 kB").split()[0]) << 10


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


class Reads:
    """Rows and files that Spark reads from now on, by its event log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._start = {file: file.stat().st_size for file in folder.iterdir()}

    def since(self) -> tuple[int, int]:
        """How many rows were read from storage, and how many files."""
        rows, names, files = 0, set[int](), 0
        for event in self._events():
            kind = event["Event"].rsplit(".", 1)[-1]
            if kind == "SparkListenerTaskEnd" and event.get("Task Metrics"):
                rows += event["Task Metrics"]["Input Metrics"]["Records Read"]
            elif kind in ("SparkListenerSQLExecutionStart", "SparkListenerSQLAdaptiveExecutionUpdate"):
                names |= set(file_counters(event["sparkPlanInfo"]))
            elif kind == "SparkListenerDriverAccumUpdates":
                files += sum(value for number, value in event["accumUpdates"] if number in names)
        return rows, files

    def _events(self) -> Iterator[dict[str, Any]]:
        for file in self._folder.iterdir():
            with file.open("rb") as log:
                log.seek(self._start.get(file, 0))
                for line in log:
                    if line.endswith(b"\n"):
                        yield json.loads(line)


def file_counters(plan: dict[str, Any]) -> Iterator[int]:
    """Ids of the counters of files in a plan."""
    for metric in plan.get("metrics", []):
        if metric["name"] == "number of files read":
            yield metric["accumulatorId"]
    for child in plan.get("children", []):
        yield from file_counters(child)
