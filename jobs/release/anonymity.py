"""k-anonymity of patients: how many look alike, and what is made more general or withheld until enough do.

A patient's profile is the set of combinations of quasi-identifiers that their specimens have, since the released
`patient_key` joins those of one patient. Patients of one profile form a class; k is the size of the smallest
(Sweeney 2002, doi 10.1142/S0218488502001648). A value that is null is a value like any other: it equals null alone.
Only a profile without any value forms no class, as it says nothing by which a person could be looked up.
l is the least number of diagnoses within a class of the other columns, for the diagnosis is the one categorical fact of
a patient that a release tells (Machanavajjhala 2007, doi 10.1145/1217299.1217302).

Plain functions over small collections: distinct profiles are few, however many cells there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import lcm
from typing import Any

from jobs.release.ladders import Ladder

Values = tuple[Any, ...]
"""One combination of the columns."""
Profile = frozenset[Values]
Levels = tuple[int, ...]
"""How many rungs each column was climbed."""


@dataclass(frozen=True)
class Measures:
    """How much patients look alike."""

    k: int
    """Patients in the smallest class; 0 where there is no class."""
    diversity: int
    """Least number of diagnoses, null among them, in a class of the other columns (l); 0 where none is known."""
    classes: int
    small: int
    """Classes with fewer patients than are asked for: small cells."""
    patients_in_small: int


@dataclass(frozen=True)
class Generalised:
    """What every profile becomes, and by which way."""

    order: tuple[int, ...]
    """Which column was climbed by one rung, step by step."""
    levels: dict[Profile, Levels]
    """How far each profile was climbed."""
    profiles: dict[Profile, Profile]
    """Each profile and what is released of it."""


def profiles(rows: Iterable[tuple[str, Values]]) -> dict[str, Profile]:
    """Patient to profile, of rows of patient and combination; repetitions and order do not matter."""
    found: dict[str, set[Values]] = {}
    for patient, values in rows:
        found.setdefault(patient, set()).add(values)
    return {patient: frozenset(values) for patient, values in found.items()}


def blank(profile: Profile) -> bool:
    """Whether it has no value at all."""
    return all(value is None for values in profile for value in values)


def measure(patients: Mapping[str, Profile], k: int, sensitive: int) -> Measures:
    """k, l and small cells of patients; `sensitive` is the place of the diagnosis in a combination."""
    sizes = _sizes(patients.values())
    small = [size for size in sizes.values() if size < k]
    return Measures(min(sizes.values(), default=0), _diversity(patients, sensitive), len(sizes), len(small), sum(small))


def unique_share(patients: Mapping[str, Profile]) -> float:
    """Share of patients whose profile nobody else has; a profile without a value counts as not unique."""
    sizes = _sizes(patients.values())
    return sum(size == 1 for size in sizes.values()) / len(patients) if patients else 0.0


def generalise(patients: Mapping[str, Profile], ladders: tuple[Ladder, ...], k: int) -> Generalised:
    """Climb until at least k patients share each profile; those whose class is large enough stay where they are.

    In each step all patients of classes that are still too small climb one rung of one column. Every order of such
    steps is tried, and the one that loses least is taken; of equals, the one that climbs the first column first. On the
    last rung nothing is left: who gets there is suppressed.
    """
    counts = Counter(patients.values())
    heights = tuple(ladder.height for ladder in ladders)
    unit = lcm(1, *heights)

    @cache
    def climbed(profile: Profile, levels: Levels) -> Profile:
        return frozenset(
            tuple(ladder.at(value, n) for ladder, value, n in zip(ladders, values, levels, strict=True))
            for values in profile
        )

    def settled(order: tuple[int, ...]) -> dict[Profile, Levels]:
        left, done, large = set(counts), {}, Counter[Profile]()
        levels = tuple(0 for _ in heights)
        for step in (None, *order):
            levels = tuple(level + (column == step) for column, level in enumerate(levels))
            now = {was: climbed(was, levels) for was in left}
            sizes = large.copy()
            for was, becomes in now.items():
                sizes[becomes] += counts[was]
            ready = {was for was, becomes in now.items() if blank(becomes) or sizes[becomes] >= k}
            for was in ready:
                done[was] = levels
                large[now[was]] += counts[was]
            left -= ready
        return done

    def loss(done: dict[Profile, Levels]) -> int:
        """Rungs climbed with a value, as shares of their ladders; whole numbers, so that no order of sums matters."""
        return sum(
            counts[was] * level * unit // height
            for was, levels in done.items()
            for values in was
            for value, level, height in zip(values, levels, heights, strict=True)
            if value is not None
        )

    order = min(_orders(heights), key=lambda order: loss(settled(order)))
    levels = settled(order)
    return Generalised(order, levels, {was: climbed(was, at) for was, at in levels.items()})


def combinations(
    patients: Mapping[str, Profile], ladders: tuple[Ladder, ...], found: Generalised
) -> Iterator[tuple[str, Values, Values]]:
    """Patient, combination as recorded and combination as released, for each that a patient has."""
    for patient, profile in sorted(patients.items()):
        for values in profile:
            levels = found.levels[profile]
            yield patient, values, tuple(one.at(v, n) for one, v, n in zip(ladders, values, levels, strict=True))


def _orders(heights: Levels) -> Iterator[tuple[int, ...]]:
    """Every order of climbing all ladders to their ends, those that begin with the first column first."""
    if not any(heights):
        yield ()
    for column, height in enumerate(heights):
        if height:
            rest = (*heights[:column], height - 1, *heights[column + 1 :])
            yield from ((column, *order) for order in _orders(rest))


def _sizes(found: Iterable[Profile]) -> Counter[Profile]:
    return Counter(profile for profile in found if not blank(profile))


def _diversity(patients: Mapping[str, Profile], sensitive: int) -> int:
    """Least number of diagnoses in a class of the other columns; a class in which none is known tells none."""
    held: dict[Profile, set[Any]] = {}
    for profile in patients.values():
        others = frozenset(values[:sensitive] + values[sensitive + 1 :] for values in profile)
        held.setdefault(others, set()).update(values[sensitive] for values in profile)
    return min((len(values) for others, values in held.items() if not blank(others) and values != {None}), default=0)
