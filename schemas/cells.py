"""One row a cell of a scan."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

CELLS = Table(
    zone=Zone.CURATED,
    name="cells",
    grain="one row a cell",
    key=("cell_id",),
    scope="scan_id",
    own_columns=(
        Column(
            "cell_id",
            "string",
            "Hash of the annotation that founded the cell; never changes.",
            privacy=Privacy.PSEUDONYM,
        ),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("region_id", "string", "The region.", privacy=Privacy.PSEUDONYM),
        Column("center_x", "double", "Centre by the founding annotation.", unit="px", minimum=0),
        Column("center_y", "double", "Centre by the founding annotation.", unit="px", minimum=0),
        Column("sampling", "string", "How it came to be chosen.", values=("annotated",)),
    ),
)
