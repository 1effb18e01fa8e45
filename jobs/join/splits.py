"""Sides of the split: a patient is assigned once, and stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from jobs.settings import Split

SIDES = ("train", "validation", "test")


def assign(
    patients: Iterable[str], assigned: Mapping[str, str], linked: Sequence[tuple[str, str]], split: Split
) -> dict[str, str]:
    """Sides for patients that have none yet.

    New patients come in the order of a hash of their name, and each goes to the side that is furthest below its
    share, so that shares hold from the first patients on. Patients whose images are duplicates of each other go
    to one side.

    Args:
        patients: all patients that need a side.
        assigned: patient to side, as stored.
        linked: pairs of patients that share an image.

    Returns:
        Patient to side, for those that had none.
    """
    shares = {"train": split.train, "validation": split.validation, "test": 1 - split.train - split.validation}
    counts = {side: sum(1 for s in assigned.values() if s == side) for side in SIDES}
    found: dict[str, str] = {}
    for group in _groups(patients, linked):
        new = [patient for patient in group if patient not in assigned]
        if not new:
            continue
        taken = sorted({assigned[patient] for patient in group if patient in assigned})
        total = sum(counts.values()) + len(new)
        side = taken[0] if taken else max(SIDES, key=lambda s: (shares[s] * total - counts[s], -SIDES.index(s)))
        counts[side] += len(new)
        found |= dict.fromkeys(new, side)
    return found


def _groups(patients: Iterable[str], linked: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Patients that belong together, in the order of a hash, which says nothing about who came when."""
    everyone = set(patients)
    neighbours: dict[str, set[str]] = {patient: set() for patient in everyone}
    for a, b in linked:
        if a in everyone and b in everyone:
            neighbours[a].add(b)
            neighbours[b].add(a)
    groups, seen = [], set[str]()
    for patient in sorted(everyone, key=lambda p: hashlib.sha256(p.encode()).hexdigest()):
        if patient in seen:
            continue
        group, queue = [], [patient]
        while queue:
            one = queue.pop()
            if one not in seen:
                seen.add(one)
                group.append(one)
                queue += sorted(neighbours[one] - seen)
        groups.append(sorted(group))
    return groups
