"""One row a unit that a stage held back, and why."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

QUARANTINE = Table(
    zone=Zone.RESTRICTED,
    name="quarantine",
    grain="one row a unit that a stage held back",
    key=("stage", "unit_kind", "unit_id"),
    own_columns=(
        Column("stage", "string", "The stage that held it back."),
        Column("unit_kind", "string", "What the stage accounts for.", values=("file", "record", "annotation", "crop")),
        Column("unit_id", "string", "Which unit: path, or path and position.", privacy=Privacy.DIRECT),
        Column("source", "string", "The source that delivered it."),
        Column("delivery", "string", "The delivery that it came with."),
        Column("reason", "string", "Reason code."),
        Column("sentence", "string", "The reason in words."),
        Column("place", "string", "Where in the landing zone to look.", privacy=Privacy.DIRECT),
        Column("resolved_by", "string", "What released it again: `partner`, or `new version`.", nullable=True),
    ),
)
