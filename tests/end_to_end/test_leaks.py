"""Every stage fails on identifying data, with debug and event logs on; nothing that is left behind names anyone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jobs import demo
from jobs.hospital.build import build
from tests.planted import leaks

SCRIPT = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from pyspark.sql import functions as F
from jobs import frames, lake, pipeline
from jobs.deduplicate.spread import Bench
from jobs.errors import HemalakeError
from jobs.settings import load_settings
from schemas.stages import STAGES

broken = {"how": None}
mapped, conform, rows = frames.mapped, lake.Lake._conform, Bench.rows

def quoting(frame, schema, function):
    def fails(row):
        raise ValueError(f"cannot cast {row}")     # as a library would: the row is in the message
    return mapped(frame, schema, fails if broken["how"] == "executor" else function)

def naming(self, work, blocks, schema):
    name = one.read("restricted.identifiers").first().value
    def fails(block):
        raise ValueError(f"cannot compare {name}")
    return rows(self, fails if broken["how"] == "executor" else work, blocks, schema)

def identifying(self, table, frame, stage):
    batch = conform(self, table, frame, stage)
    if broken["how"] != "contract":
        return batch
    name = self.read("restricted.identifiers").select(F.max("value").alias("_name"))
    text = [c.name for c in table.columns if c.type == "string" and c.name not in table.key][0]
    batch = batch.crossJoin(F.broadcast(name)).withColumn(text, F.col("_name")).drop("_name")
    number = [c.name for c in table.columns if c.minimum is not None and c.type == "int"]
    if number:
        return batch.withColumn(number[0], F.lit(-7))
    return batch.withColumn(table.key[0], F.lit(None).cast("string"))

frames.mapped, lake.Lake._conform, Bench.rows = quoting, identifying, naming
one = lake.Lake(load_settings(sys.argv[1]))
for stage in STAGES:
    for how in ("executor", "contract"):
        broken["how"] = how
        if (stage.name, how) in {("ingest", "contract"), ("validate", "executor")} or stage.name == "release":
            continue                               # nothing of theirs goes that way
        try:
            pipeline.run(one, [stage])
            print("DID NOT FAIL", stage.name, how)
        except HemalakeError as error:
            print("failed:", stage.name, how, error, file=sys.stderr)
    broken["how"] = None
    pipeline.run(one, [stage])
one.spark.stop()                                   # closes the event log
"""


def test_failures_of_every_stage_leave_no_identifier_behind(tmp_path: Path):
    build(tmp_path / "hospital", patients=4, cells=60, seed=1)
    settings = demo.prepare(tmp_path, 4, 1)
    events = tmp_path / "left" / "events"
    events.mkdir(parents=True)
    conf = f'''
[spark.conf]
"spark.eventLog.enabled" = "true"
"spark.eventLog.dir" = "{events.as_uri()}"
"spark.local.dir" = "{tmp_path / "left" / "local"}"
'''
    settings.write_text(settings.read_text() + conf)
    script = tmp_path / "failing.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(settings)]
    root = str(Path(__file__).parents[2])
    with (tmp_path / "left" / "driver.log").open("wb") as log:
        done = subprocess.run(command, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": root}, check=False)
    said = (tmp_path / "left" / "driver.log").read_text()
    assert done.returncode == 0, said[-2000:]
    assert "DID NOT FAIL" not in said
    assert said.count("failed:") == 14
    zones = [tmp_path / "lake" / zone for zone in ("curated", "released")]
    places = [tmp_path / "left", *[zone for zone in zones if zone.is_dir()]]
    assert [file for file in events.rglob("*") if file.is_file()]
    assert leaks(tmp_path / "hospital" / "truth.json", places) == []
