"""Stains and scanners: which colour a part of a cell has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.hospital.seeds import rng

FloatArray = NDArray[np.float32]

_PAPPENHEIM = {
    "glass": (241, 237, 236),
    "red": (214, 170, 166),
    "chromatin": (112, 66, 150),
    "chromatin_fine": (150, 98, 178),
    "chromatin_dense": (74, 42, 108),
    "nucleolus": (168, 150, 208),
    "pink": (231, 205, 212),
    "paleblue": (192, 204, 230),
    "blue": (160, 174, 216),
    "deepblue": (118, 130, 192),
    "grey": (192, 196, 214),
    "greyblue": (178, 178, 206),
    "hof": (212, 208, 226),
    "neutrophil": (186, 138, 176),
    "azurophil": (142, 46, 128),
    "eosinophil": (222, 124, 98),
    "salmon": (238, 184, 168),
    "basophil": (66, 36, 104),
    "rod": (168, 30, 112),
    "platelet": (178, 146, 196),
    "dirt": (84, 74, 120),
}
_HE = {
    "glass": (247, 245, 246),
    "red": (222, 96, 92),
    "chromatin": (96, 70, 146),
    "chromatin_fine": (138, 108, 178),
    "chromatin_dense": (58, 38, 102),
    "nucleolus": (96, 44, 120),
    "pink": (238, 186, 206),
    "paleblue": (222, 190, 216),
    "blue": (206, 168, 208),
    "deepblue": (186, 146, 198),
    "grey": (228, 190, 212),
    "greyblue": (224, 180, 204),
    "hof": (238, 204, 222),
    "neutrophil": (232, 160, 186),
    "azurophil": (220, 150, 190),
    "eosinophil": (226, 100, 102),
    "salmon": (240, 158, 164),
    "basophil": (170, 120, 190),
    "rod": (200, 90, 140),
    "platelet": (226, 180, 206),
    "dirt": (140, 110, 130),
    "matrix": (243, 207, 221),
    "bone": (236, 150, 178),
}
_SCANNERS = {
    # how much denser the scanner and the local stain recipe make red, green and blue
    "helsinki": (1.06, 1.05, 0.94),
    "munich": (0.86, 1.08, 1.16),
}


@dataclass(frozen=True)
class Stain:
    """The colours of one slide."""

    palette: dict[str, tuple[int, int, int]]
    gains: tuple[float, float, float]
    """Optical density against the palette, for red, green and blue."""
    white: tuple[float, float, float]
    """White point of the lamp, at most 255."""

    def colour(self, name: str) -> FloatArray:
        """RGB, 0 to 255, float32 [3]."""
        transmitted = np.array(self.palette[name], dtype=np.float64) / 255
        seen: FloatArray = (np.array(self.white) * transmitted ** np.array(self.gains)).astype(np.float32)
        return seen


def make_stain(kind: str, source: str, batch: str) -> Stain:
    """The stain of a batch: `smear` (Pappenheim) or `section` (haematoxylin and eosin), by scanner and batch."""
    gen = rng("stain", kind, source, batch)
    gains = np.array(_SCANNERS[source]) * gen.uniform(0.94, 1.08) * gen.uniform(0.96, 1.04, 3)
    white = np.array([255, 253, 250] if source == "helsinki" else [252, 255, 255]) - gen.uniform(0, 3, 3)
    palette = _HE if kind == "section" else _PAPPENHEIM
    return Stain(palette, tuple(gains.tolist()), tuple(white.tolist()))
