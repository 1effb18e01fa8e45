"""One row a patient."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

PATIENTS = Table(
    zone=Zone.CURATED,
    name="patients",
    grain="one row a patient",
    key=("patient_key",),
    scope="patient_key",
    own_columns=(
        Column("patient_key", "string", "Keyed HMAC of the stable patient.", privacy=Privacy.PSEUDONYM),
        Column(
            "sex",
            "string",
            "Administrative sex.",
            nullable=True,
            privacy=Privacy.QUASI,
            values=("female", "male", "other", "unknown"),
        ),
        Column(
            "birth_year",
            "int",
            "Year of the shifted birth date; null for ages over 89.",
            nullable=True,
            privacy=Privacy.QUASI,
            unit="a",
        ),
        Column(
            "region",
            "string",
            "First two digits of the postal code (the first of four); in no release.",
            nullable=True,
            privacy=Privacy.QUASI,
        ),
    ),
)
