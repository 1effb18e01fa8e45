"""One row an event after a specimen, observed or censored."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

OUTCOMES = Table(
    zone=Zone.CURATED,
    name="outcomes",
    grain="one row an event after the first specimen",
    key=("patient_key", "event"),
    scope="patient_key",
    own_columns=(
        Column("patient_key", "string", "Whose it is.", privacy=Privacy.PSEUDONYM),
        Column("event", "string", "What may happen.", values=("death",)),
        Column(
            "days",
            "int",
            "Days from the first specimen to the event or to the last record.",
            unit="d",
            privacy=Privacy.SENSITIVE,
            minimum=0,
        ),
        Column(
            "state",
            "string",
            "Whether it was seen.",
            values=("observed", "censored"),
            privacy=Privacy.SENSITIVE,
        ),
    ),
)
