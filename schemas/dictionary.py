"""The data dictionary, generated from the contracts: `python -m schemas.dictionary > docs/tables.md`."""

from __future__ import annotations

from schemas.contract import MADE_BY, Column, Table
from schemas.released_cells import RELEASED_CELLS
from schemas.stages import STAGES
from schemas.tables import TABLES

HEAD = """\
# Tables

Generated from `schemas/` by `python -m schemas.dictionary > docs/tables.md`; do not edit.

Every table also has `stage_version` and `settings_sha256`: what made the row. Privacy says what a column can tell about
a person: *direct* identifies by itself (only in `restricted`), *pseudonym* is a keyed HMAC, *quasi* identifies together
with others, *sensitive* is a clinical fact.
"""


def dictionary() -> str:
    """All tables and stages as Markdown."""
    tables = [*TABLES.values(), RELEASED_CELLS]
    return "\n".join([HEAD, _stages(), *(_table(table) for table in tables)])


def _stages() -> str:
    rows = [
        f"| `{stage.name}` | {stage.does} | {_names(stage.reads) or 'the landing zone'} | "
        f"{_names(stage.writes) or 'the released zone'} | {stage.unit} |"
        for stage in STAGES
    ]
    head = "| stage | what it does | reads | writes | accounts for |\n|---|---|---|---|---|"
    return "\n".join(["## Stages\n", head, *rows, ""])


def _table(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    rows = [_column(column) for column in table.own_columns if column not in MADE_BY]
    head = "| column | type | unit | null | privacy | what it is |\n|---|---|---|---|---|---|"
    title = f"## {table.full_name}\n\n{table.grain[0].upper()}{table.grain[1:]}. Key: {key}.\n"
    return "\n".join([title, head, *rows, ""])


def _column(column: Column) -> str:
    allowed = f" One of {', '.join(column.values)}." if column.values else ""
    null = "may be" if column.nullable else ""
    kind = column.type.replace("|", "\\|")
    return f"| `{column.name}` | {kind} | {column.unit} | {null} | {column.privacy} | {column.comment}{allowed} |"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    print(dictionary())
