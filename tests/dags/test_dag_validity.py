"""Every DAG file is valid, light to import, and wired as the stages say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs import session
from jobs.errors import GateFailed, SettingsError, StoreUnreachable
from schemas.stages import INGEST, RELEASE, STAGES

DAGS = Path(__file__).resolve().parents[2] / "dags"
FILES = sorted(path for path in DAGS.glob("*.py") if path.name != "stage_tasks.py")
HEAVY = {"pyspark", "great_expectations", "jobs", "expectations"}

# Run where nothing is imported yet, and with a home of its own: Airflow reads its settings on import.
PROBE = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
folder = Path(sys.argv[1])
bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder")
def task(one):
    return {
        "id": one.task_id,
        "operator": [kind.__name__ for kind in type(one).__mro__[:2]], "owner": one.owner, "retries": one.retries,
        "policy": type(one.retry_policy).__name__, "down": sorted(one.downstream_task_ids),
        "outlets": [asset.name for asset in one.outlets], "arguments": getattr(one, "application_args", None),
        "connection": getattr(one, "_conn_id", None), "rule": one.trigger_rule.value,
        "packages": getattr(one, "packages", None), "memory": getattr(one, "_driver_memory", None),
        "conf": getattr(one, "conf", None), "env": getattr(one, "env_vars", None) or getattr(one, "env", None),
        "limit": str(getattr(one, "response_timeout", None)), "default": getattr(one, "defaults", None),
    }
print(json.dumps({
    "errors": bag.import_errors,
    "imported": sorted({name.partition(".")[0] for name in sys.modules}),
    "dags": {
        dag.dag_id: {
            "owner": dag.owner, "tags": sorted(dag.tags), "doc": dag.doc_md, "catchup": dag.catchup,
            "active": dag.max_active_runs, "file": Path(dag.fileloc).name, 
            "schedule": [asset.name for asset in dag.schedule] if isinstance(dag.schedule, list) else dag.schedule,
            "tasks": [task(one) for one in dag.topological_sort()],
        }
        for dag in bag.dags.values()
    },
}, default=str))
"""
SETTINGS = """
[places]
lake = "lake"
landing = "landing"
[sources.helsinki]
[schedule]
ingest = "0 3 * * *"
[spark]
driver_memory = "3g"
[spark.conf]
"spark.driver.extraJavaOptions" = "-XX:+UseSerialGC"
"spark.hadoop.fs.s3a.secret.key" = "never on a command line"
"""


def probe(home: Path, settings: Path) -> dict[str, Any]:
    """What a fresh interpreter finds in the DAG files."""
    env = {**os.environ, "AIRFLOW_HOME": str(home), "HEMALAKE_SETTINGS": str(settings)}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(DAGS)], env=env, cwd=home, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    (home / "hemalake.toml").write_text(SETTINGS)
    return probe(home, home / "hemalake.toml")


def tasks(found: dict[str, Any], dag: str) -> dict[str, dict[str, Any]]:
    return {task["id"]: task for task in found["dags"][dag]["tasks"]}


def test_every_file_imports_and_holds_one_dag(found):
    assert found["errors"] == {}
    assert {dag["file"]: name for name, dag in found["dags"].items()} == {file.name: file.stem for file in FILES}


def test_no_file_imports_what_is_heavy_or_the_jobs(found):
    assert not HEAVY & set(found["imported"])


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_every_dag_has_owner_tags_and_docs_and_runs_once_at_a_time(found, name):
    dag = found["dags"][name]
    assert dag["owner"] == "data-engineering"
    assert "hemalake" in dag["tags"]
    assert dag["doc"].strip().startswith("### ")
    assert len(dag["doc"]) > 200
    assert dag["catchup"] is False
    assert dag["active"] == 1


def test_every_task_retries_infrastructure_alone(found):
    for name in found["dags"]:
        for task in tasks(found, name).values():
            assert (task["owner"], task["retries"], task["policy"]) == ("data-engineering", 2, "RetryInfrastructure")


