"""Files that workers write: complete or not there, and the table's own once they are committed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from jobs import delta
from jobs.parts import Parts, part_name
from jobs.store import Store
from schemas.contract import Column, Table, Zone
from tests.s3 import KEYS, s3_server

TABLE = Table(
    zone=Zone.CURATED,
    name="things",
    grain="one row a thing",
    key=("unit_id",),
    scope="scan_id",
    own_columns=(
        Column("unit_id", "string", "The thing."),
        Column("scan_id", "string", "Where it is."),
        Column("note", "string", "What is never known.", nullable=True),
        Column("image", "binary", "How it looks."),
    ),
)
SCHEMA = pa.schema([(name, pa.binary() if name == "image" else pa.string()) for name in TABLE.names])
MADE_BY = {"stage_version": "1", "settings_sha256": "0" * 64}


@pytest.fixture(params=["file", "s3a"])
def place(request, tmp_path: Path):
    """A store and a folder in it."""
    if request.param == "file":
        yield Store(), (tmp_path / "lake").as_uri()
        return
    with s3_server(tmp_path) as endpoint:
        yield Store(endpoint), "s3a://lake/zone"


def made(count: int, scan: str = "a") -> list[dict[str, dict[str, object]]]:
    return [
        {"things": {"unit_id": f"{scan}{n}", "scan_id": scan, "image": bytes([n % 256]) * 100}} for n in range(count)
    ]


def parts(store: Store, root: str) -> Parts:
    return Parts(store, f"{root}/parts", {"things": SCHEMA}, MADE_BY)


def test_a_part_is_whole_or_not_there(tmp_path):
    def failing():
        yield from made(200)
        raise LookupError("no more")

    waiting = parts(Store(), tmp_path.as_uri())
    with pytest.raises(LookupError, match="no more"):
        waiting.write("part-1.parquet", failing())
    assert waiting.names() == []
    assert waiting.write("part-2.parquet", []) == 0
    assert waiting.names() == []
    assert waiting.write("part-3.parquet", made(300)) == 300
    assert waiting.names() == ["part-3.parquet"]


def test_the_name_depends_on_the_units_alone():
    assert part_name(["a", "b"]) == part_name(iter(["b", "a"])) != part_name(["a", "c"])


def test_files_become_the_tables_own(place):
    store, root = place
    uri, waiting = f"{root}/things", parts(store, root)
    options = {"allow_http": "true", "conditional_put": "etag", "virtual_hosted_style_request": "false"}
    remote = {f"aws_{name}": value for name, value in options.items()} | {
        "aws_endpoint": store.endpoint, "aws_region": KEYS["AWS_DEFAULT_REGION"]
    }  # fmt: skip
    DeltaTable.create(uri.replace("s3a:", "s3:"), SCHEMA, storage_options=remote if store.endpoint else None)
    for number, scan in enumerate("ab"):
        waiting.write(f"part-{number}.parquet", made(130 + number, scan))
    names = waiting.names()
    note = {"stage": "try"}
    delta.take(delta.log(uri, store.endpoint), store, uri, waiting.files("things", names), TABLE, note)
    store.delete_folder(waiting.uri)
    log = delta.log(uri, store.endpoint)
    rows = log.to_pyarrow_table().to_pylist()
    assert {row["unit_id"]: row["image"] for row in rows} == {
        one["things"]["unit_id"]: one["things"]["image"] for one in made(130, "a") + made(131, "b")
    }
    assert {file.rsplit("/", 1)[-1] for file in log.file_uris()} == set(names)
    assert json.loads(log.history(1)[0]["userMetadata"]) == note
    facts = pa.table(log.get_add_actions(flatten=True)).to_pydict()
    assert sorted(facts["min.scan_id"]) == ["a", "b"]
    # Readers skip files by their statistics: each column must find its rows.
    held = log.to_pyarrow_dataset()
    for name, value in (("unit_id", "b7"), ("stage_version", "1"), ("scan_id", "a")):
        found = held.to_table(columns=["unit_id"], filter=pc.field(name) == value).num_rows
        assert found == sum(row[name] == value for row in rows) > 0
    assert held.to_table(filter=pc.field("note").is_null()).num_rows == len(rows)
