"""Which pictures of a collection are the same: what makes a pair worth a look, and what follows from those found.

Pictures go by number. Those of equal pixels form a group, of which one is looked at for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from jobs.pixels import likeness, neighbours, spectrum
from jobs.pixels.likeness import Likeness, Match, reach_of
from jobs.pixels.overlap import overlap
from jobs.pixels.square import square_of

Ints = NDArray[np.int64]
Found = dict[tuple[int, int], tuple[str, Match]]
"""Kind and match of pairs of numbers, the lower first."""

SAME = Match(1.0, 0, False, 0.0, 0.0)
_PAIRS_MOST = 400_000
_NEIGHBOURS = range(10, 101)
"""How many neighbours are looked at: as many as that number of pairs allows, within these bounds."""
_ALWAYS, _ALWAYS_OF_MANY = 10, 5
"""So many are looked at however far they are; the second where there are pictures enough to be short of pairs."""
_FAR, _FAR_OF_MANY = 2.0 * spectrum.DIMENSIONS, 1.5 * spectrum.DIMENSIONS
"""Others count up to this squared distance, of which a change alone makes `DIMENSIONS`."""
_SHIFT_SHARE, _SHIFT_PIXELS = 0.08, 13.0
"""How far the centre of a near duplicate lies off at most; farther, and another cell is in the middle."""
_FIELD_SHIFT_SHARE = 0.15
_OVERLAP_LEAST = 0.1
_OVERLAP_ALIKE = 0.6
"""Correlation of the shared part that is asked for, besides what confirms a pair.

Overlaps and retakes of BCCD have 0.70 to 0.96 (44 pairs), strips that were alike by chance 0.52.
"""
_RETAKE_LEAST = 2 / 3
"""Fields that share less of their area overlap; those that share more were taken twice."""
_GROUP_MOST = 100
"""In larger groups of a lake, pairs are listed with the first only: no one reads them all."""


def neighbours_of(points: NDArray[np.float32], queries: Ints, among: int) -> Iterator[Ints]:
    """Pairs (n, 2) of a query and a point that may show the same; `among` is how many queries there are in all."""
    count = int(np.clip(_PAIRS_MOST // max(among, 1), _NEIGHBOURS.start, _NEIGHBOURS.stop - 1))
    if count == _NEIGHBOURS.start:
        return neighbours.nearest(points, queries, count, always=_ALWAYS_OF_MANY, within=_FAR_OF_MANY)
    return neighbours.nearest(points, queries, count, always=_ALWAYS, within=_FAR)


def judge(
    squares: NDArray[np.uint8], widths: Ints, heights: Ints, fields: NDArray[np.bool_], slides: bool = False
) -> Likeness:
    """What confirms pairs of a collection.

    Args:
        squares: (n, 64, 64).
        widths, heights: of each picture, in pixels.
        fields: which of them are fields, whose centre may lie farther off.
        slides: whether the others are whole slides, of which little more than the outline is seen.
    """
    share = np.where(fields, _FIELD_SHIFT_SHARE, _SHIFT_SHARE).astype(np.float32)
    vague = (np.minimum(widths, heights) < likeness.SMALL) | (slides & ~fields)
    least = np.where(vague, likeness.CONFIRMED_SMALL, likeness.CONFIRMED).astype(np.float32)
    aspects = (heights / np.maximum(widths, 1)).astype(np.float32)
    return Likeness(squares, reach_of(widths, heights, share, _SHIFT_PIXELS), least, aspects)


def friends(found: Sequence[tuple[int, int]], seen: Ints, most: int = _GROUP_MOST) -> Ints:
    """Pairs (n, 2) of one group that were not looked at: a friend's friend is worth a look.

    Args:
        found: confirmed pairs.
        seen: pairs (n, 2) that need no other look.
        most: of a larger group none are.
    """
    group: dict[int, set[int]] = {}
    for a, b in found:
        joined = group.get(a, {a}) | group.get(b, {b})
        group.update(dict.fromkeys(joined, joined))
    groups = {min(one): sorted(one) for one in group.values() if len(one) <= most}
    every = [pair for _, one in sorted(groups.items()) for pair in combinations(one, 2)]
    wanted = np.array(every, dtype=np.int64).reshape(-1, 2)
    if not len(wanted):
        return wanted
    count = int(max(wanted.max(), seen.max(initial=0))) + 1
    return wanted[~np.isin(wanted @ [count, 1], seen @ [count, 1])]


def of_all(single: Found, members: Mapping[int, Sequence[int]], most: int = _GROUP_MOST) -> Found:
    """Pairs of all pictures: those of equal pixels, and those that follow as one of a group stands for the others.

    Args:
        single: pairs of pictures that stand for a group.
        members: number to the numbers of its group, itself among them, in order.
        most: of a larger group, pairs with its first are all.
    """
    found: Found = {}
    for group in members.values():
        equal = combinations(group, 2) if len(group) <= most else ((group[0], other) for other in group[1:])
        found |= dict.fromkeys(equal, ("exact", SAME))
    for (a, b), (kind, match) in single.items():
        small = len(members[a]) * len(members[b]) <= most**2
        for x, y in product(members[a], members[b]) if small else [(a, b)]:
            # Seen from the other side, a change is undone.
            found[min(x, y), max(x, y)] = kind, match if x < y else match.undone()
    return found


def partly(one: NDArray[np.uint8], other: NDArray[np.uint8], by: float) -> tuple[str, Match] | None:
    """Kind and match in pixels of two fields that overlap as they lie; None where they do not.

    The match of an overlap says where the corner of `other` lies in `one`, that of a retake where its centre lies from
    the centre.

    Args:
        one, other: reduced luma of both.
        by: pixels of the field in one of the reduced luma.
    """
    best = overlap(one, other)
    if best.share < _OVERLAP_LEAST or best.score < _OVERLAP_ALIKE:
        return None
    match = _shared_part(one, other, best.dx, best.dy)
    if match is None:
        return None
    share = best.share * min(one.size, other.size) / max(one.size, other.size)
    match = replace(match, dx=best.dx * by, dy=best.dy * by)
    if share < _RETAKE_LEAST:
        return "overlap", match
    height, width = ((theirs - own) * by / 2 for theirs, own in zip(other.shape, one.shape, strict=True))
    return "near", replace(match, dx=match.dx + width, dy=match.dy + height)


def _shared_part(a: NDArray[np.uint8], b: NDArray[np.uint8], dx: float, dy: float) -> Match | None:
    """The verdict on what two fields have in common when b's corner lies at (dx, dy) in a."""
    x, y = round(dx), round(dy)
    left, top = max(0, x), max(0, y)
    right, bottom = min(a.shape[1], x + b.shape[1]), min(a.shape[0], y + b.shape[0])
    parts = (a[top:bottom, left:right], b[top - y : bottom - y, left - x : right - x])
    whole = np.zeros(parts[0].shape, dtype=bool)
    squares = np.stack([square_of(np.repeat(part[..., None], 3, axis=2), whole) for part in parts])
    reach = (np.full(2, 0.05, dtype=np.float32),) * 2
    aspects = np.full(2, (bottom - top) / (right - left), dtype=np.float32)
    match = Likeness(squares, reach, aspects=aspects).compare(np.array([[0, 1]]))[0]
    return match if match is not None and (match.turn, match.flip) == (0, False) else None
