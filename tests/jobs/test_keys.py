"""The key of a lake: noticed when it is lost or another, before anything is written; and rotated."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs.cli import main
from jobs.errors import LeaseHeld, SettingsError, UsageError, WrongKey
from jobs.keys import check_key, rotate
from jobs.lake import Lake
from jobs.lease import Lease
from jobs.pseudonyms import Pseudonyms
from schemas.stages import DEIDENTIFY, INGEST


@pytest.fixture
def lake(settings) -> Lake:
    """A lake without Spark."""
    return Lake(settings)


def with_key(lake, content, name="other.key"):
    path = lake.settings.key_path().with_name(name)
    path.write_bytes(content)
    return Lake(replace(lake.settings, places=replace(lake.settings.places, key=f"@{path}")))


def restricted(lake, tmp_path):
    return sorted(path.name for path in (tmp_path / "lake").rglob("*") if path.is_file())


def identities(lake, *patients):
    uri = f"{lake.settings.zone_root('restricted')}/identities".removeprefix("file://")
    write_deltalake(uri, pa.table({"patient_id": list(patients)}))


def test_the_first_run_notes_a_fingerprint_that_is_not_the_key(lake, tmp_path):
    check_key(lake)
    check_key(lake)
    noted = (tmp_path / "lake/restricted/key.json").read_bytes()
    key = lake.settings.key_path().read_bytes()
    assert key not in noted
    assert key.hex().encode() not in noted
    assert json.loads(noted)["rotations"] == 0


@pytest.mark.parametrize("content", [bytes(32), bytes(range(33)), bytes(range(32))[::-1]])
def test_another_key_is_noticed_and_writes_nothing(lake, tmp_path, content):
    check_key(lake)
    before = restricted(lake, tmp_path)
    with pytest.raises(WrongKey, match="Nothing was written"):
        check_key(with_key(lake, content))
    assert restricted(lake, tmp_path) == before


def test_a_lost_or_short_key_writes_nothing(lake, tmp_path):
    with pytest.raises(SettingsError, match="32 bytes"):
        check_key(with_key(lake, bytes(31)))
    lake.settings.key_path().unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        check_key(lake)
    assert restricted(lake, tmp_path) == []


def test_a_lake_that_cannot_tell_its_key_any_more_is_refused(lake, tmp_path):
    log = tmp_path / "lake/curated/patients/_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020d}.json").write_text("{}")
    with pytest.raises(WrongKey, match=r"key\.json"):
        check_key(lake)
    assert not (tmp_path / "lake/restricted/key.json").exists()


def test_a_rotation_changes_the_key_and_tells_the_hospital_alone(lake, tmp_path):
    identities(lake, "p1", "p2", "p1")
    new = with_key(lake, bytes(32))
    told = tmp_path / "map.jsonl"
    check_key(lake)
    assert rotate(lake, new.settings.key_path(), told) == 2
    old, fresh = (Pseudonyms.from_file(one.settings.key_path()) for one in (lake, new))
    pairs = {tuple(json.loads(line).values()) for line in told.read_text().splitlines()}
    assert pairs == {(old.key_for("patient", one), fresh.key_for("patient", one)) for one in ("p1", "p2")}
    assert told.stat().st_mode & 0o077 == 0
    check_key(new)
    with pytest.raises(WrongKey):
        check_key(lake)


def finished(lake, tmp_path, stage, **more):
    """The ledger of a stage that has run under the lake's settings."""
    noted = {
        "stage": stage.name, "stage_version": stage.version, "settings_sha256": lake.settings.digest(*stage.settings),
        **more,
    }  # fmt: skip
    log = tmp_path / "lake" / stage.ledger.replace(".", "/") / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    (log / f"{0:020d}.json").write_text(json.dumps({"commitInfo": {"userMetadata": json.dumps(noted)}}))


def test_rows_of_another_key_are_stale_until_they_are_rebuilt(lake, tmp_path):
    check_key(lake)
    for stage in (INGEST, DEIDENTIFY):
        finished(lake, tmp_path, stage)
    assert lake.stale(DEIDENTIFY) == ""
    new = with_key(lake, bytes(32))
    rotate(lake, new.settings.key_path())
    assert new.stale(DEIDENTIFY) == "made under another pseudonym key"
    assert new.stale(INGEST) == ""
    finished(new, tmp_path, DEIDENTIFY, key_rotations=1)
    assert new.stale(DEIDENTIFY) == ""


def test_a_rotation_that_cannot_be_done_changes_nothing(lake, tmp_path):
    check_key(lake)
    noted = (tmp_path / "lake/restricted/key.json").read_bytes()
    with pytest.raises(UsageError, match="already"):
        rotate(lake, lake.settings.key_path())
    with pytest.raises(SettingsError):
        rotate(lake, with_key(lake, b"short").settings.key_path())
    with pytest.raises(WrongKey):
        rotate(with_key(lake, bytes(32)), lake.settings.key_path())
    uri = f"{lake.settings.zone_root('restricted')}/leases/crop.json"
    with Lease(lake.store, uri, "crop", 60), pytest.raises(LeaseHeld):
        rotate(lake, with_key(lake, bytes(32)).settings.key_path())
    assert (tmp_path / "lake/restricted/key.json").read_bytes() == noted


def test_the_command(tmp_path, capsys):
    (tmp_path / "hemalake.toml").write_text(
        '[places]\nlake = "lake"\nlanding = "landing"\nkey = "@old.key"\n[sources]\n'
    )
    (tmp_path / "old.key").write_bytes(bytes(range(32)))
    (tmp_path / "new.key").write_bytes(bytes(32))
    settings = ["--settings", str(tmp_path / "hemalake.toml")]
    assert main(["rotate-key", str(tmp_path / "new.key"), *settings]) == 2
    assert main(["rotate-key", f"@{tmp_path / 'new.key'}", *settings]) == 0
    assert "0 patients" in capsys.readouterr().out
    assert main(["rotate-key", f"@{tmp_path / 'new.key'}", *settings]) == 1
