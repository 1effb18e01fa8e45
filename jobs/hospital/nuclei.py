"""Shapes of nuclei."""

from __future__ import annotations

import numpy as np

from jobs.hospital.looks import Look
from jobs.hospital.seeds import pick
from jobs.hospital.shapes import FloatArray, Generator, arc, blob, capsule, ellipse, turned


def nucleus(
    look: Look, gen: Generator, x: FloatArray, y: FloatArray, radius: float
) -> tuple[tuple[float, float], FloatArray]:
    """Where the nucleus lies, in µm from the cell's centre, and the distance from its outline.

    Args:
        look: of the class.
        gen: of the cell.
        x, y: grid in µm.
        radius: of the cell, µm.
    """
    own = radius * look.share * float(gen.uniform(0.93, 1.05))
    away = max(radius - own, 0) * look.eccentric * float(gen.uniform(0.6, 1.0))
    angle = float(gen.uniform(0, 2 * np.pi))
    place = (away * float(np.cos(angle)), away * float(np.sin(angle)))
    px, py = turned(x - np.float32(place[0]), y - np.float32(place[1]), float(gen.uniform(0, 2 * np.pi)))
    return place, _SHAPES[look.nucleus](look, gen, px, py, own)


def _round(look: Look, gen: Generator, x: FloatArray, y: FloatArray, own: float) -> FloatArray:
    return blob(x, y, gen, own, 0.03, (2, 3, 4))


def _oval(look: Look, gen: Generator, x: FloatArray, y: FloatArray, own: float) -> FloatArray:
    stretch = np.float32(gen.uniform(1.02, 1.16))
    return blob(x / stretch, y * stretch, gen, own, 0.045, (2, 3, 4, 5))


def _kidney(look: Look, gen: Generator, x: FloatArray, y: FloatArray, own: float) -> FloatArray:
    bean = blob(x * np.float32(1.12), y, gen, own * 1.05, 0.04, (2, 3, 4))
    bite = own * float(gen.uniform(0.55, 0.8))
    dent = np.hypot(x + np.float32(own * gen.uniform(1.0, 1.2)), y) - np.float32(bite)
    return _smooth_cut(bean, dent, own * 0.25)


def _folded(look: Look, gen: Generator, x: FloatArray, y: FloatArray, own: float) -> FloatArray:
    body = blob(x, y * np.float32(1.08), gen, own * 1.08, 0.10, (2, 3, 4, 5))
    dent = ellipse(x + np.float32(own * 1.15), y - np.float32(own * gen.uniform(-0.3, 0.3)), own * 0.62, own * 0.34)
    return _smooth_cut(body, dent, own * 0.3)


def _band(look: Look, gen: Generator, x: FloatArray, y: FloatArray, own: float) -> FloatArray:
    curve = own * float(gen.uniform(0.66, 0.78))
    thick = own * float(gen.uniform(0.26, 0.33))
    swell: FloatArray = np.cos(
        np.arctan2(y, x) * np.float32(gen.uniform(1.5, 2.5)) + np.float32(gen.uniform(0, 6))
    ) * np.float32(own * 0.05)
    shifted = x + np.float32(own * 0.1)
    return arc(shifted, y, curve, float(gen.uniform(1.5, 2.3)), thick) + swell


def _lobes(look: Look, gen: Generator, x: FloatArray, y: FloatArray, own: float) -> FloatArray:
    """Lobes along an arc, joined by threads."""
    number = pick(gen, look.lobes)
    curve, size = own * 0.62, own * {2: 0.56, 3: 0.47, 4: 0.42}.get(number, 0.38)
    step = float(gen.uniform(1.05, 1.35)) if number < 5 else 5.2 / number
    if number == 2:
        step = float(gen.uniform(1.7, 2.4))
    middles: list[tuple[float, float]] = []
    result: FloatArray | None = None
    for lobe in range(number):
        angle = (lobe - (number - 1) / 2) * step + float(gen.normal(0, 0.1))
        reach = curve * float(gen.uniform(0.85, 1.12))
        middle = (reach * float(np.cos(angle)), reach * float(np.sin(angle)))
        lx, ly = turned(x - np.float32(middle[0]), y - np.float32(middle[1]), float(gen.uniform(0, 3.2)))
        part = blob(
            lx / np.float32(1.1),
            ly * np.float32(1.1),
            gen,
            size * float(gen.uniform(0.85, 1.12)),
            0.06,
            (2, 3),
        )
        result = part if result is None else np.minimum(result, part)
        if middles:
            result = np.minimum(result, capsule(x, y, middles[-1], middle, 0.32))
        middles.append(middle)
    assert result is not None
    return result


def _smudge(look: Look, gen: Generator, x: FloatArray, y: FloatArray, own: float) -> FloatArray:
    body = blob(x, y * np.float32(gen.uniform(1, 1.3)), gen, own, 0.16, (2, 3, 4, 5, 7, 9))
    return body * np.float32(0.35)


def _smooth_cut(body: FloatArray, cut: FloatArray, width: float) -> FloatArray:
    """The body without the cut, with rounded corners (polynomial smooth maximum)."""
    blend = np.clip(0.5 - (cut + body) / np.float32(2 * width), 0, 1)
    rounded: FloatArray = body + (-cut - body) * blend + np.float32(width) * blend * (1 - blend)
    return rounded


_SHAPES = {
    "round": _round,
    "oval": _oval,
    "kidney": _kidney,
    "folded": _folded,
    "band": _band,
    "lobes": _lobes,
    "smudge": _smudge,
}
