"""Another key for a whole lake: rows of two keys never mix, links hold, and old pseudonyms really go."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs import pipeline
from jobs.errors import StaleOutput, UsageError, WrongKey
from jobs.hospital.build import add_patient
from jobs.keys import rotate
from jobs.lake import Lake
from jobs.release.candidate import newest_candidate
from jobs.release.signoff import decide
from jobs.settings import load_settings
from jobs.vacuum import vacuum
from schemas.contract import Zone
from schemas.stages import RELEASE, STAGES
from schemas.tables import TABLES

PSEUDONYM = re.compile(r"[0-9a-f]{32}")
CURATED = [name for name, table in TABLES.items() if table.zone is Zone.CURATED and name != "curated.snapshots"]


def rows(lake: Lake, name: str) -> list[dict[str, Any]]:
    columns = [column.name for column in TABLES[name].columns if column.type != "binary"]
    return lake.glance(name).to_table(columns=columns).to_pylist()


def pseudonyms(lake: Lake) -> set[str]:
    """All keys of the curated tables, as they are now; hashes of content and of settings are none."""
    return {
        value
        for name in CURATED
        for row in rows(lake, name)
        for column, value in row.items()
        if not column.endswith("_sha256") and isinstance(value, str) and PSEUDONYM.fullmatch(value)
    }


def held(folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """Each file with what may be a pseudonym in its path, its bytes and, of Parquet, its rows."""
    for file in folder.rglob("*"):
        if file.is_file():
            text = str(file.relative_to(folder)) + file.read_bytes().decode("latin-1")
            if file.suffix == ".parquet":
                text += str(pq.ParquetFile(file).read().to_pydict())
            yield file, set(PSEUDONYM.findall(text))


def links(lake: Lake, names: dict[str, str]) -> list[Counter[tuple[str, ...]]]:
    """How many cells, with which label, and which side each patient has; under `names` where they have another."""
    samples, splits = rows(lake, "curated.samples"), rows(lake, "curated.splits")
    return [
        Counter((names.get(row["patient_key"], row["patient_key"]), row["label_code"]) for row in samples),
        Counter((names.get(row["patient_key"], row["patient_key"]), row["side"]) for row in splits),
    ]


def test_a_rotated_lake_holds_no_old_pseudonym(ran, tmp_path):
    mine = ran.copy(tmp_path / "mine")
    lake, curated = mine.lake, mine.folder / "lake" / "curated"
    decide(lake, newest_candidate(lake).release_sha256, "approved", officer="A. Officer", by="command line")
    pipeline.run(lake, [RELEASE])
    old, before = pseudonyms(lake), links(lake, {})
    versions = mine.versions()
    assert len(old) > 100

    (mine.folder / "new.key").write_bytes(bytes(range(100, 140)))
    assert rotate(lake, mine.folder / "new.key", mine.folder / "map.jsonl") >= 4
    with pytest.raises(WrongKey, match="Nothing was written"):
        pipeline.run(lake)  # the settings still name the old key
    settings = mine.folder / "hemalake.toml"
    settings.write_text(settings.read_text().replace("@pseudonym.key", "@new.key"))
    lake = Lake(load_settings(settings), lake.spark)
    keyed = [stage for stage in STAGES if stage.keyed]
    assert len(keyed) == len(STAGES) - 2
    assert {lake.stale(stage) for stage in keyed} == {"made under another pseudonym key"}
    for stage in keyed:
        with pytest.raises(StaleOutput, match="pseudonym key"):
            pipeline.run(lake, [stage])
    assert {name: lake.version(name) for name in TABLES} == versions

    pipeline.run(lake, rebuild=True)
    assert {lake.stale(stage) for stage in keyed} == {""}
    new = pseudonyms(lake)
    assert len(new) == len(old)
    assert new.isdisjoint(old)
    names = {one["old"]: one["new"] for one in map(json.loads, (mine.folder / "map.jsonl").read_text().splitlines())}
    assert [Counter({(names[key], *rest): n for (key, *rest), n in one.items()}) for one in before] == links(lake, {})

    done = vacuum(lake, days=0)
    assert "curated.samples" in done.pinned["v1"]
    assert any(found & old for _, found in held(curated / "samples"))  # the release can still be built
    with pytest.raises(UsageError, match="no such release"):
        vacuum(lake, unpin=["v9"])
    done = vacuum(lake, days=0, unpin=["v1"])
    assert (done.unpinned, done.pinned) == (["v1"], {})
    assert [file for file, found in held(curated) if found & old] == []
    assert pseudonyms(lake) == new
    assert (mine.folder / "lake" / "released" / "v1" / "manifest.json").is_file()

    assert not any(one.changed for one in pipeline.run(lake))
    patients = len(rows(lake, "curated.patients"))
    add_patient(mine.folder / "hospital", seed=5)
    pipeline.run(lake)  # nobody misses a version that went
    assert len(rows(lake, "curated.patients")) == patients + 1
    assert new < pseudonyms(lake)
