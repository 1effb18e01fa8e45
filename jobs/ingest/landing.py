"""What lies in the landing zone: closed deliveries, file by file.

A delivery is `landing/<source>/<delivery>/`. It is closed by a `manifest.json` that was written last, or, without
one, when nothing in it has changed for the source's settle time. Open deliveries are left alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from jobs.errors import BadInput, SettingsError, StoreError
from jobs.settings import Settings
from jobs.store import Entry, Store
from schemas.reasons import Reason

MANIFEST = "manifest.json"
LANDED_SCHEMA = (
    "path string, source string, delivery string, uri string, bytes bigint, modified string, "
    "declared_bytes bigint, declared_sha256 string"
)
ABSENT = "absent"
"""`modified` of a file that the manifest names but that is not there."""


@dataclass(frozen=True)
class Landed:
    """One file of a closed delivery, as listed; nothing of it has been read."""

    path: str
    source: str
    delivery: str
    uri: str
    bytes: int
    modified: str
    declared_bytes: int | None
    declared_sha256: str | None


def landed_files(store: Store, settings: Settings) -> Iterator[Landed]:
    """Every file of every closed delivery, by source, delivery and name.

    Raises:
        SettingsError: a folder of the landing zone is no source that the settings know.
        StoreUnreachable: the landing zone does not answer.
    """
    root = settings.places.landing.rstrip("/")
    store.check(root)
    for source in store.folders(root):
        if source not in settings.sources:
            raise SettingsError(
                f"the landing zone holds a source that the settings do not know. Add a table [sources.{source}] "
                f"to the settings, or move the folder away; known: {', '.join(sorted(settings.sources)) or 'none'}."
            )
        for delivery in store.folders(f"{root}/{source}"):
            yield from _delivery(store, root, source, delivery, settings.sources[source].settle_seconds)


def _delivery(store: Store, root: str, source: str, delivery: str, settle: float) -> Iterator[Landed]:
    base = f"{root}/{source}/{delivery}"
    entries = {_relative(entry, base): entry for entry in store.list(base)}
    manifest = entries.pop(MANIFEST, None)
    if manifest is None:
        if entries and time.time() - max(e.modified_seconds for e in entries.values()) < settle:
            return
        declared: dict[str, Any] = {}
    else:
        declared = _manifest(store, manifest)
    for name in sorted(entries.keys() | declared.keys()):
        entry, told = entries.get(name), declared.get(name, {})
        yield Landed(
            path=f"{source}/{delivery}/{name}",
            source=source,
            delivery=delivery,
            uri=entry.uri if entry else f"{base}/{name}",
            bytes=entry.bytes if entry else 0,
            modified=entry.modified if entry else ABSENT,
            declared_bytes=told.get("bytes"),
            declared_sha256=told.get("sha256"),
        )


def _manifest(store: Store, entry: Entry) -> dict[str, Any]:
    """What the delivery says it holds, by path; a manifest still being written leaves the delivery open."""
    try:
        return {item["path"]: item for item in json.loads(store.read(entry.uri))["files"]}
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            "a delivery's manifest.json is not complete: it must be JSON with a list `files` of path, bytes, sha256, "
            "written last. Nothing of the landing zone was taken; deliver the manifest again."
        ) from None


def manifest_problem(landed: Landed, sha256: str | None) -> None:
    """Raise BadInput when size or checksum are not those that the manifest declares."""
    differs = landed.declared_bytes is not None and landed.declared_bytes != landed.bytes
    if sha256 is not None and landed.declared_sha256 is not None:
        differs = differs or landed.declared_sha256 != sha256
    if landed.modified == ABSENT or differs:
        raise BadInput(Reason.MANIFEST_MISMATCH)


def _relative(entry: Entry, base: str) -> str:
    """Path below the delivery's folder, as the file system writes it."""
    return unquote(entry.uri)[len(unquote(base)) + 1 :] if entry.uri.startswith("file:") else entry.uri[len(base) + 1 :]
