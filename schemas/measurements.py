"""One row a laboratory value."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

MEASUREMENTS = Table(
    zone=Zone.CURATED,
    name="measurements",
    grain="one row a laboratory value",
    key=("measurement_id",),
    scope="patient_key",
    own_columns=(
        Column("measurement_id", "string", "Keyed HMAC of the record.", privacy=Privacy.PSEUDONYM),
        Column("patient_key", "string", "Whose it is.", privacy=Privacy.PSEUDONYM),
        Column("code", "string", "LOINC code of what was measured."),
        Column("value", "double", "The value.", privacy=Privacy.SENSITIVE),
        Column("unit", "string", "Its unit, in UCUM."),
        Column("taken", "timestamp", "When the blood was taken, shifted, cut to the hour.", privacy=Privacy.QUASI),
    ),
)
