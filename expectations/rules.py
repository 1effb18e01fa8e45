"""Named domain rules: what must hold of each row beyond the structure that its contract already states.

A rule is data, so that reading it needs neither Spark nor Great Expectations. `breaks` is the change to a good row
that must make it fail; the tests apply it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What follows when a rule fails."""

    CRITICAL = "critical"
    """Nothing is committed."""
    WARNING = "warning"
    """The batch passes; the run's record and the report show it."""


@dataclass(frozen=True)
class Rule:
    """One rule of a table."""

    name: str
    holds: str
    """SQL expression over the columns of one row; null counts as holding."""
    says: str
    """The rule in one sentence."""
    breaks: dict[str, Any] = field(default_factory=dict)
    """Columns of a good row to set so that the rule fails."""
    severity: Severity = Severity.CRITICAL


def keyed(column: str) -> Rule:
    """A key outside `restricted` is a keyed HMAC: 32 hexadecimal digits."""
    return Rule(
        f"{column}_is_keyed",
        f"{column} RLIKE '^[0-9a-f]{{32}}$'",
        f"{column} is a keyed HMAC of 32 hexadecimal digits.",
        {column: "patient-1"},
    )


def plausible_mpp(column: str) -> Rule:
    """Light microscopy resolves 0.05 to 10 µm a pixel."""
    return Rule(
        f"{column}_is_plausible",
        f"{column} BETWEEN 0.05 AND 10",
        f"{column} lies between 0.05 and 10 µm.",
        {column: 40.0},
        Severity.WARNING,
    )


SHA256 = "RLIKE '^[0-9a-f]{64}$'"
"""A SHA-256 in hexadecimal, as a SQL condition."""
