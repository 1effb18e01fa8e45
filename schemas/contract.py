"""What a table promises: one declaration that feeds everything that must agree about it.

From a `Table` come the Delta schema and its constraints (`jobs/lake.py`), the structural expectations
(`expectations/gate.py`), the data dictionary (`docs/tables.md`), the columns that the compliance report explains,
and the test that no curated or released column identifies anyone. It needs nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Zone(StrEnum):
    """Who may read a table."""

    RESTRICTED = "restricted"
    """Identified: the hospital alone."""
    CURATED = "curated"
    """De-identified: the project's researchers."""
    RELEASED = "released"
    """Public."""


class Privacy(StrEnum):
    """What a column can say about a person."""

    DIRECT = "direct"
    """Identifies a person by itself; never leaves `restricted`."""
    PSEUDONYM = "pseudonym"
    """A keyed HMAC that links rows of one person, specimen or device."""
    QUASI = "quasi"
    """Identifies together with others; k-anonymity counts it."""
    SENSITIVE = "sensitive"
    """A clinical fact, which the release is for."""
    NONE = "none"
    """Says nothing about a person."""


@dataclass(frozen=True)
class Column:
    """One column: its name, its Spark SQL type and what it means."""

    name: str
    type: str
    """A Spark SQL type, such as `string`, `double`, `timestamp` or `array<string>`."""
    comment: str
    unit: str = ""
    """The unit of the values, in UCUM, such as `um` or `g/L`; empty where there is none."""
    nullable: bool = False
    privacy: Privacy = Privacy.NONE
    values: tuple[str, ...] = ()
    """All values that are allowed, where they can be listed."""
    minimum: float | None = None
    """The least value that is allowed."""
    maximum: float | None = None
    """The greatest value that is allowed."""

    @property
    def check(self) -> str:
        """The column's constraint as a SQL expression; empty where there is none."""
        parts = []
        if self.values:
            parts.append(f"{self.name} IN ({', '.join(repr(value) for value in self.values)})")
        if self.minimum is not None:
            parts.append(f"{self.name} >= {self.minimum}")
        if self.maximum is not None:
            parts.append(f"{self.name} <= {self.maximum}")
        rule = " AND ".join(parts)
        # Delta takes a constraint that is null for violated.
        return f"{self.name} IS NULL OR ({rule})" if rule and self.nullable else rule


MADE_BY = (
    Column("stage_version", "string", "Version of the stage that made the row."),
    Column("settings_sha256", "string", "SHA-256 of the settings that the stage ran under."),
)
"""Every row says what made it; what varies by run lies in the run's record instead."""


@dataclass(frozen=True)
class Table:
    """One table of the lake."""

    zone: Zone
    name: str
    grain: str
    """What one row stands for: 'one row a …'."""
    key: tuple[str, ...]
    """The columns that tell rows apart."""
    own_columns: tuple[Column, ...]
    version: int = 1
    """Raised by a migration; a lake that holds a higher one is newer than the code."""
    retention: str = "interval 30 days"
    """How long old files are kept for time travel, as Delta's interval."""
    scope: str = ""
    """The column by which a stage replaces what it computed before: all rows of one file, scan or patient."""

    @property
    def retention_days(self) -> int:
        """The retention as a number."""
        return int(self.retention.split()[1])

    @property
    def full_name(self) -> str:
        """Zone and name, such as `curated.crops`."""
        return f"{self.zone}.{self.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The table's own columns, then those that every table has."""
        return self.own_columns + MADE_BY

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def ddl(self) -> str:
        """The schema as Spark's DDL string."""
        return ", ".join(
            f"{c.name} {c.type}" + ("" if c.nullable else " NOT NULL") + f" COMMENT '{_quoted(c)}'"
            for c in self.columns
        )

    @property
    def checks(self) -> dict[str, str]:
        """Constraint name to SQL expression, one for each column that has a rule."""
        return {f"{column.name}_allowed": column.check for column in self.columns if column.check}

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        return {column.name: column for column in self.columns}[name]


def _quoted(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit else ""
    return (column.comment + unit).replace("'", "’")
