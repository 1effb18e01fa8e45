"""One row a clinical record as it came: a FHIR resource, or a row of a CSV extract."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

RECORDS = Table(
    zone=Zone.RESTRICTED,
    name="records",
    grain="one row a record of a file",
    key=("path", "position"),
    scope="path",
    own_columns=(
        Column("path", "string", "Path of the file under the landing root.", privacy=Privacy.DIRECT),
        Column("position", "int", "Position in the file, counted from 0.", minimum=0),
        Column("source", "string", "The source that delivered it."),
        Column("delivery", "string", "The delivery that it came with."),
        Column("kind", "string", "FHIR resource type, `laboratory` or `scan`."),
        Column("patient_system", "string", "Who issued the patient number.", nullable=True),
        Column(
            "patient_number",
            "string",
            "The patient that the record is about.",
            nullable=True,
            privacy=Privacy.DIRECT,
        ),
        Column(
            "file",
            "string",
            "For a scan sheet's row: path of the scan's file.",
            nullable=True,
            privacy=Privacy.DIRECT,
        ),
        Column("body", "string", "The record as JSON.", privacy=Privacy.DIRECT),
    ),
)
