"""A real Airflow takes a hospital to a signed release, and a refused one nowhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs import airflow, demo
from jobs.hospital.build import add_patient, build
from tests.planted import leaks

SECONDS = 1200.0
"""A bound against hanging, several times what a busy machine needs."""
READING_SECONDS = 10.0
SPARK = """
[spark]
driver_memory = "1g"
[spark.conf]
"spark.driver.extraJavaOptions" = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""


class Client:
    """The REST API, as one user sees it."""

    def __init__(self, server: airflow.Server, user: str) -> None:
        self._server, self._token = server, airflow.token_of(server, user)

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        return airflow.call(self._server, method, f"/api/v2{path}", body, self._token)

    def until(self, found: Callable[[], Any]) -> Any:
        """What `found` returns once it is true; a failed task ends the test at once, with its log."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if result := found():
                return result
            self._raise_failed()
            time.sleep(1)
        pytest.fail(f"nothing after {SECONDS:.0f} s: {self.states()}")

    def states(self) -> dict[str, str]:
        """State of each run of each DAG."""
        runs = self("GET", "/dags/~/dagRuns?order_by=run_after")["dag_runs"]
        return {f"{run['dag_id']} {run['dag_run_id']}": run["state"] for run in runs}

    def tasks(self, dag: str, run: str) -> dict[str, str]:
        """State of each task of a run."""
        found = self("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def ended(self, dag: str) -> list[str]:
        """Runs of a DAG that have succeeded."""
        return [
            name.partition(" ")[2]
            for name, state in self.states().items()
            if (name.split()[0], state) == (dag, "success")
        ]

    def waiting(self) -> dict[str, Any] | None:
        """The request that waits for an answer, once a person could have read it.

        Airflow 3.3 loses an answer that comes before its scheduler has seen the task go to sleep, and asks again.
        """
        found = self("GET", "/dags/~/dagRuns/~/hitlDetails?response_received=false")["hitl_details"]
        read = datetime.now(UTC) - timedelta(seconds=READING_SECONDS)
        return next((one for one in found if datetime.fromisoformat(one["created_at"]) < read), None)

    def answer(self, request: dict[str, Any], option: str, comment: str = "") -> None:
        one = request["task_instance"]
        path = f"/dags/{one['dag_id']}/dagRuns/{one['dag_run_id']}/taskInstances/{one['task_id']}/-1/hitlDetails"
        self("PATCH", path, {"chosen_options": [option], "params_input": {"comment": comment}})

    def _raise_failed(self) -> None:
        for name, state in self.states().items():
            if state == "failed":
                dag, _, run = name.partition(" ")
                logs = [
                    log.read_text()[-4000:]
                    for log in (self._server.home / "logs").rglob("attempt=*.log")
                    if run in str(log)
                ]
                pytest.fail(f"{name} failed: {self.tasks(dag, run)}\n" + "\n".join(logs[-1:]))


def ingest(engineer: Client) -> dict[str, Any]:
    """Trigger `ingest`, see `curate` follow, and return the request with which `release` waits."""
    before = {dag: len(engineer.ended(dag)) for dag in ("ingest", "curate")}
    engineer("POST", "/dags/ingest/dagRuns", {"logical_date": None})
    request = engineer.until(engineer.waiting)
    assert {dag: len(engineer.ended(dag)) - count for dag, count in before.items()} == {"ingest": 1, "curate": 1}
    return request


def decide(engineer: Client, officer: Client, request: dict[str, Any], option: str, comment: str) -> dict[str, str]:
    """Answer a request, wait for the end of its run, and return the states of its tasks."""
    officer.answer(request, option, comment)
    run = request["task_instance"]["dag_run_id"]
    engineer.until(lambda: run in engineer.ended("release"))
    return engineer.tasks("release", run)


def candidates(lake: Path) -> dict[str, str]:
    """Candidate to the hash that is to be signed."""
    found = {file.stem: json.loads(file.read_text()) for file in (lake / "curated" / "candidates").glob("*.json")}
    return {name: one["release_sha256"] for name, one in found.items()}


def decisions(lake: Path) -> list[tuple[str, str, str, str, str]]:
    """Hash, decision, officer, comment and way of each entry of the log."""
    entries = [json.loads(file.read_text()) for file in sorted((lake / "restricted" / "decisions").glob("*.json"))]
    return [
        tuple(entry[name] for name in ("release_sha256", "decision", "officer", "comment", "by")) for entry in entries
    ]


def released(lake: Path) -> list[str]:
    return sorted(folder.name for folder in (lake / "released").glob("v*") if (folder / "manifest.json").is_file())


def test_an_approved_candidate_is_released_and_a_refused_one_is_not(tmp_path):
    build(tmp_path / "hospital", patients=4, cells=60, seed=1)
    settings = demo.prepare(tmp_path, patients=4, seed=1)
    settings.write_text(settings.read_text() + SPARK)
    lake, home = tmp_path / "lake", tmp_path / "airflow"

    with airflow.running(home, settings, {"AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG"}) as server:
        engineer, officer = Client(server, "engineer"), Client(server, "officer")
        request = ingest(engineer)
        (first,) = candidates(lake).values()
        assert first in request["body"]
        assert released(lake) == []
        done = decide(engineer, officer, request, "Approve", "the report is in order")
        assert set(done.values()) == {"success"}
        assert released(lake) == ["v1"]
        assert decisions(lake) == [(first, "approved", "officer", "the report is in order", "airflow")]

        add_patient(tmp_path / "hospital", seed=2)
        request = ingest(engineer)
        (second,) = set(candidates(lake).values()) - {first}
        assert second in request["body"]
        done = decide(engineer, officer, request, "Reject", "not yet")
        assert {name for name, state in done.items() if state == "skipped"} == {"approved", "publish"}
        assert done["recorded"] == "success"
        assert released(lake) == ["v1"]
        assert decisions(lake)[1:] == [(second, "refused", "officer", "not yet", "airflow")]

    assert [
        one.pid for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(one.info["cmdline"] or [])
    ] == []
    # Logs of all parts and tasks, and the database with XCom and rendered arguments.
    assert {"airflow.db", "logs", "scheduler.log"} <= {entry.name for entry in home.iterdir()}
    assert leaks(tmp_path / "hospital" / "truth.json", [home]) == []
    key = (tmp_path / "pseudonym.key").read_bytes()
    assert not [
        file
        for file in home.rglob("*")
        if file.is_file() and (key in (held := file.read_bytes()) or key.hex().encode() in held)
    ]
