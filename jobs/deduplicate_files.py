"""Find the pictures of a folder that show the same, without Spark or a lake.

Each file is decoded once and reduced to a square of 64x64 and a vector; from then on no pixel of it is read again.
Equal pictures meet by their hash, changed ones as neighbours in the space of the vectors, fields that overlap in part
by a search of their own. Every candidate is then confirmed by its pixels, or dropped.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.errors import BadInput, UsageError
from jobs.pixels import partial, spectrum
from jobs.pixels.likeness import Likeness, Match
from jobs.pixels.pairs import Found, friends, judge, neighbours_of, of_all, partly
from jobs.pixels.picture import fingerprint, is_picture, read_picture
from jobs.pixels.register import SIDE
from schemas.reasons import Reason

FIELD_FROM = 320
"""Pictures whose longer side is over this are fields, which may overlap in part."""
_BLOCK = 1024
_FIELD_BLOCK = 64
_GROUP_MOST, _FRIENDS_MOST = 1000, 300
"""In larger groups of equal pictures, pairs are listed with the first only, as they would be millions; of changed
copies, pairs that were not looked at stay so."""
_COLUMNS = ("a", "b", "kind", "score", "transform")

Told = Callable[[str, int, int], None]


@dataclass(frozen=True, order=True)
class Pair:
    """Two pictures that show the same, by their paths in the folder; a before b."""

    a: str
    b: str
    kind: str
    """exact, near or overlap."""
    score: float
    transform: str
    """How b becomes a: flip (left to right), then turn (degrees, anticlockwise), then lay its corner at dx, dy in a."""


@dataclass
class Findings:
    """What a folder holds."""

    pictures: int = 0
    others: int = 0
    """Files that neither are nor claim to be pictures."""
    unreadable: list[tuple[str, Reason]] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    not_searched: int = 0
    """Fields that were not searched for parts that they share, as they are too many to hold each against each."""


@dataclass
class _Folder:
    """Everything that is kept of the pictures: arrays by their number, in the order of their paths."""

    root: Path
    paths: list[str]
    sha256: list[str]
    squares: NDArray[np.uint8]
    widths: NDArray[np.int64]
    heights: NDArray[np.int64]
    fields: dict[int, NDArray[np.uint8]]
    """Reduced luma of those pictures that are fields."""
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    likeness: Likeness | None = None


_shared: Any = None
"""What worker processes inherit, so that it is never copied through a pipe."""


def run(folder: Path, *, jobs: int = 0, field_from: int | None = None, told: Told = lambda *_: None) -> Findings:
    """Find all pairs of the pictures below `folder`, with `jobs` processes (0: one a core).

    Args:
        folder: is searched with its subfolders.
        jobs: processes.
        field_from: pictures with a longer side over this many pixels are fields. None: `FIELD_FROM`, and the search for
            parts that fields share is left out where it would take long (`partial.PAIRS_MOST`).
        told: is called with what is done, how much of it is done, and how much there is.

    Raises:
        UsageError: it is no folder, or nothing in it is a picture.
    """
    if not folder.is_dir():
        raise UsageError("the input is no folder.")
    jobs = jobs or os.cpu_count() or 1
    findings = Findings()
    files = []
    for path in sorted(_files(folder, findings), key=lambda path: path.relative_to(folder).as_posix()):
        try:
            # Reading a pipe would wait for ever.
            picture = (path.is_file() or not path.exists()) and is_picture(path)
        except OSError:
            picture = True
        if picture:
            files.append(path)
        else:
            findings.others += 1
    if not files:
        raise UsageError("the folder holds no picture.")
    kept = _read(folder, files, FIELD_FROM if field_from is None else field_from, jobs, findings, told)
    findings.pictures = len(kept.paths)
    if field_from is None and len(kept.fields) ** 2 > 2 * partial.PAIRS_MOST:
        findings.not_searched = len(kept.fields)
    findings.pairs = _pairs(kept, jobs, told, parts=not findings.not_searched)
    return findings


def write_report(pairs: Sequence[Pair], to: Path) -> None:
    """Write the pairs as CSV."""
    # Names of files are bytes, which need not be UTF-8: they are written as they are.
    with to.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows((pair.a, pair.b, pair.kind, f"{pair.score:.4f}", pair.transform) for pair in pairs)


def _files(folder: Path, findings: Findings) -> Iterator[Path]:
    def closed(problem: OSError) -> None:
        name = Path(problem.filename).relative_to(folder).as_posix()
        findings.unreadable.append((name, Reason.UNREADABLE))

    for place, folders, names in os.walk(folder, onerror=closed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _read(folder: Path, files: list[Path], field_from: int, jobs: int, findings: Findings, told: Told) -> _Folder:
    """Decode every file once."""
    kept = _Folder(
        folder, [], [], np.empty((len(files), SIDE, SIDE), dtype=np.uint8),
        np.zeros(len(files), dtype=np.int64), np.zeros(len(files), dtype=np.int64), {},
    )  # fmt: skip
    for number, (path, known) in enumerate(
        zip(files, _map(_known_by, (files, field_from), len(files), jobs, 8), strict=True)
    ):
        name = path.relative_to(folder).as_posix()
        if isinstance(known, Reason):
            findings.unreadable.append((name, known))
        else:
            own, reduced = known
            n = len(kept.paths)
            kept.paths.append(name)
            kept.sha256.append(own.sha256)
            kept.squares[n], kept.widths[n], kept.heights[n] = own.square, own.width, own.height
            if reduced is not None:
                kept.fields[n] = reduced
        told("reading", number + 1, len(files))
    n = len(kept.paths)
    kept.squares, kept.widths, kept.heights = kept.squares[:n], kept.widths[:n], kept.heights[:n]
    return kept


def _known_by(number: int) -> Any:
    files, field_from = _shared
    try:
        pixels = read_picture(files[number])
        known = fingerprint(pixels)
    except BadInput as problem:
        return problem.reason
    except MemoryError:
        return Reason.UNREADABLE
    if max(known.width, known.height) <= field_from:
        return known, None
    by = partial.factor(known.width, known.height)
    luma = Image.fromarray(pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)).convert("L")
    return known, np.asarray(luma.reduce(by))


def _pairs(kept: _Folder, jobs: int, told: Told, *, parts: bool) -> list[Pair]:
    """Every confirmed pair, in order; of fields that share a part where `parts`."""
    groups = defaultdict(list)
    for number, sha256 in enumerate(kept.sha256):
        groups[sha256].append(number)
    members = {group[0]: group for group in groups.values()}
    near = _near(kept, np.array(sorted(members), dtype=np.int64), jobs, told)
    found = of_all({pair: ("near", match) for pair, match in near.items()}, members, _GROUP_MOST)
    single = {pair: (kind, _in_pixels(kept, pair[0], match)) for pair, (kind, match) in found.items()}
    if parts:
        fields = sorted(set(members) & set(kept.fields))
        shared = _overlapping(kept, fields, set(near), jobs, told)
        single |= of_all(shared, {n: members[n] for n in fields}, _GROUP_MOST)
    return [
        Pair(kept.paths[a], kept.paths[b], kind, match.score, _transform(match))
        for (a, b), (kind, match) in sorted(single.items(), key=lambda item: item[0])
    ]


def _in_pixels(kept: _Folder, a: int, match: Match) -> Match:
    return replace(match, dx=match.dx * float(kept.widths[a]), dy=match.dy * float(kept.heights[a]))


def _near(kept: _Folder, single: NDArray[np.int64], jobs: int, told: Told) -> dict[tuple[int, int], Match]:
    """Near duplicates among pictures that differ."""
    if len(single) < 2:
        return {}
    blocks = -(-len(single) // _BLOCK)
    raw = np.concatenate(list(_map(_vectors, (kept, single), blocks, jobs)))
    kept.vectors = raw @ spectrum.learned_metric(kept.squares[single], raw)
    candidates = []
    for number, some in enumerate(_map(_nearest, kept, blocks, jobs)):
        candidates.append(some)
        told("searching", number + 1, blocks)
    pairs = np.unique(np.sort(single[np.concatenate(candidates)], axis=1), axis=0)
    fields = np.isin(np.arange(len(kept.paths)), list(kept.fields))
    kept.likeness = judge(kept.squares, kept.widths, kept.heights, fields)
    found = _compared(kept, pairs, jobs, told)
    return found | _compared(kept, friends(list(found), pairs, _FRIENDS_MOST), jobs, told)


def _compared(kept: _Folder, pairs: NDArray[np.int64], jobs: int, told: Told) -> dict[tuple[int, int], Match]:
    found = {}
    blocks = -(-len(pairs) // _BLOCK)
    for number, matches in enumerate(_map(_compare, (kept, pairs), blocks, jobs)):
        for (a, b), match in zip(pairs[number * _BLOCK :].tolist(), matches, strict=False):
            if match is not None:
                found[a, b] = match
        told("comparing", number + 1, blocks)
    return found


def _vectors(block: int) -> NDArray[np.float32]:
    kept, single = _shared
    return spectrum.vectors(kept.squares[single[block * _BLOCK : (block + 1) * _BLOCK]])


def _nearest(block: int) -> NDArray[np.int64]:
    kept = _shared
    queries = np.arange(block * _BLOCK, min((block + 1) * _BLOCK, len(kept.vectors)))
    return np.concatenate(list(neighbours_of(kept.vectors, queries, len(kept.vectors))))


def _compare(block: int) -> list[Match | None]:
    kept, pairs = _shared
    matches: list[Match | None] = kept.likeness.compare(pairs[block * _BLOCK : (block + 1) * _BLOCK])
    return matches


def _overlapping(kept: _Folder, fields: list[int], near: set[tuple[int, int]], jobs: int, told: Told) -> Found:
    """Fields that share a part, as they lie: neither turned nor flipped."""
    alike = defaultdict(list)
    for n in fields:
        alike[_factor(kept, n), kept.fields[n].shape].append(n)
    parts = [
        (by, some[start : start + _FIELD_BLOCK])
        for (by, _), some in sorted(alike.items())
        for start in range(0, len(some), _FIELD_BLOCK)
    ]
    blocks = [
        (max(by, other), a, b)
        for (by, a), (other, b) in combinations_with_replacement(parts, 2)
        if partial.comparable(by, other)
    ]
    found: Found = {}
    for number, pairs in enumerate(_map(_overlaps, (kept, blocks, near), len(blocks), jobs)):
        found.update(pairs)
        told("overlaps", number + 1, len(blocks))
    return found


def _factor(kept: _Folder, n: int) -> int:
    return partial.factor(int(kept.widths[n]), int(kept.heights[n]))


def _overlaps(block: int) -> Found:
    kept, blocks, near = _shared
    by, first, second = blocks[block]
    fields = {n: partial.further(kept.fields[n], by / _factor(kept, n)) for n in (*first, *second)}
    found: Found = {}
    for i, j in partial.likely_overlaps([fields[n] for n in first], [fields[n] for n in second]):
        a, b = sorted((first[i], second[j]))
        if a == b or (a, b) in near or (a, b) in found:
            continue
        verdict = partly(fields[a], fields[b], by)
        if verdict is not None:
            found[a, b] = verdict
    return found


def _transform(match: Match) -> str:
    return f"turn={match.turn} flip={int(match.flip)} dx={round(match.dx, 1) + 0:.1f} dy={round(match.dy, 1) + 0:.1f}"


def _map(work: Callable[[int], Any], shared: Any, count: int, jobs: int, chunk: int = 1) -> Iterator[Any]:
    """Results of `work` for each number below `count`, in order, in processes that inherit `shared`."""
    global _shared
    _shared = shared
    if jobs == 1 or count == 1:
        yield from map(work, range(count))
        return
    from multiprocessing import get_context

    with get_context("fork").Pool(min(jobs, max(1, count))) as pool:
        yield from pool.imap(work, range(count), chunksize=chunk)
