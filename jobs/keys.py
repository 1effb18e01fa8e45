"""The pseudonym key of a lake: its loss or change is noticed before anything is written, and it can be rotated.

What the lake keeps of the key is `restricted/key.json`: a fingerprint, which is an HMAC under the key and tells nothing
of it, and the number of rotations. The ledger of each stage notes that number, so that rows under two keys are never
mixed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from jobs.errors import UsageError, WrongKey
from jobs.lake import Lake
from jobs.lease import all_leases
from jobs.pseudonyms import Pseudonyms
from schemas.contract import Zone
from schemas.tables import TABLES


def check_key(lake: Lake) -> None:
    """Compare the pseudonym key with the one that the lake was made with; the first run notes its fingerprint.

    Raises:
        SettingsError: the key file is not there, cannot be read, or is too short.
        WrongKey: it is another key, so that the same patient would get a second pseudonym; or nobody can tell any more.
    """
    mine = Pseudonyms.from_file(lake.settings.key_path()).key_for("fingerprint")
    if not lake.store.exists(lake.key_uri) and _has_pseudonyms(lake):
        raise WrongKey(
            "the lake holds pseudonyms, but `restricted/key.json`, which tells by which key, is gone. Nothing was "
            "written. Restore it from a backup, or start a lake of its own."
        )
    if lake.store.write_new(lake.key_uri, _noted(mine, 0)):
        return
    if json.loads(lake.store.read(lake.key_uri))["fingerprint"] != mine:
        raise WrongKey(
            "the pseudonym key is not the one that this lake was made with. Nothing was written. "
            "Name the right key file under [places] key, start a lake of its own for the new key, or say "
            "`hemalake rotate-key` to give every patient a new pseudonym."
        )


def rotate(lake: Lake, new: Path, told: Path | None = None) -> int:
    """Give the lake another key; returns how many patients get new pseudonyms once the stages are rebuilt.

    Splits stay as they are, since they are assigned to patients and not to pseudonyms; so do releases.

    Args:
        lake: whose key is to change; its settings still name the old key.
        new: file of the new key.
        told: where to write one JSON line a patient, with the old and the new `patient_key`; for the hospital alone.

    Raises:
        WrongKey: the old key is not that of the lake.
        UsageError: the new key is the old one.
        LeaseHeld: a stage is running.
    """
    check_key(lake)
    old, fresh = Pseudonyms.from_file(lake.settings.key_path()), Pseudonyms.from_file(new)
    if old.key_for("fingerprint") == fresh.key_for("fingerprint"):
        raise UsageError("the new key is the one that the lake has already.")
    with all_leases(lake.store, lake.settings):
        patients = _patients(lake)
        if told:
            _write_map(told, [(old.key_for("patient", one), fresh.key_for("patient", one)) for one in patients])
        lake.store.write(lake.key_uri, _noted(fresh.key_for("fingerprint"), lake.key_rotations() + 1))
    return len(patients)


def _noted(fingerprint: str, rotations: int) -> bytes:
    return json.dumps({"fingerprint": fingerprint, "rotations": rotations}).encode()


def _has_pseudonyms(lake: Lake) -> bool:
    return any(lake.version(name) is not None for name, table in TABLES.items() if table.zone is Zone.CURATED)


def _patients(lake: Lake) -> list[str]:
    if lake.version("restricted.identities") is None:
        return []
    rows: Any = lake.glance("restricted.identities").to_table(columns=["patient_id"])
    return sorted(set(rows["patient_id"].to_pylist()))


def _write_map(to: Path, pairs: list[tuple[str, str]]) -> None:
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        for before, after in sorted(pairs):
            file.write(json.dumps({"old": before, "new": after}) + "\n")
