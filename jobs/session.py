"""The one place where Spark starts.

Delta's JARs lie beside the interpreter after `make`; elsewhere Spark fetches them by their Maven coordinates.
On a cluster the session ships the project's own packages, so that a worker needs the interpreter and nothing of
the checkout. Settings that a submission already carries (master, memory) are left as they are.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.errors import SettingsError, without_values
from jobs.settings import Settings, Spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COORDINATES = ("io.delta:delta-spark_4.2_2.13:4.4.0", "io.delta:delta-storage:4.4.0")
JARS = Path(sys.prefix) / "jars"
ARCHIVE = JARS / "classes.jsa"
"""Spark's classes as the JVM keeps them in memory, made by `tools/archive_classes.sh`; a start without it is slower."""
LOGGING = Path(__file__).parent / "conf" / "log4j2.properties"
S3_JARS = Path(sys.prefix) / "s3" / "client"

DEFAULTS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "512",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    # Every hash table, sort and broadcast takes a page at least: 64 MB of zeros each by default, for any few rows.
    "spark.buffer.pageSize": "2m",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.databricks.delta.properties.defaults.minReaderVersion": "1",
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    # Else glibc gives the memory of each crop back to the system and takes it again for the next: a tenth of the time.
    "spark.executorEnv.MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "spark.executorEnv.MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    # Else every call of the DataFrame API walks Python's stack to tell the JVM from where it came.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Spark's own messages quote the data that failed; what a person needs is in our errors and the run record.
    "spark.log.level": "OFF",
}


EXPRESSIONS = "spark.sql.codegen.factoryMode"
QUICK = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    EXPRESSIONS: "NO_CODEGEN",
}
QUICK_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:ReservedCodeCacheSize=256m")
"""For little data: compiling costs more than it saves."""
ROWS_FEW = 10_000
"""To compile expressions is a third of the JVM's work for some hundred rows; interpreted ones take longer a row."""
NAMED = ("functions", "PythonUtils", "PythonSQLUtils")
"""Classes that PySpark asks the JVM for by a name without package, column by column."""
JAVA_OPTIONS = "spark.driver.extraJavaOptions"


def start(settings: Settings) -> SparkSession:
    """The session of this process, started on first use.

    Raises:
        StageFailed: Java is missing or the master cannot be reached.
    """
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_HOSTNAME", "localhost")
    builder = SparkSession.builder.appName("hemalake")
    for name, value in _configuration(settings).items():
        builder = builder.config(name, value)
    try:
        spark = builder.getOrCreate()
    except Exception as error:
        raise without_values(error) from None
    _keep_names(spark)
    _ship_packages(spark)
    return spark


def expect(spark: SparkSession, settings: Settings, rows: int) -> None:
    """Have what follows compiled where it is worth it for so many new rows."""
    if settings.spark.quick and EXPRESSIONS not in settings.spark.conf:
        spark.conf.set(EXPRESSIONS, QUICK[EXPRESSIONS] if rows <= ROWS_FEW else "FALLBACK")


def _configuration(settings: Settings) -> dict[str, str]:
    from pyspark import SparkConf

    on_s3 = _is_on_s3(settings)
    submitted = dict(SparkConf().getAll())  # what spark-submit was given
    wanted = {
        **DEFAULTS,
        "spark.master": settings.spark.master,
        "spark.driver.memory": settings.spark.driver_memory,
        "spark.sql.shuffle.partitions": str(settings.spark.shuffle_partitions),
        **(QUICK if settings.spark.quick else {}),
        **_jars(submitted, on_s3),
        **(_s3(settings) if on_s3 else {}),
        **settings.spark.conf,
        JAVA_OPTIONS: " ".join([*_java_options(settings.spark), settings.spark.conf.get(JAVA_OPTIONS, "")]).strip(),
    }
    return {name: value for name, value in wanted.items() if name not in submitted}


def _java_options(spark: Spark) -> Iterator[str]:
    """What the driver's JVM is started with: our logging, and what makes it start sooner."""
    yield f"-Dlog4j2.configurationFile={LOGGING.as_uri()}"
    if spark.quick:
        yield from QUICK_JVM
    if ARCHIVE.is_file():  # one that does not fit is passed over; what the JVM says of it is of no use to anyone
        yield from (f"-XX:SharedArchiveFile={ARCHIVE}", "-Xlog:disable")


def _jars(submitted: dict[str, str], on_s3: bool) -> dict[str, str]:
    if "spark.jars" in submitted or "spark.jars.packages" in submitted:
        return {}
    if on_s3 and not S3_JARS.is_dir():
        raise SettingsError("a place of the lake is on S3, but its JARs are missing. Run `make s3` once.")
    found = sorted(str(jar) for jar in [*JARS.glob("*.jar"), *(S3_JARS.glob("*.jar") if on_s3 else ())])
    if found:
        return {"spark.jars": ",".join(found)}
    return {"spark.jars.packages": ",".join(COORDINATES), "spark.jars.excludes": "org.apache.*:*,com.*:*"}


def _is_on_s3(settings: Settings) -> bool:
    return any(settings.zone_root(zone).startswith("s3a:") for zone in ("restricted", "curated", "released"))


def _s3(settings: Settings) -> dict[str, str]:
    """What Hadoop's S3 client and Delta need; credentials come from the environment, as the AWS SDK reads them."""
    found = {
        # A conditional put makes concurrent commits safe; the default promises it for one driver only.
        "spark.delta.logStore.s3a.impl": "io.delta.storage.GCSLogStore",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.aws.credentials.provider": "software.amazon.awssdk.auth.credentials."
        "EnvironmentVariableCredentialsProvider",
    }
    if settings.places.s3_endpoint:
        found["spark.hadoop.fs.s3a.endpoint"] = settings.places.s3_endpoint
        found["spark.hadoop.fs.s3a.endpoint.region"] = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    return found


def _keep_names(spark: Any) -> None:
    """Have the classes of `NAMED` at hand: else Java looks through every JAR for each possible package, each time."""
    for name in NAMED:
        setattr(spark._jvm, name, getattr(spark._jvm, name))


def _ship_packages(spark: SparkSession) -> None:
    """Send the project's packages to the executors of a cluster, once a session."""
    context = spark.sparkContext
    if context.master.startswith("local") or any(f.endswith("/hemalake.zip") for f in context.listFiles):
        return
    root = Path(__file__).resolve().parent.parent
    if not root.is_dir():  # running from a shipped archive already
        return
    archive = Path(tempfile.mkdtemp(prefix="hemalake-")) / "hemalake.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for package in ("jobs", "schemas", "expectations"):
            for file in sorted((root / package).rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    packed.write(file, file.relative_to(root))
    context.addPyFile(str(archive))


def in_executor(function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Let no value out of a generator that runs in an executor: Spark writes its errors to logs and events."""

    @wraps(function)
    def guarded(*args: Any) -> Iterator[Any]:
        _settle()
        try:
            yield from function(*args)
        except Exception as error:
            raise without_values(error) from None

    return guarded


@cache
def _settle() -> None:
    """Let the garbage collector pass over what a worker has loaded: else it looks at that again and again."""
    gc.collect()
    gc.freeze()
