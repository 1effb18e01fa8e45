"""One row a specimen."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

SPECIMENS = Table(
    zone=Zone.CURATED,
    name="specimens",
    grain="one row a specimen",
    key=("specimen_id",),
    scope="patient_key",
    own_columns=(
        Column("specimen_id", "string", "Keyed HMAC of the accession number.", privacy=Privacy.PSEUDONYM),
        Column("patient_key", "string", "Whose it is.", privacy=Privacy.PSEUDONYM),
        Column("material", "string", "What was taken.", nullable=True, values=("bone marrow", "blood", "other")),
        Column(
            "collected",
            "timestamp",
            "When it was taken, shifted by the patient’s offset, cut to the hour.",
            nullable=True,
            privacy=Privacy.QUASI,
        ),
        Column(
            "note",
            "string",
            "Free text on the specimen, if the settings keep it, cleaned.",
            nullable=True,
            privacy=Privacy.SENSITIVE,
        ),
        Column("staff_key", "string", "Keyed HMAC of who took it.", nullable=True, privacy=Privacy.PSEUDONYM),
    ),
)
