"""A real Airflow for one person on one machine: started on a lake's settings, ended with Ctrl-C.

Airflow keeps its database (SQLite, which is for one person only), logs and passwords in `<folder>/airflow`. It listens
on this machine alone. `docs/airflow.md` says what a shared installation needs instead.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from jobs.errors import HemalakeError, UsageError

DAGS = Path(__file__).resolve().parent.parent / "dags"
USERS = {"engineer": "admin", "officer": "user"}
"""Names and roles: one who runs the DAGs, one who signs."""
COMPONENTS = {
    "api-server": ("api-server",),
    # The API server reads task logs from disk, so these need not serve them to the network.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
}
"""Processes and their arguments."""
HEALTH = ("metadatabase", "scheduler", "triggerer", "dag_processor")
MARK = "HEMALAKE_AIRFLOW"
"""Variable by which the processes of one run are known."""
READY_SECONDS = 180.0
STOP_SECONDS = 20.0


class AirflowFailed(HemalakeError):
    """Airflow did not start, or ended by itself."""


@dataclass(frozen=True)
class Server:
    """A running Airflow."""

    url: str
    passwords: Mapping[str, str]
    """User to password."""
    home: Path
    processes: Mapping[str, subprocess.Popen[bytes]]
    """Component to process; each writes `<component>.log` in `home`."""

    def ended(self) -> str:
        """Name of a component that is no more; empty while all run."""
        return next((name for name, process in self.processes.items() if process.poll() is not None), "")


def serve(folder: Path) -> int:
    """Run Airflow on the lake whose settings lie in the folder, until it is interrupted.

    Raises:
        UsageError: the folder holds no settings.
        AirflowFailed: it did not start, or ended by itself; its log says why.
    """
    settings = folder / "hemalake.toml"
    if not settings.is_file():
        raise UsageError(f"{folder} holds no hemalake.toml. Run `make demo` first, or write one.")
    print("Airflow is starting; this takes about a minute …", flush=True)
    with suppress(KeyboardInterrupt), running(folder / "airflow", settings) as server:
        print(_guide(server), flush=True)
        while not server.ended():
            time.sleep(1)
        raise AirflowFailed(f"Airflow ended by itself. See {server.home / server.ended()}.log.")
    print("\nAirflow has stopped.")
    return 0


@contextmanager
def running(home: Path, settings: Path, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Airflow with all its parts, ready to answer; all that it started is ended with the context.

    Args:
        home: where it keeps its own files.
        settings: the lake's settings.
        environment: variables of its processes, over those of `environment_of`.

    Raises:
        AirflowFailed: it is not ready within three minutes.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    passwords = _passwords(home / "passwords.json")
    port, mark = _free_port(8080), secrets.token_hex(8)
    own = {**environment_of(home, settings.resolve(), port), **(environment or {}), MARK: mark}
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        _prepare_database(home, own)
        for name, arguments in COMPONENTS.items():
            processes[name] = _start(home, name, arguments, own)
        server = Server(f"http://localhost:{port}", passwords, home, processes)
        _wait_until_ready(server)
        yield server
    finally:
        _stop(processes.values(), mark)


def environment_of(home: Path, settings: Path, port: int) -> dict[str, str]:
    """Variables that make an Airflow of its own: nothing is shared with another one on the same machine."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_SPARK_DEFAULT": os.environ.get(
            "AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": "local[*]"})
        ),
        "HEMALAKE_SETTINGS": str(settings),
        # Airflow calls `airflow`, its Spark provider `spark-submit`, by name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def call(server: Server, method: str, path: str, body: Any = None, token: str = "") -> Any:
    """One request to the REST API: JSON in, JSON out."""
    request = urllib.request.Request(f"{server.url}{path}", method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def token_of(server: Server, user: str) -> str:
    """A token with which `user` may call the REST API."""
    login = {"username": user, "password": server.passwords[user]}
    return str(call(server, "POST", "/auth/token", login)["access_token"])


def _guide(server: Server) -> str:
    width = max(map(len, USERS))
    logins = "\n".join(f"  {user:<{width}}  {server.passwords[user]}" for user in USERS)
    return f"""
Airflow runs at {server.url}

Users and passwords (of this folder only):
{logins}

1. As `engineer`, open Dags > ingest and press Trigger. `curate` follows by itself, then `release`.
2. When `release` waits, log in as `officer` and open Required Actions: the request shows the SHA-256 that is signed
   and where its compliance report lies. Read it, then Approve or Reject.
3. Approved: `publish` writes released/v<n> of the lake. Rejected: the refusal is in the decisions log, nothing else.

Its files are in {server.home}. Ctrl-C stops it."""


def _passwords(file: Path) -> dict[str, str]:
    """One password a user, drawn once and kept where only their owner reads them."""
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    passwords = {user: known.get(user) or secrets.token_urlsafe(12) for user in USERS}
    file.touch(mode=0o600)
    file.write_text(json.dumps(passwords) + "\n")
    return passwords


def _free_port(wanted: int = 0) -> int:
    """`wanted` where nothing listens on it, else any free port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return _free_port()
        return int(probe.getsockname()[1])


def _prepare_database(home: Path, own: Mapping[str, str]) -> None:
    """Make the database, or bring it up to date; the first command also draws Airflow's own secrets."""
    if _start(home, "database", ("db", "migrate"), own).wait() != 0:
        raise AirflowFailed(f"Airflow's database cannot be prepared. See {home / 'database.log'}.")


def _start(home: Path, name: str, arguments: Sequence[str], own: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with (home / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            env={**os.environ, **own},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours to pass on
        )


def _wait_until_ready(server: Server) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and not server.ended():
        with suppress(OSError, ValueError):
            found = call(server, "GET", "/api/v2/monitor/health")
            if all((found.get(part) or {}).get("status") == "healthy" for part in HEALTH):
                return
        time.sleep(1)
    raise AirflowFailed(f"Airflow did not start. See {server.home / (server.ended() or 'api-server')}.log.")


def _stop(processes: Collection[subprocess.Popen[bytes]], mark: str) -> None:
    """End Airflow and whatever it started, tasks and their Spark included."""
    family = _family(processes, mark)
    for process in processes:
        process.terminate()
    _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for one in {*left, *_family(processes, mark)}:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    for process in processes:
        process.wait()


def _family(processes: Collection[subprocess.Popen[bytes]], mark: str) -> set[Any]:
    """The processes, all below them, and those that left them but still carry the mark in their environment."""
    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(process.pid)
            found |= {root, *root.children(recursive=True)}
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.environ().get(MARK) == mark:
                found.add(one)
    return found
