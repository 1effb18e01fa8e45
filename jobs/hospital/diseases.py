"""Cell classes of the Munich set with their counts, and diseases: which cells and blood counts go with them."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from jobs.hospital.seeds import rng

VOCABULARY = Path(__file__).resolve().parents[2] / "schemas" / "vocabularies" / "munich_bmc.csv"


@dataclass(frozen=True)
class Disease:
    """A diagnosis with what it does to marrow and blood."""

    code: str
    """ICD-10."""
    text: dict[str, str]
    """Name by source."""
    cells: dict[str, float]
    """How many times as frequent a class is."""
    blood: dict[str, float]
    """Haemoglobin g/L, leukocytes and platelets 10*9/L, MCV fL; what is not named is normal."""
    genes: tuple[str, ...] = ()
    """Genes that are often mutated."""
    death: float = 0.0
    """Share of patients who die during follow-up."""
    rbc: tuple[float, float] = field(default=(1.0, 0.55))
    """Size of red cells against normal, and depth of their central pallor."""


DISEASES = (
    Disease(
        "C92.0",
        {"helsinki": "Akuutti myelooinen leukemia", "munich": "Akute myeloblastische Leukämie"},
        {"BLA": 7, "FGC": 30, "PMO": 2, "EBO": 0.5, "NGS": 0.4, "ABE": 9, "LYT": 0.6},
        {"hb": 84, "wbc": 38, "plt": 41},
        ("FLT3", "NPM1", "DNMT3A", "IDH2"),
        0.4,
    ),
    Disease(
        "D46.9",
        {"helsinki": "Myelodysplastinen oireyhtymä", "munich": "Myelodysplastisches Syndrom"},
        {"BLA": 2, "EBO": 1.7, "PEB": 2.5, "NGB": 1.3, "OTH": 3},
        {"hb": 91, "wbc": 2.9, "plt": 88, "mcv": 104},
        ("SF3B1", "TET2", "ASXL1", "TP53"),
        0.25,
        (1.12, 0.5),
    ),
    Disease(
        "C91.1",
        {
            "helsinki": "Krooninen lymfaattinen leukemia",
            "munich": "Chronische lymphatische Leukämie vom B-Zell-Typ",
        },
        {"LYT": 6, "KSC": 40, "LYI": 12, "HAC": 4, "NGS": 0.5, "EBO": 0.6},
        {"hb": 118, "wbc": 64, "plt": 142},
        ("TP53", "NOTCH1", "SF3B1"),
        0.15,
    ),
    Disease(
        "C90.0",
        {"helsinki": "Multippeli myelooma", "munich": "Multiples Myelom"},
        {"PLM": 12, "EBO": 0.7, "BLA": 0.4, "LYT": 0.7},
        {"hb": 96, "wbc": 5.1, "plt": 167},
        ("KRAS", "NRAS", "TP53"),
        0.2,
    ),
    Disease(
        "D50.9",
        {"helsinki": "Raudanpuuteanemia", "munich": "Eisenmangelanämie"},
        {"EBO": 2.2, "PEB": 2, "BLA": 0.2, "PLM": 0.4},
        {"hb": 82, "wbc": 6.4, "plt": 412, "mcv": 69},
        rbc=(0.84, 0.85),
    ),
    Disease(
        "D72.8",
        {"helsinki": "Muu valkosolujen häiriö", "munich": "Sonstige Krankheiten der Leukozyten"},
        {"EOS": 3, "BAS": 3, "MON": 2, "NGS": 1.6, "BLA": 0.15, "MYB": 1.4},
        {"hb": 138, "wbc": 13.5, "plt": 291},
    ),
)


@lru_cache(maxsize=1)
def counts() -> dict[str, int]:
    """Images of each class in the Munich set, by class code."""
    with VOCABULARY.open(encoding="utf-8", newline="") as file:
        return {row["code"]: int(row["images"]) for row in csv.DictReader(file)}


def deal(seed: int, total: int, diseases: list[Disease], shares: list[int]) -> list[list[str]]:
    """Deal `total` cells with Munich's imbalance to patients, more of a class to whose disease brings more of it.

    Args:
        seed: of the hospital.
        total: number of cells.
        diseases: one a patient.
        shares: number of cells of each patient; they sum up to `total`.

    Returns:
        Class codes of each patient, in random order.
    """
    gen = rng(seed, "deal")
    cells = np.array(_proportional(total))[gen.permutation(total)]
    left = np.array(shares, dtype=np.float64)
    dealt: list[list[str]] = [[] for _ in shares]
    for code in cells.tolist():
        weights = np.cumsum(left * np.array([disease.cells.get(code, 1.0) for disease in diseases]))
        owner = int(np.searchsorted(weights, gen.random() * weights[-1], side="right"))
        left[owner] -= 1
        dealt[owner].append(code)
    return [[codes[i] for i in gen.permutation(len(codes))] for codes in dealt]


def _proportional(total: int) -> list[str]:
    """`total` class codes in Munich's proportions, by largest remainders."""
    known = counts()
    exact = {code: number * total / sum(known.values()) for code, number in known.items()}
    whole = {code: int(value) for code, value in exact.items()}
    rest = sorted(known, key=lambda code: (whole[code] - exact[code], code))[: total - sum(whole.values())]
    return [code for code in known for _ in range(whole[code] + (code in rest))]
