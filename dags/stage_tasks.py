"""What the three DAGs share: how a stage becomes a task, what is retried, where the settings lie.

A stage runs as a Spark application of its own, on whatever master the connection `spark_default` names. Its arguments
are its name and the path of the settings: keys and secrets never pass through Airflow.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Asset, Context, RetryDecision, RetryPolicy

from schemas.stages import Stage

LANDED = Asset("hemalake_landed")
"""Deliveries were taken from the landing zone."""
SNAPSHOT = Asset("hemalake_snapshot")
"""A set of table versions passed all checks."""

PACKAGES = ("io.delta:delta-spark_4.2_2.13:4.4.0", "io.delta:delta-storage:4.4.0")
"""Delta's JARs by their coordinates, for where none lie beside the interpreter."""
EXCLUDED = "org.apache.*:*,com.*:*"
"""What these would bring along and Spark has already."""


class RetryInfrastructure(RetryPolicy):
    """Retry what may pass by itself, and fail at once where a second try would fail again.

    `jobs/submit.py` ends with 1 when a stage failed (a gate, a broken contract) and with 2 when it was called or set
    wrongly. Anything else is infrastructure: 75 (the store does not answer), or a process that was killed.
    """

    FINAL = ("1", "2")
    CODE = re.compile(r"(?:Error code is: |non-zero exit code )(-?\d+)\.")

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide by the exit code that Spark's provider and the Bash operator write into their exceptions."""
        found = self.CODE.search(str(exception))
        if found and found[1] in self.FINAL:
            return RetryDecision.fail(f"exit code {found[1]}: another try would fail as well")
        return RetryDecision.default()


DEFAULTS: dict[str, Any] = {
    "owner": "data-engineering",
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_policy": RetryInfrastructure(),
}
"""Arguments of every task."""


def settings_path() -> str:
    """The settings of the lake, which Airflow's environment names."""
    return str(Path(os.environ.get("HEMALAKE_SETTINGS", "hemalake.toml")).absolute())


def read_settings() -> dict[str, Any]:
    """The settings as written; empty where there are none yet, since the stages themselves say so best."""
    file = Path(settings_path())
    return tomllib.loads(file.read_text()) if file.is_file() else {}


def stage_task(stage: Stage, task_id: str = "", **arguments: Any) -> SparkSubmitOperator:
    """The task that runs a stage through Spark's provider."""
    spark = read_settings().get("spark", {})
    return SparkSubmitOperator(
        task_id=task_id or stage.name,
        doc_md=stage.does,
        application=str(_package() / "submit.py"),
        application_args=[stage.name, "--settings", settings_path()],
        name=f"hemalake {stage.name}",
        # The session in the job sets all the rest; these must be known before the driver's JVM starts.
        driver_memory=spark.get("driver_memory", "2g"),
        conf=_driver(spark.get("conf", {})),
        env_vars={"PYSPARK_PYTHON": sys.executable},
        **_jars(),
        **arguments,
    )


def command_task(task_id: str, command: str, **arguments: Any) -> BashOperator:
    """The task that runs one `hemalake` command which needs no Spark; `command` continues it, quoted for Bash."""
    env = {"HEMALAKE_SETTINGS": settings_path(), **arguments.pop("env", {})}
    return BashOperator(
        task_id=task_id,
        bash_command=f'exec "{sys.executable}" "{_package() / "submit.py"}" {command}',
        env=env,
        append_env=True,
        **arguments,
    )


def _package() -> Path:
    """Folder of the package `jobs`, found without importing it."""
    found = importlib.util.find_spec("jobs")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("HemaLake is not installed in Airflow's environment: run `pip install` on it there.")
    return Path(found.submodule_search_locations[0])


def _driver(conf: dict[str, str]) -> dict[str, str]:
    """What the settings say of the driver, and what its JVM starts with."""
    name = "spark.driver.extraJavaOptions"
    # Spark logs from its first moment on, and its messages quote data: our configuration turns them off.
    options = [f"-Dlog4j2.configurationFile={(_package() / 'conf' / 'log4j2.properties').as_uri()}"]
    archive = Path(sys.prefix) / "jars" / "classes.jsa"
    if archive.is_file():
        options += [f"-XX:SharedArchiveFile={archive}", "-Xlog:disable"]
    options.append(conf.get(name, ""))
    driver = {key: value for key, value in conf.items() if key.startswith("spark.driver.")}
    return driver | {name: " ".join(options).strip()}


def _jars() -> dict[str, str]:
    found = sorted(str(jar) for jar in (Path(sys.prefix) / "jars").glob("*.jar"))
    if found:
        return {"jars": ",".join(found)}
    return {"packages": ",".join(PACKAGES), "exclude_packages": EXCLUDED}
