"""The stage goes as far as the signature allows, and does nothing twice."""

from __future__ import annotations

import json

from jobs.lake import Lake, Work
from jobs.release import stage
from jobs.release.candidate import discard, newest_candidate
from jobs.release.signoff import APPROVED, REFUSED, decide
from schemas.stages import RELEASE
from tests.jobs.release import hospital
from tests.jobs.release.conftest import fresh_process, put


def work() -> Work:
    return Work(RELEASE, {}, {})


def state(lake: Lake) -> dict[str, str]:
    return {entry.uri: entry.modified for entry in lake.store.list(lake.settings.places.lake)}


def test_from_snapshot_over_signature_to_release(copied):
    lake = copied.lake
    discard(lake, copied.candidate.id)
    assert stage.status(lake)["candidate"] is None
    accounts = stage.run(lake, work())
    assert [(a.unit, a.came, a.passed, a.held) for a in accounts] == [("cell", hospital.CELLS, hospital.CELLS, 0)]
    waiting = stage.status(lake)
    assert (waiting["decision"], waiting["version"], waiting["published"]) == (None, None, [])
    assert waiting["report"].endswith(".html")

    decide(lake, waiting["candidate"]["release_sha256"], REFUSED, officer="Dr. Demo", by="command line")
    stage.run(lake, work())
    assert stage.status(lake)["published"] == []

    decide(lake, waiting["candidate"]["release_sha256"], APPROVED, officer="Dr. Demo", by="command line")
    stage.run(lake, work())
    assert stage.status(lake)["version"] == "v1"
    before = state(lake)
    stage.run(lake, work())
    assert state(lake) == before


def test_a_lake_without_a_snapshot_has_nothing_to_release(lake):
    assert stage.run(lake, work()) == []
    assert newest_candidate(lake) is None


def test_another_snapshot_of_the_same_set_makes_no_other_candidate(copied):
    lake, snapshot = copied.lake, copied.snapshot
    rows = [
        {"snapshot_id": "0" * 64, "number": 1, "tables": {"curated.samples": 0}, "warnings": 0},
        {"snapshot_id": snapshot.id, "number": 2, "tables": snapshot.tables, "warnings": 2},
    ]
    put(lake, "curated.snapshots", rows)
    stage.run(lake, work())
    found = newest_candidate(lake)
    assert found.id == copied.candidate.id
    assert found.snapshots_version == lake.version("curated.snapshots")


def test_status_and_publishing_need_no_spark(copied):
    lake = copied.lake
    decide(lake, copied.candidate.release_sha256, APPROVED, officer="Dr. Demo", by="airflow")
    script = (
        "import json, sys\nfrom jobs.lake import Lake\nfrom jobs.release import package, stage\n"
        "lake = Lake(settings_at(place))\npackage.publish(lake, stage.newest_candidate(lake))\n"
        "late = [name in sys.modules for name in ('pyspark', 'great_expectations')]\n"
        "print(json.dumps([stage.status(lake)['version'], *late]))\n"
    )
    assert json.loads(fresh_process(lake, script).splitlines()[-1]) == ["v1", False, False]
