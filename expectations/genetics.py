"""What must hold of a genetic finding beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("patient_key"),
    Rule(
        "gene_is_a_symbol",
        "gene RLIKE '^([A-Z][A-Z0-9-]{1,14}|HGNC:[0-9]{1,5})$'",
        "The gene is an HGNC symbol or id.",
        {"gene": "the gene of J. Doe"},
    ),
    *(
        Rule(
            f"{column}_is_in_hgvs",
            f"{column} RLIKE '^[^ ]*[{kinds}][.][^ ]+$'",
            f"{column} is written in HGVS.",
            {column: "a change of J. Doe"},
        )
        for column, kinds in (("coding_change", "c"), ("genomic_change", "gm"), ("protein_change", "p"))
    ),
    Rule(
        "karyotype_is_in_iscn",
        "karyotype RLIKE '^[0-9A-Za-z,;()<>~+/?. \\\\[\\\\]×-]+$'",
        "The karyotype is written in ISCN.",
        {"karyotype": "J. Döe & son"},
    ),
)
