"""What is new is processed alone: nothing old is opened again, and nothing unchanged is written again."""

from __future__ import annotations

import os
import shutil

import pytest

from jobs import pipeline
from jobs.hospital.build import add_patient
from tests.end_to_end.conftest import prepare


def test_a_second_run_over_the_same_landing_zone_writes_no_table_version(ran):
    before = ran.versions()
    pipeline.run(ran.lake)
    assert ran.versions() == before


def test_late_votes_touch_votes_but_no_cell_and_no_pixel(ran):
    """Cells keep their ids and pixels, and the vote lands on the cell that it means."""
    cells = {row.cell_id for row in ran.lake.read("curated.cells").collect()}
    crops = {row.unit_id: row.pixel_sha256 for row in ran.lake.read("curated.crops").drop("image").collect()}
    assert ran.before_votes["cells"] <= cells
    assert ran.before_votes["crops"].items() <= crops.items()
    done = {outcome.stage.name: outcome for outcome in ran.with_votes}
    late = ran.truth["late"]["annotations"]
    assert {a.unit: a.came for a in done["ingest"].accounts} == {"file": 2}
    assert {a.unit: a.came for a in done["deidentify"].accounts} == {"file": 0, "record": 0, "annotation": len(late)}
    unchanged = ("curated.scans", "curated.regions", "curated.patients", "curated.measurements", "curated.specimens")
    versions = ran.versions()
    assert {name: versions[name] for name in unchanged} == {
        name: ran.before_votes["versions"][name] for name in unchanged
    }


def forget_old_files(ran) -> None:
    """Overwrite every landed file by zeros of the same size and time, and every original and cleaned file by nothing.

    Whatever opens an old file now comes to another result or fails.
    """
    for file in ran.landing.rglob("*"):
        if file.is_file() and file.name != "manifest.json":
            stat = file.stat()
            file.write_bytes(b"\0" * stat.st_size)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for objects in ("restricted/objects", "curated/objects"):
        for file in (ran.folder / "lake" / objects).rglob("*"):
            if file.is_file():
                file.write_bytes(b"")


@pytest.fixture(scope="module")
def larger(tmp_path_factory, spark):
    found = prepare(tmp_path_factory.mktemp("larger"), spark, patients=8, cells=160, seed=2)
    pipeline.run(found.lake)
    return found


def add_one(ran, folder) -> dict[str, dict[str, int]]:
    """Add one patient to a copy of the lake whose old files are gone; stage and unit to how many came in."""
    grown = ran.copy(folder)
    forget_old_files(grown)
    add_patient(grown.folder / "hospital", seed=99)
    outcomes = pipeline.run(grown.lake)
    patients = grown.lake.read("curated.patients").count()
    assert patients == ran.lake.read("curated.patients").count() + 1
    return {o.stage.name: {a.unit: a.came for a in o.accounts} for o in outcomes if o.stage.name != "release"}


def test_a_new_patient_costs_the_same_in_a_small_and_in_a_larger_lake(ran, larger, tmp_path):
    small = add_one(ran, tmp_path / "small")
    large = add_one(larger, tmp_path / "large")
    # The two added patients are not alike to the last vote, but each costs about itself, whatever the lake holds.
    assert small.keys() == large.keys()
    for name in small:
        for unit, came in small[name].items():
            assert abs(large[name][unit] - came) <= 0.2 * came, (name, unit)
    assert 0 < small["ingest"]["file"] < 40


def test_what_waited_for_a_partner_is_tried_again_when_it_comes(ran, tmp_path):
    grown = ran.copy(tmp_path / "partner")
    delivery = grown.landing / add_patient(grown.folder / "hospital", seed=5)
    (delivery / "manifest.json").unlink()
    first = delivery.with_name("2024-06-01_first")
    shutil.copytree(delivery / "annotations", first / "annotations")
    shutil.rmtree(delivery / "annotations")
    aside = tmp_path / "aside"
    shutil.move(delivery, aside)
    for folder in (first, aside):
        for file in folder.rglob("*"):
            os.utime(file, (1_700_000_000, 1_700_000_000))
    pipeline.run(grown.lake)
    waiting = {place for place, reason in grown.held().items() if place.startswith(f"helsinki/{first.name}/")}
    assert waiting
    shutil.move(aside, delivery)
    pipeline.run(grown.lake)
    rows = grown.lake.read("restricted.quarantine").where("resolved_by = 'partner'").collect()
    assert {row.place for row in rows} == waiting
