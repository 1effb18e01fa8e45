"""Spark is set up for the amount of data that comes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs import session


@pytest.fixture(autouse=True)
def as_before(spark):
    mode = spark.conf.get(session.EXPRESSIONS)
    yield
    spark.conf.set(session.EXPRESSIONS, mode)


def test_many_new_rows_are_worth_compiling_for(spark, settings):
    session.expect(spark, settings, session.ROWS_FEW + 1)
    assert spark.conf.get(session.EXPRESSIONS) == "FALLBACK"
    session.expect(spark, settings, session.ROWS_FEW)
    assert spark.conf.get(session.EXPRESSIONS) == "NO_CODEGEN"


@pytest.mark.parametrize("own", [{"quick": False}, {"conf": {session.EXPRESSIONS: "CODEGEN_ONLY"}}])
def test_what_the_settings_say_stays(spark, settings, own):
    spark.conf.set(session.EXPRESSIONS, "CODEGEN_ONLY")
    session.expect(spark, replace(settings, spark=replace(settings.spark, **own)), 1)
    assert spark.conf.get(session.EXPRESSIONS) == "CODEGEN_ONLY"


def test_both_ways_give_the_same_rows(spark, settings):
    found = []
    for rows in (1, session.ROWS_FEW + 1):
        session.expect(spark, settings, rows)
        frame = spark.range(50).selectExpr("id % 7 AS a", "cast(id / 3 AS string) AS b", "array(id, null) AS c")
        grouped = frame.groupBy("a").agg({"b": "max", "c": "max"}).join(frame, "a", "full_outer")
        found.append(sorted(map(str, grouped.selectExpr("to_json(struct(*)) AS row").collect())))
    assert found[0] == found[1]
