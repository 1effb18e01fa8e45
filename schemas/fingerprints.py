"""One row a crop: what it is known by, so that duplicates are found without decoding it again."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

FINGERPRINTS = Table(
    zone=Zone.CURATED,
    name="fingerprints",
    grain="one row a (cell or region, preset)",
    key=("unit_id", "preset"),
    scope="scan_id",
    own_columns=(
        Column("unit_id", "string", "The cell or region.", privacy=Privacy.PSEUDONYM),
        Column("unit_kind", "string", "Which of the two.", values=("cell", "region")),
        Column("preset", "string", "Name of the crop’s size and scale; only crops of one preset are compared."),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("width", "int", "Width in the scan.", unit="px", minimum=1),
        Column("height", "int", "Height in the scan.", unit="px", minimum=1),
        Column("pixel_sha256", "string", "SHA-256 of shape and decoded pixels."),
        Column("square", "binary", "Luma, 64x64 bytes, stretched to a square and to 1 to 255; 0 where it is padding."),
        Column(
            "vector",
            "binary",
            "190 floats (32 bits, little-endian): spectral power that shifts, turns and flips hardly change; null "
            "where nothing but padding is seen.",
            nullable=True,
        ),
        Column("reduced", "binary", "Luma of a region’s overview, row by row; null for cells.", nullable=True),
        Column("reduced_width", "int", "Width of that luma.", unit="px", nullable=True),
        Column("method_version", "string", "Version of the method."),
    ),
)
