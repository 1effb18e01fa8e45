"""One row a set of table versions that passed the gates together."""

from __future__ import annotations

from schemas.contract import Column, Table, Zone

SNAPSHOTS = Table(
    zone=Zone.CURATED,
    name="snapshots",
    grain="one row a set of table versions that passed together",
    key=("snapshot_id",),
    retention="interval 3650 days",
    own_columns=(
        Column("snapshot_id", "string", "Hash of the table versions."),
        Column("number", "int", "Counted from 1.", minimum=1),
        Column("tables", "map<string,bigint>", "Table name to Delta version."),
        Column("warnings", "int", "Expectations that failed without blocking.", minimum=0),
    ),
)
