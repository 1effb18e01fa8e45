"""A candidate: a release as it waits for its signature, and the record that says that it is complete.

The files lie in `candidates/<id>/` of the curated zone. The record `candidates/<id>.json` is written last, so that
a folder without one is what an interrupted build left, and is built again. None of this needs Spark.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from jobs.errors import SignOffError
from jobs.lake import Lake
from schemas.released_cells import RELEASED_CELLS
from schemas.stages import RELEASE


@dataclass(frozen=True)
class Candidate:
    """What is known of a complete candidate without opening its files."""

    id: str
    release_sha256: str
    """SHA-256 of its SHA256SUMS: what is signed."""
    snapshot_id: str
    snapshot_number: int
    snapshots_version: int
    """Version of `curated.snapshots` that was last found to hold no newer snapshot."""
    tables: dict[str, int]
    """Name and version of each table that the snapshot pins."""
    settings_sha256: str
    """Digest of the release's settings."""
    cells: int
    patients: int
    classes: dict[str, dict[str, int]]
    """Cells by side, then label."""
    files: int
    bytes: int
    warnings: list[str] = field(default_factory=list)
    """Warnings of the release's own gate."""
    snapshot_warnings: int = 0
    """How many expectations failed without blocking when the snapshot was made."""
    anonymity: dict[str, Any] = field(default_factory=dict)
    """How many patients look alike, before and after, and what was made more general or withheld for it."""


def candidate_id(lake: Lake, snapshot_id: str) -> str:
    """16 digits of a hash of all that a candidate's bytes depend on: snapshot, settings, stage and contract."""
    identity = {
        "snapshot": snapshot_id,
        "settings": lake.settings.digest(*RELEASE.settings),
        "stage": RELEASE.version,
        "contract": RELEASED_CELLS.version,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def folder(lake: Lake, identity: str) -> str:
    """URI of the folder that holds a candidate's files."""
    return f"{_root(lake)}/{identity}"


def record(lake: Lake, candidate: Candidate) -> None:
    """Say that a candidate is complete."""
    text = json.dumps(asdict(candidate), indent=1, sort_keys=True)
    lake.store.write(f"{_root(lake)}/{candidate.id}.json", text.encode())


def discard(lake: Lake, identity: str) -> None:
    """Remove a candidate, so that it is built again; the same bytes have the same hash, and a signature holds again."""
    lake.store.delete(f"{_root(lake)}/{identity}.json")
    lake.store.delete_folder(folder(lake, identity))


def load(lake: Lake, identity: str) -> Candidate | None:
    """The candidate of that id; None where there is none or it is incomplete."""
    uri = f"{_root(lake)}/{identity}.json"
    if not lake.store.exists(uri):
        return None
    return Candidate(**json.loads(lake.store.read(uri)))


def candidates(lake: Lake) -> list[Candidate]:
    """Every complete candidate, the one to be signed next at the end."""
    found = [load(lake, name) for name in lake.store.folders(_root(lake))]
    here = lake.settings.digest(*RELEASE.settings)
    return sorted(
        (one for one in found if one is not None),
        key=lambda one: (one.snapshot_number, one.settings_sha256 == here, one.id),
    )


def newest_candidate(lake: Lake) -> Candidate | None:
    """The candidate of the newest snapshot; of several of it, the one made under the present settings."""
    return next(reversed(candidates(lake)), None)


def by_sha256(lake: Lake, release_sha256: str) -> Candidate:
    """The candidate that has this hash.

    Raises:
        SignOffError: none has it.
    """
    for candidate in reversed(candidates(lake)):
        if candidate.release_sha256 == release_sha256:
            return candidate
    raise SignOffError("no candidate has this hash. `hemalake status` shows the one that waits for a decision.")


def _root(lake: Lake) -> str:
    return f"{lake.settings.zone_root('curated')}/candidates"
