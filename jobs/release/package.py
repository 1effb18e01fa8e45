"""Publish a signed candidate as a numbered, immutable release.

A number is reserved by an entry that only one writer can put, and belongs to one hash for good. The files are copied
while they are hashed, and `manifest.json` comes last: a folder without one is no release, and the next run finishes it.
It needs no Spark.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobs.errors import SignOffError
from jobs.lake import Lake
from jobs.release.candidate import Candidate, folder
from jobs.release.contents import AGAIN, THREADS, Digest, chunks, labels, verify
from jobs.release.signoff import Decision, decision_for, entry_sha256
from jobs.store import Store

MANIFEST = "manifest.json"


def publish(lake: Lake, candidate: Candidate) -> str:
    """Publish what was signed; returns the version, such as `v1`. A hash that is published already stays as it is.

    Raises:
        SignOffError: nobody approved exactly these bytes, or something was added, removed or changed since.
    """
    there = version_of(lake, candidate.release_sha256)
    if there is not None:
        return there
    decision = _approval(lake, candidate)
    source = folder(lake, candidate.id)
    listed = verify(lake.store, source, candidate.release_sha256)
    number = _number(lake, candidate.release_sha256)
    target = f"{_root(lake)}/v{number}"
    lake.store.delete_folder(target)
    _copy_all(lake.store, source, target, listed)
    manifest = _manifest(lake, candidate, decision, number, listed)
    lake.store.write(f"{target}/{MANIFEST}", json.dumps(manifest, indent=1, sort_keys=True).encode())
    return f"v{number}"


def versions(lake: Lake) -> list[dict[str, Any]]:
    """The manifest of every published release, oldest first."""
    found = [manifest_of(lake, number) for number in sorted(_reserved(lake))]
    return [manifest for manifest in found if manifest is not None]


def version_of(lake: Lake, release_sha256: str) -> str | None:
    """The version under which this hash is published; None where it is not."""
    for number, owner in _reserved(lake).items():
        if owner == release_sha256 and manifest_of(lake, number) is not None:
            return f"v{number}"
    return None


def manifest_of(lake: Lake, number: int) -> dict[str, Any] | None:
    """The manifest of a version; None where the version is not published."""
    uri = f"{_root(lake)}/v{number}/{MANIFEST}"
    if not lake.store.exists(uri):
        return None
    found: dict[str, Any] = json.loads(lake.store.read(uri))
    return found


def _approval(lake: Lake, candidate: Candidate) -> Decision:
    decision = decision_for(lake, candidate.release_sha256)
    if decision is None:
        raise SignOffError("nobody has signed this release. Read its report, then run `hemalake review`.")
    if not decision.approved:
        raise SignOffError(
            f"this release was refused in decision {decision.number}. Mend the cause and run the pipeline again, "
            "or have it approved by a later decision."
        )
    return decision


def _number(lake: Lake, release_sha256: str) -> int:
    """The number that belongs to this hash: the one that an interrupted publication reserved, or the next."""
    while True:
        reserved = _reserved(lake)
        for number, owner in reserved.items():
            if owner == release_sha256:
                return number
        number = max(reserved, default=0) + 1
        entry = json.dumps({"release_sha256": release_sha256}).encode()
        if lake.store.write_new(f"{_root(lake)}/_numbers/{number}.json", entry):
            return number


def _reserved(lake: Lake) -> dict[int, str]:
    """Number to the hash that it belongs to."""
    found = {}
    for entry in lake.store.list(f"{_root(lake)}/_numbers"):
        name = entry.uri.rsplit("/", 1)[-1].removesuffix(".json")
        if name.isdigit():
            found[int(name)] = str(json.loads(lake.store.read(entry.uri))["release_sha256"])
    return found


def _copy_all(store: Store, source: str, target: str, listed: list[Digest]) -> None:
    def copy(one: Digest) -> None:
        digest = hashlib.sha256()
        with store.open(f"{source}/{one.path}") as stream, store.writing(f"{target}/{one.path}") as copied:
            for chunk in chunks(stream):
                digest.update(chunk)
                copied.write(chunk)
            if digest.hexdigest() != one.sha256:
                raise SignOffError("a file of the candidate changed while it was published. " + AGAIN)

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(copy, listed):
            pass


def _manifest(
    lake: Lake, candidate: Candidate, decision: Decision, number: int, listed: list[Digest]
) -> dict[str, Any]:
    before = max((n for n in _reserved(lake) if n < number and manifest_of(lake, n) is not None), default=None)
    return {
        "version": f"v{number}",
        "release_sha256": candidate.release_sha256,
        "candidate": candidate.id,
        "signed": {
            "officer": decision.officer,
            "decided_at": decision.decided_at,
            "decision": decision.number,
            "decision_sha256": entry_sha256(decision),
        },
        "cells": candidate.cells,
        "patients": candidate.patients,
        "files": [{"path": one.path, "sha256": one.sha256} for one in sorted(listed, key=lambda one: one.path)],
        "snapshot_id": candidate.snapshot_id,
        "tables": candidate.tables,
        "previous": None if before is None else f"v{before}",
        "changes": None if before is None else _changes(lake, before, number),
    }


def _changes(lake: Lake, before: int, after: int) -> dict[str, int]:
    """How many cells were added, removed and given another label since a version."""
    old, new = (labels(lake.store, f"{_root(lake)}/v{number}") for number in (before, after))
    return {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "relabelled": sum(old[cell] != new[cell] for cell in old.keys() & new.keys()),
    }


def _root(lake: Lake) -> str:
    return lake.settings.zone_root("released")
