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
from itertools import combinations, combinations_with_replacement, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.errors import BadInput, UsageError
from jobs.pixels import likeness, neighbours, partial, spectrum
from jobs.pixels.likeness import Likeness, Match
from jobs.pixels.overlap import overlap
from jobs.pixels.picture import fingerprint, is_picture, read_picture, square_of
from jobs.pixels.register import SIDE
from schemas.reasons import Reason

FIELD_FROM = 320
"""Pictures whose longer side is over this are fields, which may overlap in part."""
_PAIRS_MOST = 400_000
_NEIGHBOURS = range(10, 101)
"""How many neighbours are looked at: as many as that number of pairs allows, within these bounds."""
_FAR = 2.0 * spectrum.DIMENSIONS
"""Neighbours after the first ten count up to this squared distance; a change alone makes half of it."""
_SHIFT_SHARE, _SHIFT_PIXELS = 0.08, 13.0
"""How far the centre of a near duplicate lies off at most, 12 pixels and what its measure errs; farther, and another
cell is in the middle."""
_FIELD_SHIFT_SHARE = 0.15
_OVERLAP_LEAST = 0.1
_RETAKE_LEAST = 2 / 3
"""Fields that share less of their area overlap; those that share more were taken twice."""
_BLOCK = 1024
_FIELD_BLOCK = 64
_COLUMNS = ("a", "b", "kind", "score", "transform")

_SAME = Match(1.0, 0, False, 0.0, 0.0)

Told = Callable[[str, int, int], None]
_Found = dict[tuple[int, int], tuple[str, Match]]
"""Kind and match, in pixels of the first, of pairs of numbers."""


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


def run(folder: Path, *, jobs: int = 0, field_from: int = FIELD_FROM, told: Told = lambda *_: None) -> Findings:
    """Find all pairs of the pictures below `folder`, with `jobs` processes (0: one a core).

    Raises:
        UsageError: it is no folder, or nothing in it is a picture.
    """
    if not folder.is_dir():
        raise UsageError("the input is no folder.")
    jobs = jobs or os.cpu_count() or 1
    findings = Findings()
    files = []
    for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        try:
            picture = is_picture(path)
        except OSError:
            picture = True
        if picture:
            files.append(path)
        else:
            findings.others += 1
    if not files:
        raise UsageError("the folder holds no picture.")
    kept = _read(folder, files, field_from, jobs, findings, told)
    findings.pictures = len(kept.paths)
    findings.pairs = _pairs(kept, jobs, told)
    return findings


def write_report(pairs: Sequence[Pair], to: Path) -> None:
    """Write the pairs as CSV."""
    with to.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows((pair.a, pair.b, pair.kind, f"{pair.score:.4f}", pair.transform) for pair in pairs)


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
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


def _pairs(kept: _Folder, jobs: int, told: Told) -> list[Pair]:
    """Every confirmed pair, in order."""
    groups = defaultdict(list)
    for number, sha256 in enumerate(kept.sha256):
        groups[sha256].append(number)
    members = {group[0]: group for group in groups.values()}
    found: _Found = {pair: ("exact", _SAME) for group in members.values() for pair in combinations(group, 2)}
    near = _near(kept, np.array(sorted(members), dtype=np.int64), jobs, told)
    single: _Found = {pair: ("near", _in_pixels(kept, pair[0], match)) for pair, match in near.items()}
    single |= _overlapping(kept, sorted(set(members) & set(kept.fields)), set(near), jobs, told)
    for (a, b), (kind, match) in single.items():
        for x, y in product(members[a], members[b]):
            # Of equal pictures one stands for all; seen from the other side, its change is undone.
            found[min(x, y), max(x, y)] = kind, match if x < y else match.undone()
    return [
        Pair(kept.paths[a], kept.paths[b], kind, match.score, _transform(match))
        for (a, b), (kind, match) in sorted(found.items(), key=lambda item: item[0])
    ]


def _in_pixels(kept: _Folder, a: int, match: Match) -> Match:
    return replace(match, dx=match.dx * float(kept.widths[a]), dy=match.dy * float(kept.heights[a]))


