"""One row a patient and split scheme: the side, assigned once."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

ASSIGNMENTS = Table(
    zone=Zone.RESTRICTED,
    name="assignments",
    grain="one row a patient and split scheme",
    key=("patient_id", "scheme"),
    retention="interval 3650 days",
    own_columns=(
        Column("patient_id", "string", "The patient; survives a new pseudonym key.", privacy=Privacy.DIRECT),
        Column("scheme", "string", "Name of the split scheme."),
        Column("side", "string", "Side of the split.", values=("train", "validation", "test")),
    ),
)
