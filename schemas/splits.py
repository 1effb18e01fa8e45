"""One row a patient and split scheme, as researchers see it."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

SPLITS = Table(
    zone=Zone.CURATED,
    name="splits",
    grain="one row a (patient, scheme)",
    key=("patient_key", "scheme"),
    own_columns=(
        Column("patient_key", "string", "The patient.", privacy=Privacy.PSEUDONYM),
        Column("scheme", "string", "Name of the split scheme."),
        Column("side", "string", "Side of the split.", values=("train", "validation", "test")),
    ),
)
