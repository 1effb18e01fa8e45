"""One row a pair of units that show the same thing."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

DUPLICATES = Table(
    zone=Zone.CURATED,
    name="duplicates",
    grain="one row a pair",
    key=("unit_kind", "unit_a", "unit_b"),
    own_columns=(
        Column("unit_kind", "string", "Whole scans, or cells.", values=("scan", "cell")),
        Column("unit_a", "string", "The representative: the first of the two.", privacy=Privacy.PSEUDONYM),
        Column("unit_b", "string", "The other.", privacy=Privacy.PSEUDONYM),
        Column("kind", "string", "How they are alike.", values=("exact", "re-encoded", "overlapping")),
        Column("score", "double", "Correlation over what they share.", unit="1", minimum=0, maximum=1),
        Column("dx", "double", "Shift of b against a.", unit="px"),
        Column("dy", "double", "Shift of b against a.", unit="px"),
        Column("share", "double", "Share of the area that both show.", unit="1", minimum=0, maximum=1),
        Column("method_version", "string", "Version of the method."),
        Column("decision", "string", "What follows; a duplicate passes, linked.", values=("linked",)),
    ),
)
