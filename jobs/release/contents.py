"""What lies in the folder of a candidate or a release: its files, their checksums, and columns of its Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.errors import SignOffError, StoreError
from jobs.store import Store

SUMS = "SHA256SUMS"
CHUNK = 1 << 20
THREADS = 8
AGAIN = "Nothing was released: delete the candidate, build it again and have it signed anew."


@dataclass(frozen=True)
class Digest:
    """One file and its SHA-256."""

    path: str
    sha256: str


def files(store: Store, root: str) -> list[str]:
    """Paths of all files below a release's folder, relative to it, sorted."""
    marker = f"/{root.rsplit('/', 1)[-1]}/"
    return sorted(entry.uri.split(marker, 1)[1] for entry in store.list(root))


def sums(store: Store, root: str) -> list[Digest]:
    """The lines of a release's SHA256SUMS.

    Raises:
        SignOffError: there is none, or it is no such list.
    """
    try:
        lines = store.read(f"{root}/{SUMS}").decode().splitlines()
    except (StoreError, UnicodeDecodeError):
        lines = []
    found = [Digest(path, sha256) for sha256, _, path in (line.partition("  ") for line in lines)]
    if not found or any(len(one.sha256) != 64 or not one.path for one in found):
        raise SignOffError(f"the candidate's {SUMS} is missing or damaged. Delete the candidate and build it again.")
    return found


def verify(store: Store, root: str, release_sha256: str) -> list[Digest]:
    """Recompute every checksum of a release's folder; returns its files, SHA256SUMS among them.

    Raises:
        SignOffError: a file was added, removed or changed.
    """
    listed = [*sums(store, root), Digest(SUMS, release_sha256)]
    if sorted(one.path for one in listed) != files(store, root):
        raise SignOffError("files were added to the release or removed from it since it was built. " + AGAIN)

    def wrong(one: Digest) -> bool:
        with store.open(f"{root}/{one.path}") as stream:
            return _sha256(chunks(stream)) != one.sha256

    with ThreadPoolExecutor(THREADS) as pool:
        changed = sum(pool.map(wrong, listed))
    if changed:
        raise SignOffError(f"{changed} files of the release differ from what its hash stands for. " + AGAIN)
    return listed


def labels(store: Store, root: str) -> dict[str, str]:
    """cell_id to label of a release's folder."""
    cells = columns(store, root, ["cell_id", "label_code"])
    return dict(zip(cells["cell_id"].to_pylist(), cells["label_code"].to_pylist(), strict=True))


def columns(store: Store, root: str, names: list[str]) -> pa.Table:
    """The named columns of all shards of a release's folder; pixels are not read unless they are named."""
    tables = []
    for path in files(store, root):
        if path.startswith("data/"):
            with store.open(f"{root}/{path}") as stream:
                tables.append(pq.read_table(stream, columns=names, partitioning=None))
    return pa.concat_tables(tables)


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a stream, a little at a time."""
    while chunk := stream.read(CHUNK):
        yield chunk


def _sha256(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
