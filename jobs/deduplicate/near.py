"""New crops against all crops: neighbours of their vectors, confirmed by their squares, in blocks on the executors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.deduplicate.spread import Bench, Shared
from jobs.deduplicate.units import Units
from jobs.pixels import pairs, spectrum
from jobs.pixels.likeness import Match
from jobs.pixels.pairs import Found, Ints

Squares = Callable[[Ints], NDArray[np.uint8]]
"""Squares (n, 64, 64) of units by number."""
_BLOCK = 1024
_PAIR_COLUMNS = "a long, b long"
_MATCH_COLUMNS = "a long, b long, score double, turn int, flip boolean, dx double, dy double"
_TAUGHT = 400


@dataclass(frozen=True)
class Search:
    """Looks for near duplicates among the crops of one preset."""

    bench: Bench
    units: Units
    squares: Squares
    fields: NDArray[np.bool_]
    """Which of the units are fields."""

    def found(self, new: NDArray[np.bool_], known: Found) -> Found:
        """All pairs with a new unit, in pixels of the scan.

        Args:
            new: which of the units are new.
            known: pairs of those that are not.
        """
        members, leader = self._groups()
        standing: Found = {}
        for (a, b), (kind, match) in known.items():
            x, y = int(leader[a]), int(leader[b])
            if x != y:
                standing[min(x, y), max(x, y)] = kind, match if x < y else match.undone()
        queries = np.array([n for n, group in members.items() if new[group].all()], dtype=np.int64)
        candidates = self._candidates(queries, np.array(sorted(members), dtype=np.int64))
        single = standing | self._confirmed(candidates)
        seen = np.concatenate([candidates, np.array(list(standing), dtype=np.int64).reshape(-1, 2)])
        more = pairs.friends(list(single), seen)
        single |= self._confirmed(self._apart(more[np.isin(more, queries).any(axis=1)]))
        everyone = pairs.of_all(single, members)
        return {
            (a, b): (kind, match)
            for (a, b), (kind, match) in everyone.items()
            if (new[a] or new[b]) and (kind == "exact" or self.units.scans[a] != self.units.scans[b])
        }

    def _groups(self) -> tuple[dict[int, list[int]], Ints]:
        """Units of equal pixels by the first of them, and that first by unit."""
        groups = defaultdict(list)
        pictures = zip(self.units.sha256, self.units.widths.tolist(), self.units.heights.tolist(), strict=True)
        for number, picture in enumerate(pictures):
            groups[picture].append(number)
        leader = np.zeros(len(self.units.ids), dtype=np.int64)
        for group in groups.values():
            leader[group] = group[0]
        return {group[0]: group for group in groups.values()}, leader

    def _candidates(self, queries: Ints, single: Ints) -> Ints:
        """Pairs (n, 2) of units that are worth a look, of which one is a query."""
        if not len(queries) or len(single) < 2:
            return np.zeros((0, 2), dtype=np.int64)
        taught = queries[np.linspace(0, len(queries) - 1, min(len(queries), _TAUGHT)).astype(int)]
        vectors = self.units.vectors[single]
        points = vectors @ spectrum.learned_metric(self.squares(taught), vectors)
        work = _Nearest(self.bench.share(points), self.bench.share(np.searchsorted(single, queries)))
        rows = self.bench.rows(work, -(-len(queries) // _BLOCK), _PAIR_COLUMNS)
        found = single[np.stack([rows["a"].to_numpy(), rows["b"].to_numpy()], axis=1)]
        return self._apart(np.unique(np.sort(found, axis=1), axis=0))

    def _apart(self, some: Ints) -> Ints:
        """Those pairs that are of two scans: within one, coordinates say what is one cell."""
        scan = np.unique(self.units.scans, return_inverse=True)[1]
        apart: NDArray[np.bool_] = scan[some[:, 0]] != scan[some[:, 1]]
        return some[apart]

    def _confirmed(self, some: Ints) -> Found:
        """Those pairs (n, 2) that show the same."""
        if not len(some):
            return {}
        used, places = np.unique(some, return_inverse=True)
        sides = np.stack([self.units.widths[used], self.units.heights[used], self.fields[used]])
        share = self.bench.share
        work = _Compare(share(places.reshape(-1, 2)), share(self.squares(used)), share(sides), self.units.kind)
        rows = self.bench.rows(work, -(-len(some) // _BLOCK), _MATCH_COLUMNS)
        return {
            (int(used[row["a"]]), int(used[row["b"]])): ("near", Match(*list(row.values())[2:]))
            for row in rows.to_pylist()
        }


@dataclass(frozen=True)
class _Nearest:
    """Neighbours of a block of queries."""

    points: Shared
    queries: Shared

    def __call__(self, block: int) -> pa.RecordBatch:
        queries = self.queries.read()[block * _BLOCK : (block + 1) * _BLOCK]
        found = np.concatenate(list(pairs.neighbours_of(self.points.read(), queries, self.queries.shape[0])))
        return pa.RecordBatch.from_arrays([pa.array(found[:, 0]), pa.array(found[:, 1])], ["a", "b"])


@dataclass(frozen=True)
class _Compare:
    """Verdicts on a block of pairs; those that show the same."""

    pairs: Shared
    squares: Shared
    sides: Shared
    """Widths, heights, and whether it is a field: (3, n)."""
    kind: str

    def __call__(self, block: int) -> pa.RecordBatch:
        some = self.pairs.read()[block * _BLOCK : (block + 1) * _BLOCK]
        widths, heights, fields = self.sides.read()
        judge = pairs.judge(self.squares.read(), widths, heights, fields > 0, slides=self.kind == "scan")
        found = [
            (a, b, match.score, match.turn, match.flip, match.dx * float(widths[a]), match.dy * float(heights[a]))
            for (a, b), match in zip(some.tolist(), judge.compare(some), strict=True)
            if match is not None
        ]
        columns = list(zip(*found, strict=True)) if found else [()] * 7
        kinds = (pa.int64(), pa.int64(), pa.float64(), pa.int32(), pa.bool_(), pa.float64(), pa.float64())
        names = [column.split()[0] for column in _MATCH_COLUMNS.split(", ")]
        return pa.RecordBatch.from_arrays([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names)
