"""Fields that share a part, as they lie: new ones against those of the same patient.

Where a source names no patients, all its fields are held against each other, unless they are too many at a time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.deduplicate.spread import Bench, Shared
from jobs.pixels import pairs, partial
from jobs.pixels.likeness import Match
from jobs.pixels.pairs import Found, Ints

Overviews = Callable[[Ints], list[NDArray[np.uint8]]]
"""Reduced luma of fields by number."""
_COLUMNS = "a long, b long, kind string, score double, dx double, dy double"
_TYPES = (pa.int64(), pa.int64(), pa.string(), pa.float64(), pa.float64(), pa.float64())
_PART = 64
Task = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Fields:
    """Fields by number, and what decides which of them are compared."""

    numbers: Ints
    owners: Sequence[str]
    """Whose they are: a patient, or a source without patients."""
    widths: Ints
    heights: Ints
    new: NDArray[np.bool_]


def found(bench: Bench, fields: Fields, overviews: Overviews, near: set[tuple[int, int]]) -> Found:
    """Pairs of fields with a new one that overlap, other than those that are `near` already."""
    skipped = too_many(fields)
    tasks = _tasks([n for n, owner in enumerate(fields.owners) if owner not in skipped], fields)
    if not tasks:
        return {}
    used = np.unique(np.concatenate([np.array(one + other) for one, other in tasks]))
    pictures = overviews(fields.numbers[used])
    place = {int(n): at for at, n in enumerate(used)}
    local = [([place[n] for n in one], [place[n] for n in other]) for one, other in tasks]
    ends = np.cumsum([picture.size for picture in pictures])
    work = _Overlaps(
        bench.share(np.concatenate([picture.ravel() for picture in pictures])),
        [(int(end) - picture.size, picture.shape) for end, picture in zip(ends, pictures, strict=True)],
        local,
        fields.new[used],
        [int(n) for n in fields.numbers[used]],
        np.maximum(fields.widths, fields.heights)[used].tolist(),
        near,
    )
    rows = bench.rows(work, len(tasks), _COLUMNS).to_pylist()
    return {(row["a"], row["b"]): (row["kind"], Match(row["score"], 0, False, row["dx"], row["dy"])) for row in rows}


def too_many(fields: Fields) -> dict[str, int]:
    """Owners of more new fields than can be held against all of theirs (`partial.PAIRS_MOST`), with their number."""
    counts = Counter(fields.owners)
    new = Counter(owner for owner, is_new in zip(fields.owners, fields.new, strict=True) if is_new)
    return {owner: counts[owner] for owner in new if new[owner] * counts[owner] > 2 * partial.PAIRS_MOST}


def _tasks(places: Iterable[int], fields: Fields) -> list[Task]:
    """Lists of these places of fields that are held against each other: of one owner, of one shape a list."""
    alike: dict[str, dict[tuple[int, int], list[int]]] = defaultdict(lambda: defaultdict(list))
    for n in places:
        alike[fields.owners[n]][int(fields.widths[n]), int(fields.heights[n])].append(n)
    tasks = []
    for group in alike.values():
        parts = [
            (_by(max(size)), some[at : at + _PART]) for size, some in group.items() for at in range(0, len(some), _PART)
        ]
        tasks += [
            (one, other)
            for (by, one), (other_by, other) in combinations_with_replacement(parts, 2)
            if len(one) + len(other) > 2 - (one is not other)
            and (fields.new[one].any() or fields.new[other].any())
            and partial.comparable(by, other_by)
        ]
    return tasks


def _by(side: int) -> float:
    """By how much a field of that longer side is reduced."""
    return max(1.0, side / partial.LONG_SIDE)


@dataclass(frozen=True)
class _Overlaps:
    """Finds the overlaps of two lists of fields."""

    luma: Shared
    places: list[tuple[int, tuple[int, ...]]]
    """Where each picture begins, and its shape."""
    tasks: list[Task]
    new: NDArray[np.bool_]
    numbers: list[int]
    sides: list[int]
    """Longer side of each field, in pixels."""
    near: set[tuple[int, int]]

    def __call__(self, task: int) -> pa.RecordBatch:
        first, second = self.tasks[task]
        by = max(_by(self.sides[places[0]]) for places in (first, second))
        fields = {n: partial.further(self._picture(n), by / _by(self.sides[n])) for n in (*first, *second)}
        found: dict[tuple[int, int], tuple[object, ...]] = {}
        for i, j in partial.likely_overlaps([fields[n] for n in first], [fields[n] for n in second]):
            a, b = sorted((first[i], second[j]), key=lambda place: self.numbers[place])
            pair = self.numbers[a], self.numbers[b]
            if a == b or pair in found or pair in self.near or not (self.new[a] or self.new[b]):
                continue
            verdict = pairs.partly(fields[a], fields[b], by)
            if verdict is not None:
                kind, match = verdict
                found[pair] = (*pair, kind, match.score, match.dx, match.dy)
        columns = list(zip(*found.values(), strict=True)) if found else [()] * len(_TYPES)
        names = [column.split()[0] for column in _COLUMNS.split(", ")]
        return pa.RecordBatch.from_arrays([pa.array(c, k) for c, k in zip(columns, _TYPES, strict=True)], names)

    def _picture(self, place: int) -> NDArray[np.uint8]:
        start, shape = self.places[place]
        return self.luma.read()[start : start + shape[0] * shape[1]].reshape(shape)
