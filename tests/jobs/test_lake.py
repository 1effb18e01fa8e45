"""The lake holds tables to their contracts, and writes what differs, once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pyarrow.compute as pc
import pytest
from pyspark.sql import functions as F

from jobs.errors import ContractMismatch, GateFailed, LakeTooNew, StaleOutput, UnknownTable
from jobs.lake import Lake, contract
from jobs.store import hadoop_path
from schemas import tables
from schemas.contract import Column
from schemas.stages import INGEST, JOIN, MEASURE, TILE

KEY = {n: f"{n:032x}" for n in range(10)}


def splits(lake: Lake, *rows: tuple[int, str]):
    return lake.spark.createDataFrame(
        [(KEY[n], "default", side) for n, side in rows], "patient_key string, scheme string, side string"
    )


def sides(lake: Lake) -> dict[str, str]:
    return {row.patient_key: row.side for row in lake.read("curated.splits").collect()}


def test_a_table_that_is_not_there_has_no_rows_and_no_version(lake):
    assert lake.version("curated.splits") is None
    assert lake.read("curated.splits").count() == 0


def test_unknown_table_names_those_that_there_are(lake):
    with pytest.raises(UnknownTable, match=r"curated\.crops"):
        lake.read("curated.croppings")


def test_a_folder_may_have_any_name(settings, spark, tmp_path):
    root = tmp_path / "sairaalan järvi"
    lake = Lake(replace(settings, places=replace(settings.places, lake=root.as_uri())), spark)
    lake.write(lake.work(JOIN), "curated.splits", splits(lake, (1, "train")))
    lake.write(lake.work(JOIN), "curated.splits", splits(lake, (1, "test"), (2, "train")))
    assert sides(lake) == {KEY[1]: "test", KEY[2]: "train"}
    assert [folder.name for folder in tmp_path.iterdir() if folder.is_dir()] == [root.name]


def test_writing_the_same_rows_again_makes_no_version(lake):
    work = lake.work(JOIN)
    first = lake.write(work, "curated.splits", splits(lake, (1, "train"), (2, "test")))
    version = lake.version("curated.splits")
    again = lake.write(work, "curated.splits", splits(lake, (2, "test"), (1, "train")))
    assert (first.inserted, again.changed) == (2, False)
    assert lake.version("curated.splits") == version


def test_rows_are_inserted_updated_and_deleted_by_key(lake):
    work = lake.work(JOIN)
    lake.write(work, "curated.splits", splits(lake, (1, "train"), (2, "test")))
    written = lake.write(work, "curated.splits", splits(lake, (2, "train"), (3, "test")))
    assert (written.inserted, written.updated, written.deleted) == (1, 1, 0)
    assert sides(lake) == {KEY[1]: "train", KEY[2]: "train", KEY[3]: "test"}


def test_changes_hold_what_came_after_a_version(lake):
    work = lake.work(JOIN)
    lake.write(work, "curated.splits", splits(lake, (1, "train")))
    seen = lake.version("curated.splits")
    lake.write(work, "curated.splits", splits(lake, (1, "train"), (2, "test")))
    assert [row.patient_key for row in lake.changes("curated.splits", seen).collect()] == [KEY[2]]
    assert lake.changes("curated.splits", lake.version("curated.splits")).count() == 0


def test_a_scope_deletes_what_is_no_longer_there(lake):
    work = lake.work(JOIN)
    rows = lambda *cells: lake.spark.createDataFrame(  # noqa: E731
        [(KEY[c], "plurality", KEY[s], "NGS", 1.0, 1) for c, s in cells],
        "cell_id string, method string, scan_id string, label_code string, support double, votes int",
    )
    lake.write(work, "curated.consensus", rows((1, 8), (2, 8), (3, 9)))
    written = lake.write(work, "curated.consensus", rows((1, 8)), scope=rows((0, 8)))
    assert (written.updated, written.deleted) == (0, 1)
    assert {row.cell_id for row in lake.read("curated.consensus").collect()} == {KEY[1], KEY[3]}
    moved = lake.write(work, "curated.consensus", rows((3, 8)), scope=rows((0, 7)))
    assert (moved.inserted, moved.updated, moved.deleted) == (0, 1, 0)


def test_a_failing_batch_leaves_the_table_as_it_was_and_quotes_no_value(lake):
    work = lake.work(JOIN)
    lake.write(work, "curated.splits", splits(lake, (1, "train")))
    version = lake.version("curated.splits")
    with pytest.raises(GateFailed) as error:
        lake.write(work, "curated.splits", splits(lake, (2, "Virtanen")))
    assert "curated.splits" in str(error.value)
    assert "Virtanen" not in str(error.value)
    assert lake.version("curated.splits") == version
    assert not list(lake.store.list(lake.settings.zone_root("curated") + "/_staging"))


def test_readers_that_skip_files_by_their_statistics_miss_no_row(lake):
    """Ends of a range are found by each reader: times to the microsecond, long texts, numbers."""
    long = "a" * 32
    drawn = [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2024, 5, 6, 7, 8, 9, 123_456, UTC), None]
    labels = [long + "b", long + "\U0010ffff", long]
    confidences = [0.0, 1.0, None]
    rows = [
        (f"{n}.csv", 0, "helsinki", "d", "s", None, "point", [1.0, 2.0], "px", label, "e", "human", 1, confidence, at)
        for n, (label, at, confidence) in enumerate(zip(labels, drawn, confidences, strict=True))
    ]
    own = ", ".join(f"{column.name} {column.type}" for column in contract("restricted.shapes").own_columns)
    lake.write(lake.work(INGEST), "restricted.shapes", lake.spark.createDataFrame(rows, own))
    by_spark = lake.spark.read.format("delta").load(hadoop_path(lake.uri(contract("restricted.shapes"))))
    by_delta_rs = lake.glance("restricted.shapes")
    for name, values in (("label_raw", labels), ("annotated_at", drawn[:2]), ("confidence", confidences[:2])):
        for value in values:
            for spark_filter, arrow_filter in (
                (F.col(name) == F.lit(value), pc.field(name) == value),
                (F.col(name) >= F.lit(value), pc.field(name) >= value),
                (F.col(name) <= F.lit(value), pc.field(name) <= value),
            ):
                expected = {row[0] for row in by_spark.where(spark_filter).select("path").collect()}
                assert f"{values.index(value)}.csv" in expected
                assert set(by_delta_rs.to_table(filter=arrow_filter)["path"].to_pylist()) == expected, arrow_filter
        nulls = {row[0] for row in by_spark.where(F.col(name).isNull()).select("path").collect()}
        assert nulls == set(by_delta_rs.to_table(filter=pc.field(name).is_null())["path"].to_pylist())


@pytest.mark.parametrize("values", [(-inf, 0.5), (0.5, inf), (inf, inf)])
def test_numbers_without_end_are_found(lake, values):
    cell = "unit_id string, feature string, scan_id string, value double, unit string, method string, version string"
    rows = [(KEY[n], "focus", KEY[0], value, "1", "slope", "1") for n, value in enumerate(values)]
    lake.write(lake.work(MEASURE), "curated.features", lake.spark.createDataFrame(rows, cell).coalesce(1))
    read = lake.spark.read.format("delta").load(hadoop_path(lake.uri(contract("curated.features"))))
    held = lake.glance("curated.features")
    for value in values:
        assert read.where(F.col("value") == F.lit(value)).count() == values.count(value)
        assert held.to_table(filter=pc.field("value") == value).num_rows == values.count(value)
    assert read.where("value > 1e308").count() == values.count(inf)
    assert held.to_table(filter=pc.field("value") > 1e308).num_rows == values.count(inf)


def test_a_crop_without_its_image_is_refused(lake):
    """The gate looks at all columns but images."""
    columns = contract("curated.crops").own_columns
    made = lake.spark.range(1).select(*(one_of(column) for column in columns))
    lake.write(lake.work(TILE), "curated.crops", made)
    without = made.withColumn("unit_id", F.lit(KEY[1])).withColumn("image", F.lit(None).cast("binary"))
    with pytest.raises(ContractMismatch, match=r"curated\.crops\.image is null"):
        lake.write(lake.work(TILE), "curated.crops", without)
    assert lake.read("curated.crops").count() == 1


def one_of(column: Column):
    """A value that the column may hold."""
    if column.type == "string":
        hashed = KEY[0] * 2 if column.name.endswith("_sha256") else KEY[0]
        return F.lit(column.values[0] if column.values else hashed).alias(column.name)
    value = max(1, column.minimum or 0) if column.type != "binary" else bytearray(b"x")
    return F.lit(value).cast(column.type).alias(column.name)


def test_a_frame_that_breaks_the_contract_is_refused_by_column(lake):
    frame = splits(lake, (1, "train")).drop("side")
    with pytest.raises(ContractMismatch, match=r"curated\.splits\.side should be string but is missing"):
        lake.write(lake.work(JOIN), "curated.splits", frame)


def test_tables_need_no_more_than_reader_protocol_1(lake):
    lake.write(lake.work(JOIN), "curated.splits", splits(lake, (1, "train")))
    log = lake.store.read(f"{lake.uri(contract('curated.splits'))}/_delta_log/{0:020d}.json")
    protocol = next(entry["protocol"] for entry in map(json.loads, log.splitlines()) if "protocol" in entry)
    assert protocol["minReaderVersion"] == 1


def test_a_table_of_a_narrower_contract_is_widened(lake, monkeypatch):
    wide = contract("curated.splits")
    side = replace(wide.column("side"), values=("train",))
    own = tuple(side if column.name == "side" else column for column in wide.own_columns)
    monkeypatch.setitem(tables.TABLES, "curated.splits", replace(wide, own_columns=own))
    lake.write(lake.work(JOIN), "curated.splits", splits(lake, (1, "train")))
    free = replace(wide.column("side"), nullable=True)
    more = Column("note", "string", "A note.", nullable=True)
    own = (*(free if column.name == "side" else column for column in wide.own_columns), more)
    monkeypatch.setitem(tables.TABLES, "curated.splits", replace(wide, own_columns=own))
    rows = splits(lake, (2, "test")).selectExpr("*", "CAST(NULL AS string) AS note")
    lake.write(lake.work(JOIN), "curated.splits", rows)
    assert sides(lake) == {KEY[1]: "train", KEY[2]: "test"}
    nobody = splits(lake, (3, "test")).selectExpr(
        "patient_key", "scheme", "CAST(NULL AS string) AS side", "'x' AS note"
    )
    lake.write(lake.work(JOIN), "curated.splits", nobody)
    assert sides(lake)[KEY[3]] is None


def test_a_lake_of_a_newer_version_is_refused(lake):
    lake.write(lake.work(JOIN), "curated.splits", splits(lake, (1, "train")))
    uri = hadoop_path(lake.uri(contract("curated.splits")))
    lake.spark.sql(f"ALTER TABLE delta.`{uri}` SET TBLPROPERTIES ('hemalake.contract.version' = '99')")
    with pytest.raises(LakeTooNew, match="99"):
        lake.write(lake.work(JOIN), "curated.splits", splits(lake, (2, "train")))


def test_rows_of_other_settings_are_not_mixed_in(lake):
    ledger = lake.read("curated.samples").drop("stage_version", "settings_sha256")
    lake.write(lake.work(JOIN), "curated.samples", ledger)
    assert lake.progress(JOIN)["stage"] == "join"
    other = replace(lake.settings, split=replace(lake.settings.split, train=0.5))
    with pytest.raises(StaleOutput, match="--rebuild"):
        Lake(other, lake.spark).work(JOIN)
    assert Lake(other, lake.spark).work(JOIN, rebuild=True).rebuild
