"""One row a measured feature of a cell."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

FEATURES = Table(
    zone=Zone.CURATED,
    name="features",
    grain="one row a (unit, feature)",
    key=("unit_id", "feature"),
    scope="scan_id",
    own_columns=(
        Column("unit_id", "string", "The cell.", privacy=Privacy.PSEUDONYM),
        Column("feature", "string", "What was measured.", values=("focus", "saturation")),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("value", "double", "The value."),
        Column("unit", "string", "Its unit, in UCUM."),
        Column("method", "string", "How it was measured."),
        Column("version", "string", "Version of the method."),
    ),
)
