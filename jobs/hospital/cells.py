"""Draw one cell of a Munich class from its own seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from jobs.hospital.looks import LOOKS, Look
from jobs.hospital.nuclei import nucleus
from jobs.hospital.seeds import rng
from jobs.hospital.shapes import (
    FloatArray,
    Generator,
    blob,
    capsule,
    coverage,
    grains,
    grid,
    noise,
    outline,
    turned,
    wobble,
)
from jobs.hospital.stain import Stain

ORDERS = (2, 3, 4, 5, 7)
HAIRS = (11, 17, 23, 31)


@dataclass(frozen=True)
class Stamp:
    """A drawn cell: colour and coverage, with the cell's centre in the middle pixel."""

    rgb: FloatArray
    """[height, width, 3], 0 to 255."""
    alpha: FloatArray
    """[height, width], 0 to 1."""


class Body:
    """Size and outline of a cell; the first that its seed decides, so that an outline can be known without drawing."""

    def __init__(self, code: str, seed: int, scale: float = 1.0) -> None:
        self.gen = rng("cell", code, seed)
        self.look: Look = LOOKS[code]
        self.radius = scale * self.look.diameter / 2 * float(np.clip(self.gen.normal(1, 0.07), 0.84, 1.18))
        if code == "ART":
            self.radius *= float(self.gen.uniform(0.6, 1.25))
        self.terms = wobble(self.gen, ORDERS, self.look.edge)
        self.hairs = wobble(self.gen, HAIRS, 0.22 if self.look.extra == "hairs" else 0.0)

    def polygon(self, um: float, corners: int) -> list[tuple[float, float]]:
        """The outline in pixels, its bounding box centred on the cell's place."""
        theta = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        rho = self.radius / um * outline(theta, ORDERS, self.terms)
        x, y = rho * np.cos(theta), rho * np.sin(theta)
        x, y = x - (x.min() + x.max()) / 2, y - (y.min() + y.max()) / 2
        return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]

    def distance(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Distance from the outline in µm, negative inside."""
        theta = np.arctan2(y, x)
        rho = outline(theta, ORDERS, self.terms)
        if self.look.extra == "hairs":
            rho = rho + np.abs(outline(theta, HAIRS, self.hairs) - 1)
        edge: FloatArray = np.float32(self.radius) * rho.astype(np.float32)
        return np.hypot(x, y) - edge


def draw(code: str, seed: int, um: float, stain: Stain, scale: float = 1.0) -> Stamp:
    """Draw a cell.

    Args:
        code: Munich class.
        seed: decides everything else about the cell.
        um: µm per pixel.
        stain: its colours.
        scale: size against the usual one.
    """
    body = Body(code, seed, scale)
    half = int(np.ceil(body.radius * 1.4 / um)) + 3
    x, y = grid(half, um)
    if body.look.nucleus == "none":
        return _artefact(body, x, y, um, stain)
    return _cell(body, x, y, um, stain)


def _cell(body: Body, x: FloatArray, y: FloatArray, um: float, stain: Stain) -> Stamp:
    gen, look = body.gen, body.look
    distance = body.distance(x, y)
    shape = distance.shape
    inside = coverage(distance, 0.5)
    place, core = nucleus(look, gen, x, y, body.radius)
    rgb = _cytoplasm(body, distance, place, x, y, um, stain)
    for _ in range(int(gen.integers(look.vacuoles + 1))):
        rgb = _mix(rgb, stain.colour("glass"), 0.75 * _spot(gen, x, y, body.radius * 0.8, gen.uniform(0.35, 0.75)))
    if not look.over_nucleus:
        rgb = _granules(rgb, body, shape, um, stain)
    rgb = _mix(rgb, _chromatin(body, core, place, x, y, um, stain), coverage(core, 0.45)[..., None])
    if look.over_nucleus:
        rgb = _granules(rgb, body, shape, um, stain, 0.75)
    if look.extra == "rods":
        rgb = _rods(rgb, body, x, y, stain)
    if look.nucleus == "smudge":
        inside = gaussian_filter(inside, 0.9 / um) * np.float32(0.92)
    rim = np.exp(-((distance / np.float32(0.45)) ** 2))[..., None]
    return Stamp(np.clip(rgb * (1 - np.float32(0.07) * rim), 0, 255), inside)


def _cytoplasm(
    body: Body,
    distance: FloatArray,
    place: tuple[float, float],
    x: FloatArray,
    y: FloatArray,
    um: float,
    stain: Stain,
) -> FloatArray:
    """Cytoplasm: basophilic towards the rim, cloudy, with the pale area of the Golgi field beside the nucleus."""
    gen, look = body.gen, body.look
    base = stain.colour(look.cytoplasm)
    if look is LOOKS["EBO"]:  # from basophilic to orthochromatic, as haemoglobin replaces RNA
        ripe = np.float32(gen.random())
        base = stain.colour("deepblue") * (1 - ripe) + stain.colour("red") * ripe
        base = base * np.float32(0.6) + stain.colour("greyblue") * np.float32(0.4)
    rim = np.clip(1 + distance / np.float32(body.radius * 0.75), 0, 1) ** 2
    strength = 0.30 if look.cytoplasm in ("blue", "deepblue", "paleblue") else 0.10
    clouds = noise(gen, distance.shape, 0.8 / um) * np.float32(0.03)
    rgb: FloatArray = (
        base * (1 - np.float32(strength) * (rim - np.float32(0.35)) * np.float32(0.55) + clouds)[..., None]
    )
    if look.hof:
        norm = max(float(np.hypot(*place)), 0.01)
        away = body.radius * 0.18
        near = np.hypot(x + np.float32(away * place[0] / norm), y + np.float32(away * place[1] / norm))
        pale = np.exp(-((near / np.float32(body.radius * 0.34)) ** 2)) * np.float32(look.hof)
        rgb = _mix(rgb, stain.colour("hof"), pale[..., None])
    return rgb


def _chromatin(
    body: Body,
    core: FloatArray,
    place: tuple[float, float],
    x: FloatArray,
    y: FloatArray,
    um: float,
    stain: Stain,
) -> FloatArray:
    """The nucleus: clumps, a darker membrane, and nucleoli."""
    gen, look = body.gen, body.look
    coarse = noise(gen, core.shape, look.grain / um)
    fine = noise(gen, core.shape, 0.28 / um)
    blots = np.tanh(coarse * np.float32(1.6)) * np.float32(0.75) + fine * np.float32(0.35)
    membrane = np.exp(-(((core + np.float32(0.3)) / np.float32(0.4)) ** 2)) * np.float32(0.10)
    shade = 1 - np.float32(look.clumps) * blots * np.float32(0.62) - membrane
    rgb: FloatArray = stain.colour(look.chromatin) * np.clip(shade, 0.35, 1.5)[..., None]
    for _ in range(int(gen.integers(1, look.nucleoli + 1)) if look.nucleoli else 0):
        reach = body.radius * look.share * 0.6
        rgb = _mix(
            rgb,
            stain.colour("nucleolus"),
            0.6 * _spot(gen, x - place[0], y - place[1], reach, gen.uniform(0.9, 1.5)),
        )
    return rgb


def _granules(
    rgb: FloatArray, body: Body, shape: tuple[int, ...], um: float, stain: Stain, strength: float = 0.85
) -> FloatArray:
    for colour, count, radius in body.look.granules:
        many = int(count * (body.radius / (body.look.diameter / 2)) ** 2 * body.gen.uniform(0.8, 1.2))
        cover = grains(body.gen, (shape[0], shape[1]), um, body.radius * 0.93, many, radius)
        rgb = _mix(rgb, stain.colour(colour), np.float32(strength) * cover[..., None])
    return rgb


def _rods(rgb: FloatArray, body: Body, x: FloatArray, y: FloatArray, stain: Stain) -> FloatArray:
    """Bundles of Auer rods."""
    gen = body.gen
    for _ in range(int(gen.integers(7, 13))):
        rho, angle, lie = body.radius * gen.uniform(0.2, 0.7), gen.uniform(0, 6.3), gen.uniform(0, 3.2)
        middle = (rho * np.cos(angle), rho * np.sin(angle))
        reach = (gen.uniform(1.2, 2.2) * np.cos(lie), gen.uniform(1.2, 2.2) * np.sin(lie))
        ends = ((middle[0] - reach[0], middle[1] - reach[1]), (middle[0] + reach[0], middle[1] + reach[1]))
        rgb = _mix(rgb, stain.colour("rod"), 0.85 * coverage(capsule(x, y, *ends, 0.16), 0.3)[..., None])
    return rgb


def _artefact(body: Body, x: FloatArray, y: FloatArray, um: float, stain: Stain) -> Stamp:
    """Stain precipitate, a crushed nucleus, or a speck of dust."""
    gen, radius = body.gen, body.radius
    kind = int(gen.integers(3))
    x, y = turned(x, y, gen.uniform(0, 3.2))
    shape = np.broadcast_shapes(x.shape, y.shape)
    if kind == 0:
        cover = grains(gen, (shape[0], shape[1]), um, radius * 0.9, int(gen.integers(40, 160)), gen.uniform(0.2, 0.5))
        return Stamp(np.broadcast_to(stain.colour("dirt"), (*shape, 3)).copy(), cover * np.float32(0.9))
    if kind == 1:
        streak = blob(
            x * np.float32(0.85),
            y * np.float32(gen.uniform(1.2, 2.2)),
            gen,
            radius * 0.9,
            0.14,
            (2, 3, 4, 5, 7, 9),
        )
        ragged = streak + noise(gen, (shape[0], shape[1]), 1.0 / um) * np.float32(0.5)
        texture = 1 - noise(gen, (shape[0], shape[1]), 0.9 / um) * np.float32(0.14)
        return Stamp(stain.colour("chromatin_fine") * texture[..., None], coverage(ragged, 2.4) * np.float32(0.9))
    ring = np.abs(blob(x, y, gen, radius * 0.5, 0.12, (2, 3, 5))) - np.float32(radius * 0.14)
    glare = 1 + noise(gen, (shape[0], shape[1]), 0.6 / um) * np.float32(0.25)
    return Stamp(np.clip(stain.colour("dirt") * glare[..., None], 0, 255), coverage(ring, 0.8) * np.float32(0.85))


def _spot(gen: Generator, x: FloatArray, y: FloatArray, reach: float, radius: float) -> FloatArray:
    """A round spot somewhere within reach."""
    rho, angle = reach * np.sqrt(gen.random()), gen.uniform(0, 2 * np.pi)
    distance = np.hypot(x - np.float32(rho * np.cos(angle)), y - np.float32(rho * np.sin(angle)))
    return coverage(distance - np.float32(radius), 0.5)[..., None]


def _mix(under: FloatArray, over: FloatArray, share: FloatArray) -> FloatArray:
    return under + (over - under) * share
