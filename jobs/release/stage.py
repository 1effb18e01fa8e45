"""Release: build a candidate from the newest snapshot and its report; publish it once an officer has signed.

Example:
    $ hemalake release --settings demo/hemalake.toml
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from jobs.accounting import Account
from jobs.lake import Lake, Work
from jobs.release import report
from jobs.release.build import build_candidate, newest_snapshot
from jobs.release.candidate import Candidate, candidate_id, newest_candidate, record
from jobs.release.package import publish, version_of, versions
from jobs.release.signoff import decision_for, decisions

__all__ = ["newest_candidate", "run", "status"]


def run(lake: Lake, work: Work) -> list[Account]:
    """Bring the newest snapshot as far towards a release as its signature allows; what is done is not done again."""
    candidate = _standing(lake) or _built(lake)
    if candidate is None:
        return []
    work.warnings += candidate.warnings
    if not report.exists(lake, candidate):
        report.render(lake, candidate)
    decision = decision_for(lake, candidate.release_sha256)
    if decision is not None and decision.approved:
        publish(lake, candidate)
    return [Account("cell", candidate.cells, candidate.cells, 0)]


def status(lake: Lake) -> dict[str, Any]:
    """What waits and what is out, read without Spark.

    Returns:
        `candidate` and `decision` (None where there is none), `report` (its URI where it is there), `version` (the
        one under which the candidate is published), `published` (version, release_sha256, cells and signature of
        each release, oldest first), and `decisions`, how many the log holds.
    """
    candidate = newest_candidate(lake)
    decision = decision_for(lake, candidate.release_sha256) if candidate else None
    return {
        "candidate": asdict(candidate) if candidate else None,
        "decision": asdict(decision) if decision else None,
        "report": report.uri(lake, candidate.id) if candidate and report.exists(lake, candidate) else None,
        "version": version_of(lake, candidate.release_sha256) if candidate else None,
        "published": [
            {name: manifest[name] for name in ("version", "release_sha256", "cells", "signed", "changes")}
            for manifest in versions(lake)
        ],
        "decisions": len(decisions(lake)),
    }


def _standing(lake: Lake) -> Candidate | None:
    """The newest candidate, where no table says that there may be a newer snapshot; found without Spark."""
    candidate = newest_candidate(lake)
    if candidate is None or candidate.snapshots_version != lake.version("curated.snapshots"):
        return None
    return candidate if candidate.id == candidate_id(lake, candidate.snapshot_id) else None


def _built(lake: Lake) -> Candidate | None:
    """The candidate of the newest snapshot, built unless it is there; None where nothing passed the gates yet."""
    snapshot = newest_snapshot(lake)
    if snapshot is None:
        return None
    candidate = build_candidate(lake, snapshot)
    seen = lake.version("curated.snapshots") or 0
    if candidate.snapshots_version != seen:
        candidate = replace(candidate, snapshots_version=seen)
        record(lake, candidate)
    return candidate
