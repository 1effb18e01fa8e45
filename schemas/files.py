"""One row a path and version seen in the landing zone."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

FILES = Table(
    zone=Zone.RESTRICTED,
    name="files",
    grain="one row a path and version seen",
    key=("path", "version"),
    scope="path",
    own_columns=(
        Column("path", "string", "Path under the landing root.", privacy=Privacy.DIRECT),
        Column("version", "int", "1 for the first content seen at this path, then counted up.", minimum=1),
        Column("source", "string", "The source: the first folder of the path."),
        Column("delivery", "string", "The delivery: the second folder of the path."),
        Column("bytes", "bigint", "Size of the file.", unit="By", minimum=0),
        Column("modified", "string", "Modification time or ETag; with the size it tells whether to read again."),
        Column("content_sha256", "string", "SHA-256 of the content.", privacy=Privacy.DIRECT),
        Column("media_type", "string", "What the content is, by its own bytes."),
        Column("role", "string", "What the file is for.", values=("image", "annotations", "records", "other")),
        Column(
            "scan_name",
            "string",
            "Name by which annotations call the scan.",
            nullable=True,
            privacy=Privacy.DIRECT,
        ),
        Column(
            "scan_ref",
            "string",
            "Joins the files of one scan: DICOM series or path.",
            nullable=True,
            privacy=Privacy.DIRECT,
        ),
        Column("patient_system", "string", "Who issued the patient number.", nullable=True),
        Column("patient_number", "string", "Patient number in the header.", nullable=True, privacy=Privacy.DIRECT),
        Column(
            "specimen_number",
            "string",
            "Accession number of the specimen.",
            nullable=True,
            privacy=Privacy.DIRECT,
        ),
        Column("state", "string", "Whether the file is used.", values=("accepted", "quarantined", "superseded")),
    ),
)