def _near(kept: _Folder, single: NDArray[np.int64], jobs: int, told: Told) -> dict[tuple[int, int], Match]:
    """Near duplicates among pictures that differ."""
    if len(single) < 2:
        return {}
    blocks = -(-len(single) // _BLOCK)
    raw = np.concatenate(list(_map(_vectors, (kept, single), blocks, jobs)))
    kept.vectors = raw @ spectrum.learned_metric(kept.squares[single])
    count = int(np.clip(_PAIRS_MOST // len(single), _NEIGHBOURS.start, _NEIGHBOURS.stop - 1))
    candidates = []
    for number, some in enumerate(_map(_nearest, (kept, count), blocks, jobs)):
        candidates.append(some)
        told("searching", number + 1, blocks)
    pairs = np.unique(np.sort(single[np.concatenate(candidates)], axis=1), axis=0)
    share = np.where(np.isin(np.arange(len(kept.paths)), list(kept.fields)), _FIELD_SHIFT_SHARE, _SHIFT_SHARE)
    small = np.minimum(kept.widths, kept.heights) < likeness.SMALL
    least = np.where(small, likeness.CONFIRMED_SMALL, likeness.CONFIRMED).astype(np.float32)
    reach = likeness.reach_of(kept.widths, kept.heights, share, _SHIFT_PIXELS)
    kept.likeness = Likeness(kept.squares, reach, least)
    found = _compared(kept, pairs, jobs, told)
    return found | _compared(kept, _missing(found, pairs), jobs, told)


def _compared(kept: _Folder, pairs: NDArray[np.int64], jobs: int, told: Told) -> dict[tuple[int, int], Match]:
    found = {}
    blocks = -(-len(pairs) // _BLOCK)
    for number, matches in enumerate(_map(_compare, (kept, pairs), blocks, jobs)):
        for (a, b), match in zip(pairs[number * _BLOCK :].tolist(), matches, strict=False):
            if match is not None:
                found[a, b] = match
        told("comparing", number + 1, blocks)
    return found


def _missing(found: dict[tuple[int, int], Match], seen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs (n, 2) of pictures of one group that were no candidates: a friend's friend is worth a look."""
    group: dict[int, set[int]] = {}
    for a, b in found:
        joined = group.get(a, {a}) | group.get(b, {b})
        group.update(dict.fromkeys(joined, joined))
    groups = {min(one): one for one in group.values()}
    every = [pair for _, one in sorted(groups.items()) for pair in combinations(sorted(one), 2)]
    wanted = np.array(every, dtype=np.int64).reshape(-1, 2)
    count = int(seen.max()) + 1
    return wanted[~np.isin(wanted @ [count, 1], seen @ [count, 1])]


def _vectors(block: int) -> NDArray[np.float32]:
    kept, single = _shared
    return spectrum.vectors(kept.squares[single[block * _BLOCK : (block + 1) * _BLOCK]])


def _nearest(block: int) -> NDArray[np.int64]:
    kept, count = _shared
    queries = range(block * _BLOCK, min((block + 1) * _BLOCK, len(kept.vectors)))
    return np.concatenate(list(neighbours.nearest(kept.vectors, queries, count, always=_NEIGHBOURS.start, within=_FAR)))


def _compare(block: int) -> list[Match | None]:
    kept, pairs = _shared
    matches: list[Match | None] = kept.likeness.compare(pairs[block * _BLOCK : (block + 1) * _BLOCK])
    return matches


def _overlapping(kept: _Folder, fields: list[int], near: set[tuple[int, int]], jobs: int, told: Told) -> _Found:
    """Fields that share a part, as they lie: neither turned nor flipped."""
    alike = defaultdict(list)
    for n in fields:
        alike[_factor(kept, n), kept.fields[n].shape].append(n)
    parts = [
        (reduction, some[start : start + _FIELD_BLOCK])
        for (reduction, _), some in sorted(alike.items())
        for start in range(0, len(some), _FIELD_BLOCK)
    ]
    blocks = [(a, b) for (by, a), (other, b) in combinations_with_replacement(parts, 2) if by == other]
    found: _Found = {}
    for number, pairs in enumerate(_map(_overlaps, (kept, blocks, near), len(blocks), jobs)):
        found.update(pairs)
        told("overlaps", number + 1, len(blocks))
    return found


def _factor(kept: _Folder, n: int) -> int:
    return partial.factor(int(kept.widths[n]), int(kept.heights[n]))


def _overlaps(block: int) -> _Found:
    kept, blocks, near = _shared
    first, second = blocks[block]
    found: _Found = {}
    for i, j in partial.likely_overlaps([kept.fields[n] for n in first], [kept.fields[n] for n in second]):
        a, b = sorted((first[i], second[j]))
        if a == b or (a, b) in near or (a, b) in found:
            continue
        one, other = kept.fields[a], kept.fields[b]
        best = overlap(one, other)
        match = _shared_part(one, other, best.dx, best.dy) if best.share >= _OVERLAP_LEAST else None
        if match is not None:
            by = _factor(kept, a)
            share = best.share * min(one.size, other.size) / max(one.size, other.size)
            kind = "near" if share >= _RETAKE_LEAST else "overlap"
            found[a, b] = kind, replace(match, dx=best.dx * by, dy=best.dy * by)
    return found


def _shared_part(a: NDArray[np.uint8], b: NDArray[np.uint8], dx: float, dy: float) -> Match | None:
    """The verdict on what two fields have in common when b's corner lies at (dx, dy) in a."""
    x, y = round(dx), round(dy)
    left, top = max(0, x), max(0, y)
    right, bottom = min(a.shape[1], x + b.shape[1]), min(a.shape[0], y + b.shape[0])
    parts = (a[top:bottom, left:right], b[top - y : bottom - y, left - x : right - x])
    whole = np.zeros(parts[0].shape, dtype=bool)
    squares = np.stack([square_of(np.repeat(part[..., None], 3, axis=2), whole) for part in parts])
    reach = (np.full(2, 0.05, dtype=np.float32),) * 2
    match = Likeness(squares, reach).compare(np.array([[0, 1]]))[0]
    return match if match is not None and (match.turn, match.flip) == (0, False) else None


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
