"""One row a genetic finding."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

GENETICS = Table(
    zone=Zone.CURATED,
    name="genetics",
    grain="one row a genetic finding",
    key=("finding_id",),
    scope="patient_key",
    own_columns=(
        Column("finding_id", "string", "Keyed HMAC of the record.", privacy=Privacy.PSEUDONYM),
        Column("patient_key", "string", "Whose it is.", privacy=Privacy.PSEUDONYM),
        Column(
            "gene", "string", "Gene symbol (HGNC), or its HGNC id where the symbol is not on the list.", nullable=True
        ),
        Column(
            "result",
            "string",
            "What was found.",
            privacy=Privacy.SENSITIVE,
            values=("positive", "negative", "indeterminate", "not tested"),
        ),
        Column("tested", "date", "When it was tested, shifted.", nullable=True, privacy=Privacy.QUASI),
        *(
            Column(name, "string", said, nullable=True, privacy=Privacy.SENSITIVE)
            for name, said in (
                ("coding_change", "The change of coding DNA, in HGVS."),
                ("genomic_change", "The change of genomic DNA, in HGVS."),
                ("protein_change", "The change of protein, in HGVS."),
                ("karyotype", "The chromosomes, in ISCN."),
            )
        ),
        Column(
            "note",
            "string",
            "Free text on the finding, if the settings keep it, cleaned.",
            nullable=True,
            privacy=Privacy.SENSITIVE,
        ),
        Column("staff_key", "string", "Keyed HMAC of who made the test.", nullable=True, privacy=Privacy.PSEUDONYM),
    ),
)
