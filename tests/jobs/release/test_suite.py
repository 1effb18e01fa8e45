"""Every rule of the release's suite has a row that fails it, and a good row that passes all of them."""

from __future__ import annotations

import pytest

from expectations.gate import GateRefused, check_rules, structural
from expectations.released_cells import SUITE
from expectations.rules import Severity
from jobs.errors import GateFailed
from jobs.lake import Lake
from jobs.release.build import check, pinned, released
from jobs.release.protect import COLUMNS, Protection, protect
from schemas.contract import Zone
from schemas.released_cells import IMAGE, RELEASED_CELLS
from schemas.tables import TABLES


@pytest.fixture(scope="module")
def good(built):
    """One row that is as it should be, and its schema."""
    protection = protect(pinned(built.lake, built.snapshot, "curated.samples"), built.lake.settings.release.k)
    frame = released(built.lake, built.snapshot, protection)
    return frame.where("mpp_x IS NOT NULL AND age_group IS NOT NULL").first().asDict(recursive=True), frame.schema


def frame_of(lake: Lake, good, **changed):
    row, schema = good
    return lake.spark.createDataFrame([row | changed], schema)


def test_a_good_row_passes(built, good):
    assert check_rules("release", frame_of(built.lake, good), SUITE, structural(RELEASED_CELLS)) == []


@pytest.mark.parametrize("rule", SUITE, ids=lambda rule: rule.name)
def test_each_rule_has_a_row_that_fails_it(built, good, rule):
    from pyspark.sql import functions as F

    held = frame_of(built.lake, good, **rule.breaks).select(F.expr(rule.holds)).first()[0]
    assert held is False
    assert rule.says.endswith(".")


def test_samples_that_nobody_made_more_general_are_refused(built):
    samples = pinned(built.lake, built.snapshot, "curated.samples").select("patient_key", *COLUMNS).distinct()
    as_recorded = [(who, tuple(values), tuple(values)) for who, *values in samples.collect()]
    with pytest.raises(GateFailed, match="enough_patients_are_alike"):
        check(released(built.lake, built.snapshot, Protection(as_recorded, {})))


@pytest.mark.parametrize("severity", list(Severity))
def test_a_critical_rule_refuses_and_a_warning_is_told(built, good, severity):
    rule = next(rule for rule in SUITE if rule.severity is severity)
    broken = frame_of(built.lake, good, **rule.breaks)
    if severity is Severity.WARNING:
        assert check_rules("release", broken, SUITE) == [f"release: {rule.name}"]
    else:
        with pytest.raises(GateRefused, match=rule.name) as error:
            check_rules("release", broken, SUITE)
        assert str(rule.breaks) not in str(error.value)


def test_the_contract_is_public_and_not_a_table_of_the_lake():
    assert RELEASED_CELLS.zone is Zone.RELEASED
    assert RELEASED_CELLS.full_name not in TABLES
    assert RELEASED_CELLS.column(IMAGE).type == "binary"
