"""One row a whole slide or smear field."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

SCANS = Table(
    zone=Zone.CURATED,
    name="scans",
    grain="one row a slide or field",
    key=("scan_id",),
    scope="scan_id",
    own_columns=(
        Column("scan_id", "string", "Keyed HMAC of the DICOM series or of the path.", privacy=Privacy.PSEUDONYM),
        Column(
            "patient_key",
            "string",
            "Whose it is; of its own where the source names no patients.",
            privacy=Privacy.PSEUDONYM,
        ),
        Column(
            "specimen_id",
            "string",
            "Keyed HMAC of the specimen’s accession number.",
            nullable=True,
            privacy=Privacy.PSEUDONYM,
        ),
        Column("kind", "string", "Whole slide or smear field.", values=("slide", "field")),
        Column(
            "uri",
            "string",
            "De-identified files, relative to the curated zone; several are separated by a space.",
        ),
        Column("width_px", "int", "Width of level 0.", unit="px", minimum=1),
        Column("height_px", "int", "Height of level 0.", unit="px", minimum=1),
        Column(
            "mpp_x",
            "double",
            "Pixel width; null where the source has none.",
            unit="um",
            nullable=True,
            minimum=0,
        ),
        Column(
            "mpp_y",
            "double",
            "Pixel height; null where the source has none.",
            unit="um",
            nullable=True,
            minimum=0,
        ),
        Column("mpp_source", "string", "Where the pixel size is from, or why there is none."),
        Column("objective", "double", "Magnification of the objective.", nullable=True, minimum=0),
        Column("scanner_vendor", "string", "Vendor of the scanner.", nullable=True),
        Column("scanner_model", "string", "Model of the scanner.", nullable=True),
        Column(
            "scanner_key",
            "string",
            "Keyed HMAC of the scanner’s serial number.",
            nullable=True,
            privacy=Privacy.PSEUDONYM,
        ),
        Column("site_key", "string", "Keyed HMAC of the source.", privacy=Privacy.PSEUDONYM),
        Column("stain", "string", "Stain.", nullable=True),
        Column(
            "stain_batch",
            "string",
            "Batch of the stain, as keyed HMAC.",
            nullable=True,
            privacy=Privacy.PSEUDONYM,
        ),
        Column("icc_sha256", "string", "SHA-256 of the ICC profile.", nullable=True),
        Column("codec", "string", "How the pixels came compressed."),
        Column("lossy_source", "boolean", "Whether the pixels were compressed with loss before they came."),
        Column("focal_plane", "double", "Offset of the focal plane.", unit="um", nullable=True),
        Column("optical_path", "string", "Identifier of the optical path.", nullable=True),
    ),
)
