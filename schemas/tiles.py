"""One row a tile of an H&E section."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

TILES = Table(
    zone=Zone.CURATED,
    name="tiles",
    grain="one row a tile of a section's grid that holds enough tissue",
    key=("tile_id",),
    scope="scan_id",
    own_columns=(
        Column("tile_id", "string", "Hash of the scan, the grid and the place in it.", privacy=Privacy.PSEUDONYM),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("region_id", "string", "The core that holds its centre, else the whole.", privacy=Privacy.PSEUDONYM),
        Column("grid_row", "int", "Row in the grid, from 0 at the top.", minimum=0),
        Column("grid_column", "int", "Column in the grid, from 0 at the left.", minimum=0),
        Column("x", "int", "Left edge in the scan.", unit="px", minimum=0),
        Column("y", "int", "Top edge in the scan.", unit="px", minimum=0),
        Column("side", "int", "Width and height in the scan.", unit="px", minimum=1),
        Column("tissue_fraction", "double", "Share that is tissue.", unit="1", minimum=0, maximum=1),
    ),
)
