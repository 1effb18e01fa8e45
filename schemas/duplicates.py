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
        Column("unit_a", "string", "The first of the two by its key.", privacy=Privacy.PSEUDONYM),
        Column("unit_b", "string", "The other.", privacy=Privacy.PSEUDONYM),
        Column(
            "kind",
            "string",
            "exact: the same pixels; near: a changed copy, or the same view taken again; overlap: two fields that "
            "share a part.",
            values=("exact", "near", "overlap"),
        ),
        Column("score", "double", "How sure it is; 1 is the same.", unit="1", minimum=0, maximum=1),
        Column(
            "turn",
            "int",
            "How b becomes a: mirrored left to right where flip, then turned so far anticlockwise.",
            unit="deg",
            minimum=0,
            maximum=270,
        ),
        Column("flip", "boolean", "Whether b is mirrored left to right first."),
        Column("dx", "double", "Where b’s left edge then lies in a, b brought to the size of a.", unit="px"),
        Column("dy", "double", "Where b’s upper edge then lies in a.", unit="px"),
        Column("method_version", "string", "Version of the method."),
        Column(
            "decision",
            "string",
            "linked: a duplicate passes, linked; review: the two are of different patients, which may be a mix-up.",
            values=("linked", "review"),
        ),
    ),
)
