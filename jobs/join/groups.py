"""Who stands for whom among units that are the same."""

from __future__ import annotations

from collections.abc import Iterable


def representatives(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each unit that another stands for, with that other: of all that are linked, directly or not, the lowest key.

    Args:
        pairs: units that are the same.
    """
    first: dict[str, str] = {}

    def found(unit: str) -> str:
        while (higher := first.get(unit, unit)) != unit:
            # Halve the way, so that long chains are walked once.
            first[unit] = first.get(higher, higher)
            unit = higher
        return unit

    for pair in pairs:
        low, high = sorted(found(unit) for unit in pair)
        first.setdefault(low, low)
        first[high] = low
    return {unit: low for unit in first if (low := found(unit)) != unit}
