"""Exact nearest neighbours by brute force: blocked products of matrices, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_ROWS, _COLUMNS, _GROUP = 1024, 16384, 32


def nearest(
    points: NDArray[np.float32], queries: NDArray[np.int64], count: int, *, always: int, within: float
) -> Iterator[NDArray[np.int64]]:
    """Pairs (m, 2) of a query and a near point, itself left out; a block of queries at a time.

    Args:
        points: (n, d).
        queries: numbers (m) of the points to find neighbours of.
        count: how many neighbours of each at most.
        always: this many, however far they are; the others only up to `within`, a squared distance.
    """
    always = min(always, count)
    half_norms = (points**2).sum(axis=1) / 2
    for first in range(0, len(queries), _ROWS):
        rows = queries[first : first + _ROWS]
        best_score = np.full((len(rows), 0), -np.inf, dtype=np.float32)
        best_index = np.zeros((len(rows), 0), dtype=np.int64)
        for start in range(0, len(points), _COLUMNS):
            stop = min(start + _COLUMNS, len(points))
            # Half the squared distance, less a constant of the row, with its sign turned.
            scores = points[rows] @ points[start:stop].T - half_norms[start:stop]
            inside = (rows >= start) & (rows < stop)
            scores[np.nonzero(inside)[0], rows[inside] - start] = -np.inf
            score, index = _top(scores, count)
            best_score = np.concatenate([best_score, score], axis=1)
            best_index = np.concatenate([best_index, index + start], axis=1)
            keep = _largest(best_score, count)
            best_score = np.take_along_axis(best_score, keep, axis=1)
            best_index = np.take_along_axis(best_index, keep, axis=1)
        order = np.argsort(-best_score, axis=1, kind="stable")
        best_score = np.take_along_axis(best_score, order, axis=1)
        best_index = np.take_along_axis(best_index, order, axis=1)
        found = best_score >= (half_norms[rows] - within / 2)[:, None]
        found[:, :always] = best_score[:, :always] > -np.inf
        yield np.stack([np.broadcast_to(rows[:, None], found.shape)[found], best_index[found]], axis=1)


def _top(scores: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The largest scores of each row and where they are: first the best of every 32 columns, then among those."""
    rows, columns = scores.shape
    groups = columns // _GROUP
    if groups <= 2 * count:
        keep = _largest(scores, count)
        return np.take_along_axis(scores, keep, axis=1), keep
    whole = scores[:, : groups * _GROUP].reshape(rows, _GROUP, groups)
    lead = _largest(whole.max(axis=1), count)
    among = (lead[:, None, :] + groups * np.arange(_GROUP)[None, :, None]).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(groups * _GROUP, columns), (rows, columns - groups * _GROUP))
    among = np.concatenate([among, rest], axis=1)
    candidates = np.take_along_axis(scores, among, axis=1)
    keep = _largest(candidates, count)
    return np.take_along_axis(candidates, keep, axis=1), np.take_along_axis(among, keep, axis=1)


def _largest(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    if scores.shape[1] <= count:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(scores, -count, axis=1)[:, -count:]
