"""One row a diagnosis of a patient."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

DIAGNOSES = Table(
    zone=Zone.CURATED,
    name="diagnoses",
    grain="one row a diagnosis",
    key=("diagnosis_id",),
    scope="patient_key",
    own_columns=(
        Column("diagnosis_id", "string", "Keyed HMAC of the record.", privacy=Privacy.PSEUDONYM),
        Column("patient_key", "string", "Whose it is.", privacy=Privacy.PSEUDONYM),
        Column("system", "string", "Code system, as FHIR URI."),
        Column("code", "string", "Code of the diagnosis.", privacy=Privacy.SENSITIVE),
        Column("onset", "date", "When it began, shifted.", nullable=True, privacy=Privacy.QUASI),
        Column(
            "note",
            "string",
            "Free text on the diagnosis, if the settings keep it, cleaned.",
            nullable=True,
            privacy=Privacy.SENSITIVE,
        ),
        Column("staff_key", "string", "Keyed HMAC of who recorded it.", nullable=True, privacy=Privacy.PSEUDONYM),
    ),
)
