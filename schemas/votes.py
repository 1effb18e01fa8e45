"""One row an annotation of a cell."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

VOTES = Table(
    zone=Zone.CURATED,
    name="votes",
    grain="one row a (cell, annotation)",
    key=("cell_id", "annotation_id"),
    scope="scan_id",
    own_columns=(
        Column("cell_id", "string", "The cell.", privacy=Privacy.PSEUDONYM),
        Column("annotation_id", "string", "The annotation.", privacy=Privacy.PSEUDONYM),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("examiner_key", "string", "Who voted.", privacy=Privacy.PSEUDONYM),
        Column("round", "int", "Round of annotation, from 1.", minimum=1),
        Column("label_code", "string", "For which class."),
        Column("vocabulary", "string", "The vocabulary of the class."),
        Column("distance", "double", "From the cell’s centre to the annotation’s.", unit="px", minimum=0),
    ),
)
