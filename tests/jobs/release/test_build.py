"""A candidate is exactly what its snapshot pins, and its bytes depend on nothing else."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.errors import GateFailed, LakeError
from jobs.lake import contract
from jobs.release.build import Snapshot, build_candidate, newest_snapshot, refuse_direct
from jobs.release.candidate import candidates, discard, folder, load, newest_candidate
from jobs.release.contents import SUMS, columns, files
from jobs.release.facts import QUASI
from jobs.release.ladders import LADDERS
from jobs.release.shards import ROW_GROUP, WRITTEN, ShardWriter, png_size, schema
from jobs.store import Store, hadoop_path
from schemas.contract import Column, Privacy
from schemas.released_cells import IMAGE, RELEASED_CELLS
from schemas.samples import SAMPLES
from schemas.stages import CROP
from tests.jobs.release import hospital
from tests.jobs.release.conftest import Built, fresh_process, put


def content(built: Built) -> dict[str, bytes]:
    """Path to bytes of every file of the candidate."""
    root = folder(built.lake, built.candidate.id)
    return {path: built.lake.store.read(f"{root}/{path}") for path in files(built.lake.store, root)}


def rebuilt(built: Built, **options: int) -> Built:
    """The candidate discarded and built again."""
    discard(built.lake, built.candidate.id)
    return replace(built, candidate=build_candidate(built.lake, built.snapshot, **options))


def test_one_row_a_cell_with_the_crops_own_bytes(built):
    root = folder(built.lake, built.candidate.id)
    cells = columns(built.lake.store, root, ["cell_id", IMAGE, "label_code", "side", "votes", "crop_x"]).to_pylist()
    assert len(cells) == built.candidate.cells == hospital.CELLS
    wanted = {hospital.key("cell", n): (hospital.sample(n), hospital.crop(n)) for n in range(hospital.CELLS)}
    for cell in cells:
        sample, crop = wanted.pop(cell["cell_id"])
        assert (cell[IMAGE], cell["crop_x"]) == (crop["image"], crop["x"])
        assert (cell["label_code"], cell["side"]) == (sample["label_code"], sample["side"])
        assert cell["votes"] == sorted(sample["votes"], key=lambda vote: tuple(vote.values()))
        path = f"images/{cell['side']}/{cell['label_code']}/{cell['cell_id']}.png"
        assert built.lake.store.read(f"{root}/{path}") == crop["image"]
    assert not wanted


def test_shards_hold_a_set_number_of_rows_in_key_order(built):
    shards = {path: pq.read_table(io.BytesIO(data)) for path, data in content(built).items() if path[:5] == "data/"}
    by_side: dict[str, list[str]] = {}
    for path, table in sorted(shards.items()):
        assert table.schema.equals(schema())
        assert table.schema.field("mpp_x").metadata[b"unit"] == b"um"
        assert table.num_rows <= 7
        by_side.setdefault(path.split("/")[1], []).extend(table["cell_id"].to_pylist())
    assert all(keys == sorted(keys) for keys in by_side.values())
    assert {side: len(keys) for side, keys in by_side.items()} == {"train": 40, "validation": 16, "test": 16}
    assert "data/train/cells-00005.parquet" in shards


def test_checksums_cover_every_file_and_are_what_is_signed(built):
    found = content(built)
    listed = found.pop(SUMS)
    assert hashlib.sha256(listed).hexdigest() == built.candidate.release_sha256
    lines = [line.split("  ", 1) for line in listed.decode().splitlines()]
    assert [path for _, path in lines] == sorted(found)
    assert all(hashlib.sha256(found[path]).hexdigest() == sha256 for sha256, path in lines)
    assert built.candidate.files == len(found) + 1
    assert built.candidate.bytes == sum(map(len, found.values())) + len(listed)


def test_the_card_tells_columns_counts_and_versions(built):
    found = content(built)
    card = found["README.md"].decode()
    assert all(f"`{column.name}`" in card for column in RELEASED_CELLS.columns)
    assert "| all | 40 | 16 | 16 | 72 |" in card
    assert f"| curated.crops | {built.snapshot.tables['curated.crops']} |" in card
    assert "creativecommons.org/licenses/by/4.0" in found["LICENSE"].decode()
    told = json.loads(found["snapshot.json"])
    assert told["tables"] == built.snapshot.tables
    assert told["made_by"]["curated.crops"][0]["stage_version"] == CROP.version


def test_at_least_k_patients_are_alike_in_what_is_told_and_no_cell_is_lost(built):
    root = folder(built.lake, built.candidate.id)
    cells = columns(built.lake.store, root, ["cell_id", "patient_key", *QUASI]).to_pylist()
    assert len(cells) == hospital.CELLS
    groups: dict[tuple, set[str]] = {}
    for cell in cells:
        groups.setdefault(tuple(cell[name] for name in QUASI), set()).add(cell["patient_key"])
    told = built.candidate.anonymity
    assert min(len(who) for values, who in groups.items() if any(values)) == told["after"]["k"] >= 2
    assert len(groups[None, None, None]) == told["suppressed"] == 1
    assert hospital.key("patient", 8) in groups[None, None, None]
    recorded = {hospital.key("cell", n): hospital.sample(n) for n in range(hospital.CELLS)}
    for cell in cells:
        for name, ladder in LADDERS.items():
            was = recorded[cell["cell_id"]][name]
            assert cell[name] in [ladder.at(was, level) for level in range(ladder.height + 1)]
    card = content(built)["README.md"].decode()
    assert f"At least {told['after']['k']} patients share" in card
    assert "of 1 of the 9 patients" in card


def test_another_k_makes_another_candidate_with_the_same_cells(copied):
    other = replace(copied.lake.settings, release=replace(copied.lake.settings.release, k=11))
    candidate = build_candidate(type(copied.lake)(other, copied.lake.spark), copied.snapshot)
    assert candidate.id != copied.candidate.id
    assert candidate.cells == hospital.CELLS
    assert (candidate.anonymity["after"]["k"], candidate.anonymity["suppressed"]) == (0, 9)


def test_building_what_is_there_does_nothing(built):
    root = folder(built.lake, built.candidate.id)
    before = [entry.modified for entry in built.lake.store.list(root)]
    assert build_candidate(built.lake, built.snapshot) == built.candidate
    assert [entry.modified for entry in built.lake.store.list(root)] == before


def test_same_bytes_with_other_partitions_after_optimize_and_a_left_over_folder(copied):
    before = content(copied)
    for name in copied.snapshot.tables:
        uri = hadoop_path(copied.lake.uri(contract(name)))
        copied.lake.spark.sql(f"OPTIMIZE delta.`{uri}`")
    root = folder(copied.lake, copied.candidate.id)
    assert rebuilt(copied, partitions=1).candidate == copied.candidate
    assert content(copied) == before
    copied.lake.store.delete(f"{root}.json")
    copied.lake.store.write(f"{root}/data/train/.cells-00000.parquet.part", b"left by a crash")
    assert load(copied.lake, copied.candidate.id) is None
    assert build_candidate(copied.lake, copied.snapshot, partitions=5) == copied.candidate
    assert content(copied) == before


def test_same_bytes_in_a_fresh_process(copied):
    before = content(copied)
    discard(copied.lake, copied.candidate.id)
    script = (
        "from dataclasses import replace\nfrom jobs.lake import Lake\nfrom jobs.settings import Spark\n"
        "from jobs.release.build import build_candidate, newest_snapshot\n"
        "spark = Spark(master='local[1]', shuffle_partitions=3)\n"
        "lake = Lake(replace(settings_at(place), spark=spark))\n"
        "print(build_candidate(lake, newest_snapshot(lake)).release_sha256)\n"
    )
    assert fresh_process(copied.lake, script).split()[-1] == copied.candidate.release_sha256
    assert content(copied) == before


def test_the_newest_snapshot_is_the_highest_number(built):
    assert newest_snapshot(built.lake) == built.snapshot


def test_other_settings_make_another_candidate(copied):
    lake = copied.lake
    other = replace(lake.settings, release=replace(lake.settings.release, licence="CC0-1.0"))
    changed = type(lake)(other, lake.spark)
    candidate = build_candidate(changed, copied.snapshot)
    assert candidate.id != copied.candidate.id
    assert newest_candidate(changed) == candidate
    assert newest_candidate(lake) == copied.candidate
    assert len(candidates(lake)) == 2


def with_samples(built: Built, *changed: dict) -> Snapshot:
    """A snapshot in which some samples are other."""
    rows = {row["cell_id"]: row for row in map(hospital.sample, range(hospital.CELLS))}
    rows.update({row["cell_id"]: row for row in changed})
    version = put(built.lake, "curated.samples", list(rows.values()))
    return Snapshot("6" * 64, 2, {**built.snapshot.tables, "curated.samples": version})


def refused(built: Built, snapshot: Snapshot) -> str:
    """What the gate says; nothing of the candidate is left."""
    with pytest.raises(GateFailed) as error:
        build_candidate(built.lake, snapshot)
    assert len(candidates(built.lake)) == 1
    assert len(built.lake.store.folders(built.lake.settings.zone_root("curated") + "/candidates")) == 1
    assert not list(built.lake.store.list(built.lake.settings.zone_root("curated") + "/_staging"))
    return str(error.value)


def test_a_patient_on_both_sides_is_refused(copied):
    said = refused(copied, with_samples(copied, hospital.sample(0, side="test")))
    assert "patient_is_on_one_side" in said
    assert hospital.key("patient", 0) not in said


@pytest.mark.parametrize("kind", ["cell", "scan"])
def test_a_duplicate_across_sides_is_refused(copied, kind):
    version = put(copied.lake, "curated.duplicates", [hospital.duplicate(kind, 0, 8)])
    snapshot = Snapshot("7" * 64, 2, {**copied.snapshot.tables, "curated.duplicates": version})
    assert "duplicates_are_on_one_side" in refused(copied, snapshot)


def test_a_cell_without_pixels_is_refused(copied):
    rows = [hospital.crop(cell) for cell in range(1, hospital.CELLS)]
    version = put(copied.lake, "curated.crops", rows)
    snapshot = Snapshot("8" * 64, 2, {**copied.snapshot.tables, "curated.crops": version})
    assert "pixel_sha256" in refused(copied, snapshot)


def test_pixels_that_are_no_png_are_refused(copied):
    rows = [hospital.crop(cell) for cell in range(hospital.CELLS)]
    rows[3] |= {"image": b"no image", "pixel_sha256": "0" * 64}
    version = put(copied.lake, "curated.crops", rows)
    snapshot = Snapshot("9" * 64, 2, {**copied.snapshot.tables, "curated.crops": version})
    assert "1 images are not the PNG" in refused(copied, snapshot)


def test_a_snapshot_without_a_needed_table_is_refused(built):
    with pytest.raises(LakeError, match=r"curated\.samples"):
        build_candidate(built.lake, Snapshot("a" * 64, 9, {}))


def test_no_released_column_identifies_directly():
    refuse_direct(RELEASED_CELLS)
    leaky = replace(SAMPLES, own_columns=(Column("name", "string", "Name.", privacy=Privacy.DIRECT),))
    with pytest.raises(GateFailed, match="name identifies"):
        refuse_direct(leaky)


def rows_of_one_shard(count: int) -> list[dict]:
    rows = []
    for cell in range(count):
        row = {**hospital.sample(cell % 9), **hospital.crop(cell % 9), "cell_id": f"{cell:032x}", "side": "train"}
        row |= {"crop_x": row["x"], "crop_y": row["y"], "stage_version": "1", "settings_sha256": "0" * 64}
        rows.append({"shard": 0} | {name: row[name] for name in RELEASED_CELLS.names})
    return rows


@pytest.mark.parametrize("batch", [1, 100, 10_000])
def test_bytes_do_not_depend_on_the_batches_that_rows_came_in(tmp_path, batch):
    rows = rows_of_one_shard(ROW_GROUP + 44)
    kind = pa.schema([pa.field("shard", pa.int32()), *schema()])
    batches = [pa.RecordBatch.from_pylist(rows[at : at + batch], schema=kind) for at in range(0, len(rows), batch)]
    written = [row for out in ShardWriter(Store(), tmp_path.as_uri())(batches) for row in out.to_pylist()]
    whole = [pa.RecordBatch.from_pylist(rows, schema=kind)]
    again = [row for out in ShardWriter(Store(), (tmp_path / "b").as_uri())(whole) for row in out.to_pylist()]
    assert written == again
    assert WRITTEN.names == list(written[0])
    shard = pq.ParquetFile(tmp_path / "data/train/cells-00000.parquet")
    assert [shard.metadata.row_group(n).num_rows for n in range(2)] == [ROW_GROUP, 44]
    image = shard.metadata.row_group(0).column(shard.schema_arrow.names.index(IMAGE))
    assert image.statistics is None


def test_the_size_is_read_from_the_header_of_a_png():
    assert png_size(hospital.picture(1)) == (hospital.SIDE_PX, hospital.SIDE_PX)
    assert png_size(b"\xff\xd8 not a png, but long enough to be one") is None
