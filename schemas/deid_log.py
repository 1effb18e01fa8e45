"""One row an attribute of a file that de-identification decided on; never a value."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

DEID_LOG = Table(
    zone=Zone.CURATED,
    name="deid_log",
    grain="one row a (file, attribute path)",
    key=("file_key", "attribute_path"),
    scope="file_key",
    own_columns=(
        Column(
            "file_key",
            "string",
            "Keyed HMAC of the file’s path; of records, of one patient’s part of the file.",
            privacy=Privacy.PSEUDONYM,
        ),
        Column("attribute_path", "string", "DICOM tags, TIFF tags or FHIR elements, from the outside in."),
        Column(
            "action",
            "string",
            "What was done.",
            values=("removed", "emptied", "replaced", "shifted", "generalised", "cleaned", "kept"),
        ),
        Column("rule", "string", "The rule that says so."),
        Column("code", "string", "Its code in PS3.15 Table E.1-1, where it has one.", nullable=True),
        Column(
            "site_key",
            "string",
            "Keyed HMAC of the source that delivered the file.",
            nullable=True,
            privacy=Privacy.PSEUDONYM,
        ),
        Column("device_key", "string", "The scanner, where one is known.", nullable=True, privacy=Privacy.PSEUDONYM),
        Column("occurrences", "int", "How often in the file.", minimum=1),
    ),
)
