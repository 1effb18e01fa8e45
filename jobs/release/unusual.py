"""What is new or unusual against the candidate before: attributes, devices, sites, and what was held back.

An officer who has read the report before need not read every line again: these are the lines to read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
LEAST_CHANGE = 0.1
"""An action that is taken on a share of an attribute's files that differs by as much is shown."""
SHORT = 8
"""Digits of a device's or site's pseudonym that are shown: enough to tell them apart."""


@dataclass(frozen=True)
class Unusual:
    """What differs from the candidate before; all is empty, and `first` true, where there is none."""

    first: bool
    attributes: list[Row]
    """Attributes that were never met: pattern, name, action, rule, files."""
    actions: list[Row]
    """Attributes of which another share of files was treated so: pattern, name, action, before and now (0 to 1)."""
    origins: list[Row]
    """Sites and devices that were never met: site, device, files."""
    held: list[Row]
    """Reasons, other than policy, for which more is held back than before: unit_kind, sentence, before, now."""

    @property
    def count(self) -> int:
        """How many lines there are to read."""
        return len(self.attributes) + len(self.actions) + len(self.origins) + len(self.held)


def compared(before: Mapping[str, list[Row]] | None, now: Mapping[str, list[Row]]) -> Unusual:
    """Compare two candidates.

    Args:
        before: `treated`, `origins` and `held` of `facts.py` for the candidate before; None where there is none.
        now: the same of this candidate.
    """
    if before is None:
        return Unusual(True, [], [], [], [])
    known = {row["pattern"] for row in before["treated"]}
    met = {(row["site"], row["device"]) for row in before["origins"]}
    return Unusual(
        False,
        [row for row in now["treated"] if row["pattern"] not in known],
        _other_shares(before["treated"], now["treated"]),
        [row for row in now["origins"] if (row["site"], row["device"]) not in met],
        _more_held(before["held"], now["held"]),
    )


def _other_shares(before: list[Row], now: list[Row]) -> list[Row]:
    """Attributes of both, whose files are treated otherwise by at least `LEAST_CHANGE`; the largest change first."""
    names = {row["pattern"]: row["name"] for row in now}
    was, becomes = _shares(before), _shares(now)
    rows = [
        {"pattern": pattern, "name": names[pattern], "action": action, "before": old, "now": new}
        for pattern in was.keys() & becomes.keys()
        for action in was[pattern].keys() | becomes[pattern].keys()
        if abs((new := becomes[pattern].get(action, 0.0)) - (old := was[pattern].get(action, 0.0))) >= LEAST_CHANGE
    ]
    return sorted(rows, key=lambda row: (-abs(row["now"] - row["before"]), row["pattern"], row["action"]))


def _shares(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Attribute to action to its share of the attribute's files."""
    files: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        files[row["pattern"]][row["action"]] += row["files"]
    return {
        pattern: {action: count / counts.total() for action, count in counts.items()}
        for pattern, counts in files.items()
    }


def _more_held(before: list[Row], now: list[Row]) -> list[Row]:
    was = {(row["stage"], row["unit_kind"], row["reason"]): row["open"] for row in before}
    rows = [
        {**row, "before": was.get((row["stage"], row["unit_kind"], row["reason"]), 0)}
        for row in now
        if not row["by_policy"]
    ]
    return [{**row, "now": row["open"]} for row in rows if row["open"] > row["before"]]
