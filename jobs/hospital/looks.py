"""How each Munich class looks: sizes, nucleus, chromatin, cytoplasm, granules (after Bain, Blood Cells, 5th ed.)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """What a cell of a class looks like."""

    diameter: float
    """µm."""
    nucleus: str
    """Its shape: round, oval, kidney, folded, band, lobes, smudge or none."""
    share: float
    """Diameter of the nucleus against the cell's."""
    chromatin: str
    """Colour of the nucleus."""
    clumps: float
    """Contrast of the chromatin, 0 to 1."""
    grain: float
    """Size of its clumps, µm."""
    cytoplasm: str
    """Colour of the cytoplasm."""
    eccentric: float = 0.3
    """How far the nucleus lies from the middle, of what is possible."""
    nucleoli: int = 0
    """At most so many."""
    granules: tuple[tuple[str, int, float], ...] = ()
    """Colour, number and radius in µm."""
    over_nucleus: bool = False
    """Granules lie on the nucleus too."""
    hof: float = 0.0
    """Strength of the pale area beside the nucleus."""
    vacuoles: int = 0
    """At most so many."""
    edge: float = 0.06
    """Irregularity of the outline."""
    lobes: tuple[int, ...] = (3,)
    """Numbers of lobes that occur."""
    extra: str = ""
    """hairs, rods, or mottled."""


_FINE = (("neutrophil", 190, 0.17),)
_AZUR = (("azurophil", 70, 0.22), ("azurophil", 60, 0.16))
_EOS = (("eosinophil", 250, 0.34),)

LOOKS = {
    "NGS": Look(13.4, "lobes", 0.72, "chromatin", 0.30, 0.55, "pink", 0.15, granules=_FINE, lobes=(2, 3, 3, 4, 4, 5)),
    "NGB": Look(13.8, "band", 0.72, "chromatin", 0.28, 0.6, "pink", 0.15, granules=_FINE),
    "MMZ": Look(15.2, "kidney", 0.66, "chromatin", 0.24, 0.7, "pink", 0.6, granules=_FINE),
    "MYB": Look(
        16.6, "oval", 0.60, "chromatin", 0.20, 0.7, "hof", 0.75, granules=(*_FINE, ("azurophil", 26, 0.2)), hof=0.5
    ),
    "PMO": Look(19.0, "oval", 0.66, "chromatin_fine", 0.17, 0.6, "blue", 0.7, 2, _AZUR, over_nucleus=True, hof=0.7),
    "BLA": Look(16.0, "oval", 0.82, "chromatin_fine", 0.12, 0.4, "blue", 0.5, 3, edge=0.05),
    "EOS": Look(14.4, "lobes", 0.66, "chromatin", 0.30, 0.6, "salmon", 0.5, granules=_EOS, lobes=(2, 2, 2, 3)),
    "ABE": Look(16.0, "kidney", 0.6, "chromatin", 0.25, 0.6, "salmon", 0.5, granules=(*_EOS, ("basophil", 30, 0.4))),
    "BAS": Look(
        12.8,
        "lobes",
        0.7,
        "chromatin",
        0.15,
        0.7,
        "pink",
        0.1,
        granules=(("basophil", 62, 0.46),),
        over_nucleus=True,
        lobes=(2, 3),
    ),
    "MON": Look(
        17.2,
        "folded",
        0.68,
        "chromatin_fine",
        0.22,
        0.9,
        "greyblue",
        0.4,
        granules=(("neutrophil", 90, 0.13),),
        vacuoles=5,
        edge=0.09,
    ),
    "LYT": Look(10.6, "round", 0.82, "chromatin", 0.30, 0.9, "paleblue", 0.6, edge=0.05),
    "LYI": Look(13.4, "oval", 0.78, "chromatin_fine", 0.16, 0.6, "blue", 0.5, 2),
    "HAC": Look(14.2, "oval", 0.62, "chromatin", 0.18, 0.7, "paleblue", 0.5, edge=0.08, extra="hairs"),
    "PLM": Look(15.4, "round", 0.50, "chromatin_dense", 0.34, 0.95, "deepblue", 0.95, hof=0.75, vacuoles=2, edge=0.09),
    "EBO": Look(10.4, "round", 0.62, "chromatin_dense", 0.26, 0.8, "greyblue", 0.35, edge=0.05),
    "PEB": Look(18.6, "round", 0.78, "chromatin_fine", 0.22, 0.5, "deepblue", 0.4, 2, hof=0.25, edge=0.08),
    "FGC": Look(17.5, "folded", 0.62, "chromatin_fine", 0.16, 0.6, "blue", 0.6, granules=_AZUR, extra="rods"),
    "KSC": Look(19.0, "smudge", 0.9, "chromatin_fine", 0.34, 1.1, "pink", 0.0, edge=0.14),
    "NIF": Look(13.5, "smudge", 0.7, "chromatin", 0.22, 1.2, "greyblue", 0.4, vacuoles=6, edge=0.12),
    "OTH": Look(
        25.0,
        "lobes",
        0.66,
        "chromatin",
        0.28,
        0.9,
        "hof",
        0.2,
        granules=(("azurophil", 420, 0.15),),
        edge=0.1,
        lobes=(5, 6, 7),
    ),
    "ART": Look(13.0, "none", 0.6, "chromatin_fine", 0.3, 0.9, "grey", 0.2, edge=0.2),
}

CONFUSED = {
    "NGS": "NGB", "NGB": "NGS MMZ", "MMZ": "NGB MYB", "MYB": "MMZ PMO", "PMO": "MYB BLA", "BLA": "PMO LYI PEB",
    "EOS": "NGS ABE", "ABE": "EOS", "BAS": "PMO EOS", "MON": "MMZ LYT BLA", "LYT": "EBO LYI", "LYI": "LYT BLA",
    "HAC": "LYT MON", "PLM": "PEB EBO", "EBO": "LYT PEB", "PEB": "EBO BLA", "FGC": "PMO", "KSC": "ART NIF",
    "NIF": "ART OTH", "OTH": "NIF PLM", "ART": "NIF KSC",
}  # fmt: skip
"""What examiners take a class for when they err."""
