"""What must hold of a genetic finding beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("patient_key"),
    Rule(
        "gene_is_a_symbol",
        "gene RLIKE '^[A-Z][A-Z0-9-]{1,14}$'",
        "The gene is an HGNC symbol.",
        {"gene": "the gene of J. Doe"},
    ),
)
