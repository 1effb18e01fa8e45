"""One row an identifier that the raw inputs name: what the rescan looks for."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

IDENTIFIERS = Table(
    zone=Zone.RESTRICTED,
    name="identifiers",
    grain="one row an identifier of a file",
    key=("path", "position"),
    scope="path",
    own_columns=(
        Column("path", "string", "Path of the file that names it.", privacy=Privacy.DIRECT),
        Column("position", "int", "Position among the identifiers of the file, counted from 0.", minimum=0),
        Column("patient_system", "string", "Who issued the patient number; empty for staff."),
        Column(
            "patient_number",
            "string",
            "The patient that it identifies; empty for staff.",
            privacy=Privacy.DIRECT,
        ),
        Column("kind", "string", "What it is, such as `name` or `birth_date`."),
        Column("value", "string", "The identifier.", privacy=Privacy.DIRECT),
    ),
)
