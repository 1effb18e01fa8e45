"""One row a cell and method: the label that the votes agree on."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

CONSENSUS = Table(
    zone=Zone.CURATED,
    name="consensus",
    grain="one row a (cell, method)",
    key=("cell_id", "method"),
    scope="scan_id",
    own_columns=(
        Column("cell_id", "string", "The cell.", privacy=Privacy.PSEUDONYM),
        Column("method", "string", "How votes become one label.", values=("plurality",)),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("label_code", "string", "The label; among equals the first by code."),
        Column("support", "double", "Share of the votes that the label has.", unit="1", minimum=0, maximum=1),
        Column("votes", "int", "Number of votes.", minimum=1),
    ),
)