def test_stages_follow_each_other_as_declared(found):
    in_order = [
        task["arguments"][0]
        for name in ("ingest", "curate", "release")
        for task in found["dags"][name]["tasks"]
        if task["operator"][0] == "SparkSubmitOperator"
    ]
    assert in_order == [stage.name for stage in STAGES] + [RELEASE.name]  # release builds, then publishes
    curate = tasks(found, "curate")
    names = [stage.name for stage in STAGES if stage not in (INGEST, RELEASE)]
    assert list(curate) == names
    assert [curate[name]["down"] for name in names] == [[name] for name in names[1:]] + [[]]


def test_assets_chain_the_dags(found):
    assert tasks(found, "ingest")["ingest"]["outlets"] == ["hemalake_landed"]
    assert found["dags"]["curate"]["schedule"] == ["hemalake_landed"]
    assert tasks(found, "curate")["validate"]["outlets"] == ["hemalake_snapshot"]
    assert found["dags"]["release"]["schedule"] == ["hemalake_snapshot"]


def test_the_officer_is_asked_without_limit_or_default_and_both_answers_are_recorded(found):
    release = tasks(found, "release")
    assert list(release) == ["build", "describe", "waiting", "approve", "approved", "record", "publish", "recorded"]
    approve = release["approve"]
    assert (approve["operator"], approve["limit"], approve["default"]) == (
        ["SignOff", "ApprovalOperator"],
        "None",
        None,
    )
    # A refusal skips what follows `approve` directly: `record` must not be that, and must run after a skipped one.
    assert approve["down"] == ["approved"]
    assert release["approved"]["down"] == ["publish", "record"]
    assert release["record"]["rule"] == "none_failed"
    assert release["record"]["down"] == ["publish", "recorded"]
    assert release["publish"]["rule"] == "all_success"


def test_spark_gets_the_connection_and_what_precedes_the_jvm_but_no_secret(found):
    for task in (*tasks(found, "curate").values(), tasks(found, "release")["publish"]):
        assert task["connection"] == "spark_default"
        assert task["memory"] == "3g"
        (options,) = task["conf"].values()
        assert options.endswith(" -XX:+UseSerialGC")
        assert "log4j2.properties" in options
        assert task["env"]["PYSPARK_PYTHON"] == sys.executable
    assert "never on a command line" not in json.dumps(found)


def test_the_schedule_is_a_setting(found, tmp_path):
    assert found["dags"]["ingest"]["schedule"] == "0 3 * * *"
    bare = probe(tmp_path, tmp_path / "absent.toml")
    assert bare["errors"] == {}
    assert bare["dags"]["ingest"]["schedule"] is None


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch):
    """The module that the DAG files share."""
    monkeypatch.syspath_prepend(str(DAGS))
    import stage_tasks

    return stage_tasks


def test_the_packages_are_those_of_the_session(helpers):
    assert helpers.PACKAGES == session.COORDINATES


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("Cannot execute: spark-submit … Error code is: 1.\nLast spark-submit output:", "fail"),
        ("Cannot execute: spark-submit … Error code is: 2.", "fail"),
        ("Bash command failed. The command returned a non-zero exit code 2.", "fail"),
        ("Cannot execute: spark-submit … Error code is: 75.", "default"),
        ("Cannot execute: spark-submit … Error code is: -9.", "default"),
        ("Bash command failed. The command returned a non-zero exit code 75.", "default"),
        ("the worker is gone", "default"),
    ],
)
def test_only_failures_of_infrastructure_are_tried_again(helpers, message, action):
    assert helpers.RetryInfrastructure().evaluate(RuntimeError(message), 1, 3).action.value == action


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (GateFailed("a gate"), 1),
        (SettingsError("a setting"), 2),
        (StoreUnreachable("the store"), 75),
        (ConnectionRefusedError("someone"), 75),
        (ValueError("someone"), 1),
    ],
)
def test_a_submitted_command_says_by_its_exit_code_whether_to_try_again(monkeypatch, capsys, error, code):
    from jobs import commands, submit

    def status(options):
        if error:
            raise error
        return 0

    monkeypatch.setattr(commands, "status", status)
    assert submit.run(["status"]) == code
    assert "someone" not in capsys.readouterr().err
