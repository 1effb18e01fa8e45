"""A release is what was signed, complete or absent, under a number of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from jobs.errors import SignOffError, StoreError
from jobs.lake import Lake
from jobs.release import package
from jobs.release.build import Snapshot, build_candidate
from jobs.release.candidate import folder
from jobs.release.contents import SUMS, files
from jobs.release.package import publish, version_of, versions
from jobs.release.signoff import APPROVED, REFUSED, decide
from tests.jobs.release import hospital
from tests.jobs.release.conftest import Built, put


def released(lake: Lake) -> str:
    return lake.settings.zone_root("released")


def sign(built: Built, decision: str = APPROVED) -> None:
    decide(built.lake, built.candidate.release_sha256, decision, officer="Dr. Demo", by="airflow")


def nothing_is_out(lake: Lake) -> bool:
    return not versions(lake) and not lake.store.folders(released(lake))


def test_a_signed_candidate_is_published_byte_for_byte_once(copied):
    sign(copied)
    lake, store = copied.lake, copied.lake.store
    assert publish(lake, copied.candidate) == "v1"
    source, target = folder(lake, copied.candidate.id), f"{released(lake)}/v1"
    assert files(store, target) == sorted([*files(store, source), "manifest.json"])
    assert all(store.read(f"{target}/{path}") == store.read(f"{source}/{path}") for path in files(store, source))
    manifest = versions(lake)[0]
    assert manifest["release_sha256"] == hashlib.sha256(store.read(f"{target}/{SUMS}")).hexdigest()
    assert (manifest["signed"]["officer"], manifest["signed"]["decision"]) == ("Dr. Demo", 1)
    assert (manifest["previous"], manifest["changes"]) == (None, None)
    assert {one["path"] for one in manifest["files"]} == set(files(store, source))
    before = [entry.modified for entry in store.list(released(lake))]
    assert publish(lake, copied.candidate) == "v1"
    assert [entry.modified for entry in store.list(released(lake))] == before


def test_without_a_signature_nothing_is_released(copied):
    with pytest.raises(SignOffError, match="nobody has signed"):
        publish(copied.lake, copied.candidate)
    assert nothing_is_out(copied.lake)


def test_a_refused_candidate_is_not_released_until_it_is_approved_later(copied):
    sign(copied)
    sign(copied, REFUSED)
    with pytest.raises(SignOffError, match="refused in decision 2"):
        publish(copied.lake, copied.candidate)
    assert nothing_is_out(copied.lake)
    sign(copied)
    assert publish(copied.lake, copied.candidate) == "v1"


@pytest.mark.parametrize("harm", ["changed", "removed", "added", "sums", "sums and file", "unsigned hash"])
def test_what_was_changed_after_it_was_signed_is_not_released(copied, harm):
    sign(copied)
    lake, store, root = copied.lake, copied.lake.store, folder(copied.lake, copied.candidate.id)
    path = next(path for path in files(store, root) if path.endswith(".png"))
    content = bytearray(store.read(f"{root}/{path}"))
    content[-20] ^= 1
    candidate = copied.candidate
    if harm in ("changed", "sums and file"):
        store.write(f"{root}/{path}", bytes(content))
    if harm == "removed":
        store.delete(f"{root}/{path}")
    if harm == "added":
        store.write(f"{root}/data/train/extra.parquet", b"more")
    if harm == "sums":
        store.write(f"{root}/{SUMS}", store.read(f"{root}/{SUMS}") + f"{'0' * 64}  x\n".encode())
    if harm == "sums and file":
        old = hashlib.sha256(bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])).hexdigest()
        listed = store.read(f"{root}/{SUMS}").decode().replace(old, hashlib.sha256(content).hexdigest())
        store.write(f"{root}/{SUMS}", listed.encode())
    if harm == "unsigned hash":
        candidate = replace(candidate, release_sha256="0" * 64)
    with pytest.raises(SignOffError):
        publish(lake, candidate)
    assert nothing_is_out(lake)


def test_a_crash_before_the_manifest_leaves_no_release_and_the_next_run_finishes_it(copied, monkeypatch):
    sign(copied)
    lake, real = copied.lake, package._manifest

    def crash(*args):
        raise StoreError("the power went out")

    monkeypatch.setattr(package, "_manifest", crash)
    with pytest.raises(StoreError):
        publish(lake, copied.candidate)
    assert lake.store.folders(released(lake)) == ["_numbers", "v1"]
    assert versions(lake) == []
    assert version_of(lake, copied.candidate.release_sha256) is None
    lake.store.write(f"{released(lake)}/v1/.half-a-file", b"left behind")
    monkeypatch.setattr(package, "_manifest", real)
    assert publish(lake, copied.candidate) == "v1"
    assert ".half-a-file" not in files(lake.store, f"{released(lake)}/v1")


def test_a_number_is_never_used_twice(copied):
    lake = copied.lake
    lake.store.write_new(f"{released(lake)}/_numbers/1.json", json.dumps({"release_sha256": "f" * 64}).encode())
    sign(copied)
    assert publish(lake, copied.candidate) == "v2"
    lake.store.delete_folder(f"{released(lake)}/v2")
    assert publish(lake, copied.candidate) == "v2"


def test_a_number_that_another_takes_at_the_same_time_is_left_to_it(copied, monkeypatch):
    sign(copied)
    store = type(copied.lake.store)
    real, tries = store.write_new, []

    def overtaken(self, uri, data):
        if not tries:
            tries.append(uri)
            real(self, uri, json.dumps({"release_sha256": "f" * 64}).encode())
        return real(self, uri, data)

    monkeypatch.setattr(store, "write_new", overtaken)
    assert publish(copied.lake, copied.candidate) == "v2"


def test_the_next_version_tells_what_changed(copied):
    sign(copied)
    lake = copied.lake
    publish(lake, copied.candidate)
    samples = [hospital.sample(cell) for cell in range(1, hospital.CELLS)]
    samples[5] |= {"label_code": samples[5]["votes"][0]["label_code"]}
    samples[6]["label_code"] = "BAS"
    samples[6]["votes"] = [{"examiner_key": hospital.key("examiner", 1), "round": 2, "label_code": "BAS"}]
    version = put(lake, "curated.samples", samples)
    snapshot = Snapshot("b" * 64, 2, {**copied.snapshot.tables, "curated.samples": version})
    second = replace(copied, candidate=build_candidate(lake, snapshot))
    sign(second)
    assert publish(lake, second.candidate) == "v2"
    manifest = versions(lake)[-1]
    assert manifest["previous"] == "v1"
    assert manifest["changes"] == {"added": 0, "removed": 1, "relabelled": 1}
    assert version_of(lake, copied.candidate.release_sha256) == "v1"
