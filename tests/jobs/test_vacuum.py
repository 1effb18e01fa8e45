"""Earlier versions of tables go when nobody can ask for them; without Spark."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from jobs.cli import main
from jobs.errors import LeaseHeld, UsageError
from jobs.lake import Lake
from jobs.lease import lease_of
from jobs.vacuum import vacuum
from schemas.stages import DEIDENTIFY, INGEST


@pytest.fixture
def lake(settings) -> Lake:
    """A lake whose identities have been replaced twice."""
    lake = Lake(settings)
    uri = place(lake)
    for patient in ("first", "second", "third"):
        write_deltalake(uri, pa.table({"patient_id": [patient]}), mode="overwrite")
    return lake


def place(lake):
    return f"{lake.settings.zone_root('restricted')}/identities".removeprefix("file://")


def patients(lake, version=None):
    return DeltaTable(place(lake), version).to_pyarrow_table()["patient_id"].to_pylist()


def consumed(lake, tmp_path, version):
    """The ledger of `deidentify`, which has read the identities up to a version."""
    noted = {
        "stage": "deidentify",
        "stage_version": DEIDENTIFY.version,
        "settings_sha256": lake.settings.digest(*DEIDENTIFY.settings),
        "consumed": {"restricted.identities": version},
    }
    uri = str(tmp_path / "lake" / DEIDENTIFY.ledger.replace(".", "/"))
    write_deltalake(uri, pa.table({"rule": ["a"]}))
    log = tmp_path / "lake" / DEIDENTIFY.ledger.replace(".", "/") / "_delta_log" / f"{0:020d}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "commitInfo" in line:
            line["commitInfo"]["userMetadata"] = json.dumps(noted)
    log.write_text("\n".join(map(json.dumps, lines)) + "\n")


def test_versions_stay_for_as_long_as_the_contract_says(lake):
    assert vacuum(lake).files == 0
    assert [patients(lake, version) for version in range(3)] == [["first"], ["second"], ["third"]]


def test_without_retention_the_newest_alone_stays_and_nothing_tells_of_others(lake, tmp_path):
    assert vacuum(lake, days=0).files == 2
    assert patients(lake) == patients(lake, 2) == ["third"]
    assert lake.version("restricted.identities") == 2
    held = b"".join(file.read_bytes() for file in (tmp_path / "lake").rglob("*") if file.is_file())
    assert b"first" not in held
    assert b"second" not in held
    assert vacuum(lake, days=0).files == 0
    write_deltalake(place(lake), pa.table({"patient_id": ["fourth"]}), mode="append")
    assert sorted(patients(lake)) == ["fourth", "third"]


def test_what_a_stage_has_yet_to_read_stays(lake, tmp_path):
    consumed(lake, tmp_path, 1)
    assert vacuum(lake, days=0).files == 1
    assert patients(lake, 1) == ["second"]


def test_nothing_goes_while_a_stage_runs_or_for_a_release_that_is_not_there(lake):
    with lease_of(lake.store, lake.settings, INGEST.name), pytest.raises(LeaseHeld):
        vacuum(lake, days=0)
    with pytest.raises(UsageError, match="no such release"):
        vacuum(lake, days=0, unpin=["v1"])
    assert patients(lake, 0) == ["first"]


def test_the_command(tmp_path, capsys):
    (tmp_path / "hemalake.toml").write_text(
        '[places]\nlake = "lake"\nlanding = "landing"\nkey = "@old.key"\n[sources]\n'
    )
    assert main(["vacuum", "--days", "0", "--settings", str(tmp_path / "hemalake.toml")]) == 0
    assert "0 files" in capsys.readouterr().out
