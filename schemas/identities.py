"""One row a patient number of a system: whose it is."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

IDENTITIES = Table(
    zone=Zone.RESTRICTED,
    name="identities",
    grain="one row a (system, id)",
    key=("system", "id"),
    own_columns=(
        Column("system", "string", "Who issued the id."),
        Column("id", "string", "The id.", privacy=Privacy.DIRECT),
        Column(
            "patient_id",
            "string",
            "The one stable patient; pseudonym and date shift hang on it.",
            privacy=Privacy.DIRECT,
        ),
        Column(
            "merged_from",
            "string",
            "The patient that it was taken for before two were found to be one.",
            nullable=True,
            privacy=Privacy.DIRECT,
        ),
    ),
)
