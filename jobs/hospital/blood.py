"""Blood counts that fit a disease."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.hospital.seeds import Generator

ANALYTES = {
    "hb": ("718-7", "g/L", "Hemoglobin [Mass/volume] in Blood"),
    "wbc": ("6690-2", "10*9/L", "Leukocytes [#/volume] in Blood by Automated count"),
    "plt": ("777-3", "10*9/L", "Platelets [#/volume] in Blood by Automated count"),
    "rbc": ("789-8", "10*12/L", "Erythrocytes [#/volume] in Blood by Automated count"),
    "hct": ("4544-3", "%", "Hematocrit [Volume Fraction] of Blood by Automated count"),
    "mcv": ("787-2", "fL", "MCV [Entitic mean volume] in Red Blood Cells by Automated count"),
}
"""LOINC code, UCUM unit and LOINC's long name of each analyte."""
_NORMAL = {"hb": 141.0, "wbc": 6.4, "plt": 248.0, "mcv": 89.0}
_MCHC = 334.0
"""g of haemoglobin in a litre of red cells; it hardly varies."""


def counts_at(gen: Generator, disease: Mapping[str, float]) -> dict[str, float]:
    """One blood count: haemoglobin, haematocrit, red cells and their volume agree with each other."""
    about = {name: disease.get(name, normal) for name, normal in _NORMAL.items()}
    hb = about["hb"] * float(gen.uniform(0.92, 1.08))
    mcv = about["mcv"] * float(gen.uniform(0.98, 1.02))
    hct = hb / _MCHC * 100
    return {
        "hb": float(round(hb)),
        "wbc": round(about["wbc"] * float(gen.lognormal(0, 0.2)), 1),
        "plt": float(round(about["plt"] * float(gen.lognormal(0, 0.12)))),
        "rbc": round(hct * 10 / mcv, 2),
        "hct": round(hct, 1),
        "mcv": round(mcv, 1),
    }
