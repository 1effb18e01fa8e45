"""Remove versions of tables that nobody will ask for again, and with them the rows and pseudonyms that only they hold.

A version stays while it is the newest, has not been consumed by each stage, is pinned by a release, or was replaced
within its table's retention. All other data files go, and so do the commits before the oldest version that stays: the
statistics in them hold the least and the greatest key of each file.

Delta's own VACUUM knows no release, keeps statistics, and adds versions that each stage would take for news.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from jobs.errors import UsageError
from jobs.lake import Lake, contract
from jobs.lease import all_leases
from jobs.release.candidate import Candidate, candidates, discard
from jobs.release.package import version_of
from jobs.release.signoff import decision_for
from jobs.store import Entry
from schemas.stages import STAGES
from schemas.tables import TABLES

_SECONDS_A_DAY = 86_400
_DIGITS = 20
"""Length of a version in the names of the log."""


@dataclass
class Vacuumed:
    """What went, and what stays for a release."""

    files: int = 0
    bytes: int = 0
    pinned: dict[str, list[str]] = field(default_factory=dict)
    """Release to the tables of which it needs an older version than the newest; these hold what they held."""
    unpinned: list[str] = field(default_factory=list)
    """Releases that can no longer be built again."""


def vacuum(lake: Lake, *, days: int | None = None, unpin: Sequence[str] = ()) -> Vacuumed:
    """Remove what no version needs that is to stay.

    Args:
        days: how long a version stays after it was replaced; None: as each table's contract says.
        unpin: releases, such as `v1`, that need not be built again. What was published of them stays as it is.

    Raises:
        UsageError: no such release pins anything.
        LeaseHeld: a stage is running.
    """
    done = Vacuumed()
    with all_leases(lake.store, lake.settings):
        pins = _pins(lake, unpin, done)
        for name in TABLES:
            if lake.version(name) is not None:
                _vacuum_table(lake, name, days, pins, done)
    return done


def _pins(lake: Lake, unpin: Sequence[str], done: Vacuumed) -> dict[str, Candidate]:
    """Candidates whose versions stay, by release; others go, but for the newest and what is signed."""
    found = candidates(lake)
    names = {one.id: version_of(lake, one.release_sha256) or "" for one in found}
    unknown = set(unpin) - set(names.values())
    if unknown:
        raise UsageError("no such release pins versions of tables; `hemalake status` lists the releases.")
    pins = {}
    for one in found:
        decision = decision_for(lake, one.release_sha256)
        stays = one is found[-1] or bool(names[one.id]) or (decision is not None and decision.approved)
        if not stays or names[one.id] in unpin:
            discard(lake, one.id)
            done.unpinned += [names[one.id]] if names[one.id] else []
        else:
            pins[names[one.id] or one.id] = one
    return pins


def _vacuum_table(lake: Lake, name: str, days: int | None, pins: dict[str, Candidate], done: Vacuumed) -> None:
    table = _Versions(lake, name)
    kept = table.needed(TABLES[name].retention_days if days is None else days)
    for release, candidate in pins.items():
        version = candidate.tables.get(name)
        if version is not None and version not in kept:
            kept.add(version)
            done.pinned.setdefault(release, []).append(name)
    table.forget_before(min(kept))
    for entry in table.unused(kept):
        lake.store.delete(entry.uri)
        done.files += 1
        done.bytes += entry.bytes


class _Versions:
    """The versions of one table, and the files that each needs."""

    def __init__(self, lake: Lake, name: str) -> None:
        self._lake, self._name, self._table = lake, name, contract(name)
        self._root = lake.uri(self._table)
        self._now = lake.version(name) or 0
        entries = list(lake.store.list(self._root))
        self._log = [entry for entry in entries if entry.uri.startswith(f"{self._root}/_delta_log/")]
        self._data = [entry for entry in entries if entry not in self._log]
        names = {_name(entry): entry.uri for entry in self._log if entry.uri.endswith(".json")}
        self._commits = {int(name[:_DIGITS]): uri for name, uri in names.items() if name[:_DIGITS].isdigit()}

    def needed(self, days: float) -> set[int]:
        """The newest version, those that a stage has yet to consume, and those that were replaced not long ago."""
        first = self._now
        for stage in STAGES:
            version, noted = self._lake.noted(stage) if stage.writes else (0, {})
            if noted and self._name in stage.reads:
                first = min(first, noted["consumed"].get(self._name, self._now))
            if noted and self._name == stage.ledger:
                first = min(first, version)
        since = 1000 * (time.time() - _SECONDS_A_DAY * days)
        recent = {version - 1 for version in self._commits if self._committed(version) > since}
        return {*range(first, self._now + 1), *(recent & self._commits.keys())}

    def forget_before(self, first: int) -> None:
        """Take older commits out of the log; a checkpoint tells what they led to."""
        old = [entry for entry in self._log if _name(entry)[:_DIGITS].isdigit() and int(_name(entry)[:_DIGITS]) < first]
        if not old:
            return
        for entry in self._log:  # Hadoop's sums of what is written anew here
            if entry.uri.endswith(("/._last_checkpoint.crc", f"/.{first:020d}.checkpoint.parquet.crc")):
                self._lake.store.delete(entry.uri)
        self._lake.log(self._table, first).create_checkpoint()
        for entry in old:
            self._lake.store.delete(entry.uri)

    def unused(self, kept: set[int]) -> list[Entry]:
        """The files that no version in `kept` needs, nor the changes from one to the next."""
        files = [file for version in kept for file in self._lake.log(self._table, version).file_uris()]
        for version in kept & self._commits.keys():
            if version - 1 in kept:
                files += [unquote(one["cdc"]["path"]) for one in self._actions(version) if "cdc" in one]
        needed = {file.rsplit("/", 1)[-1] for file in files}
        return [entry for entry in self._data if _name(entry) not in needed]

    def _actions(self, version: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._lake.store.read(self._commits[version]).splitlines() if line]

    def _committed(self, version: int) -> float:
        """When a version was committed, in milliseconds since 1970."""
        return float(next((one["commitInfo"]["timestamp"] for one in self._actions(version) if "commitInfo" in one), 0))


def _name(entry: Entry) -> str:
    """The name of a file; of Hadoop's sum beside it (`.name.crc`), the name of what it is the sum of."""
    name = entry.uri.rsplit("/", 1)[-1]
    return name[1:].removesuffix(".crc") if name.startswith(".") else name
