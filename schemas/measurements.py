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
        Column("value", "double", "The value, where it is a number.", nullable=True, privacy=Privacy.SENSITIVE),
        Column("unit", "string", "Its unit, in UCUM.", nullable=True),
        Column("taken", "timestamp", "When the blood was taken, shifted, cut to the hour.", privacy=Privacy.QUASI),
        Column(
            "comparator",
            "string",
            "Whether the true value is less or greater than the value or titre.",
            nullable=True,
            values=("<", "<=", ">", ">="),
        ),
        Column(
            "result",
            "string",
            "A result that is no number: titre, grade, word of the list, HGVS, ISCN, or a code.",
            nullable=True,
            privacy=Privacy.SENSITIVE,
        ),
        Column("result_system", "string", "Code system of the result, as FHIR URI, where it is a code.", nullable=True),
        Column("interpretation", "string", "Code of HL7 v3 ObservationInterpretation.", nullable=True),
        Column("reference_low", "double", "Lower limit of what is normal, in the unit of the value.", nullable=True),
        Column("reference_high", "double", "Upper limit of what is normal, in the unit of the value.", nullable=True),
        Column(
            "note",
            "string",
            "Free text on the value, if the settings keep it, cleaned.",
            nullable=True,
            privacy=Privacy.SENSITIVE,
        ),
        Column(
            "staff_key",
            "string",
            "Keyed HMAC of who measured or asked for it.",
            nullable=True,
            privacy=Privacy.PSEUDONYM,
        ),
    ),
)
