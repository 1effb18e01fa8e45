"""One row a crop of a cell, tile or region: its pixels and where they are from."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

CROPS = Table(
    zone=Zone.CURATED,
    name="crops",
    grain="one row a (cell, tile or region, preset)",
    key=("unit_id", "preset"),
    scope="scan_id",
    own_columns=(
        Column("unit_id", "string", "The cell, tile or region.", privacy=Privacy.PSEUDONYM),
        Column(
            "unit_kind",
            "string",
            "What it shows: a cell, a cell with its context, a tile, a region.",
            values=("cell", "context", "tile", "region"),
        ),
        Column("preset", "string", "Name of the crop’s size and scale."),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("x", "int", "Left edge in the scan; may be negative.", unit="px"),
        Column("y", "int", "Top edge in the scan; may be negative.", unit="px"),
        Column("width", "int", "Width in the scan.", unit="px", minimum=1),
        Column("height", "int", "Height in the scan.", unit="px", minimum=1),
        Column("scale", "double", "Crop pixels per level-0 pixel.", unit="1", minimum=0),
        Column("out_mpp_x", "double", "Pixel width of the crop.", unit="um", nullable=True),
        Column("out_mpp_y", "double", "Pixel height of the crop.", unit="um", nullable=True),
        Column(
            "border_policy",
            "string",
            "What was to be done over the edge; a crop wider than its scan is padded.",
            values=("pad", "shift", "skip"),
        ),
        Column(
            "valid_fraction",
            "double",
            "Share of the pixels that lie in the scan.",
            unit="1",
            minimum=0,
            maximum=1,
        ),
        Column(
            "absent_fraction",
            "double",
            "Share that the scan holds no tile for.",
            unit="1",
            minimum=0,
            maximum=1,
        ),
        Column("pixel_sha256", "string", "SHA-256 of shape and decoded pixels."),
        Column("encoding", "string", "Media type of the image.", values=("image/png", "image/jxl", "image/jpeg")),
        Column("encoder_version", "string", "Library, version and settings that encoded it."),
        Column("image", "binary", "The encoded image."),
    ),
)
