"""Public sets that nobody here made go through the same pipeline into a release, and every shape is accounted for."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from jobs import pipeline
from jobs.lake import Lake
from jobs.release import signoff, stage
from jobs.settings import load_settings

EXAMPLES = Path(__file__).parents[2] / "examples"


def ran(folder: Path, example: str, data: Path, spark) -> Lake:
    """A lake of one example after all stages."""
    for file in (EXAMPLES / example).iterdir():
        shutil.copy(file, folder / file.name)
    shutil.copytree(data, folder / "landing" / example / "as-published")
    (folder / "pseudonym.key").write_bytes(bytes(range(32)))
    lake = Lake(load_settings(folder / "hemalake.toml"), spark)
    pipeline.run(lake)
    return lake


def labels(lake: Lake) -> Counter:
    rows = lake.read("curated.samples").groupBy("label_code").count().collect()
    return Counter({row.label_code: row["count"] for row in rows})


def publish(lake: Lake) -> dict:
    candidate = stage.newest_candidate(lake)
    signoff.decide(lake, candidate.release_sha256, "approved", officer="Officer", by="command line")
    pipeline.run(lake)
    return stage.status(lake)["published"][0]


def held(lake: Lake) -> Counter:
    rows = lake.read("restricted.quarantine").groupBy("unit_kind", "reason").count().collect()
    return Counter({(row.unit_kind, row.reason): row["count"] for row in rows})


def each_field_is_its_own_group(lake: Lake, fields: int) -> None:
    scans = lake.read("curated.scans")
    assert scans.count() == fields
    assert scans.select("patient_key").distinct().count() == fields
    assert scans.where("mpp_x IS NULL AND mpp_source LIKE 'none:%'").count() == fields


def test_bccd(real_data, tmp_path, spark):
    data = real_data / "BCCD"
    written = Counter(
        item.findtext("name")
        for file in sorted((data / "BCCD" / "Annotations").glob("*.xml"))
        for item in ElementTree.parse(file).iter("object")
    )
    lake = ran(tmp_path, "bccd", data, spark)
    assert held(lake) == {("annotation", "box_without_area"): 2}
    assert labels(lake) == written - Counter(RBC=2)
    assert sum(written.values()) == 4888
    each_field_is_its_own_group(lake, 364)
    assert publish(lake)["cells"] == 4886


def test_chula(real_data, tmp_path, spark):
    data = real_data / "Chula_RBC12_subset"
    written = Counter(
        line.split()[2]
        for file in (data / "Label").glob("*.txt")
        for line in file.read_text().splitlines()
        if line.strip()
    )
    lake = ran(tmp_path, "chula", data, spark)
    assert held(lake) == {}
    assert labels(lake) == written
    assert sum(written.values()) == 4504
    each_field_is_its_own_group(lake, 130)
    assert publish(lake)["cells"] == 4504


@pytest.mark.parametrize("example", ["bccd", "chula"])
def test_an_example_says_where_its_set_is_from(example):
    assert "[sources." in (EXAMPLES / example / "hemalake.toml").read_text()
