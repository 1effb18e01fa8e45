"""One row a part of a scan that belongs to one specimen; the whole by default."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

REGIONS = Table(
    zone=Zone.CURATED,
    name="regions",
    grain="one row a part of a scan that belongs to one specimen",
    key=("region_id",),
    scope="scan_id",
    own_columns=(
        Column(
            "region_id",
            "string",
            "Hash of the scan’s key and the region’s number.",
            privacy=Privacy.PSEUDONYM,
        ),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("specimen_id", "string", "The specimen.", nullable=True, privacy=Privacy.PSEUDONYM),
        Column("name", "string", "Place of a core in its array, such as A1; null: the whole scan.", nullable=True),
        Column("polygon", "array<double>", "x and y in turn: level-0 pixels, half-open.", unit="px"),
    ),
)
