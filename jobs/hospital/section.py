"""Draw a marrow section in haematoxylin and eosin: matrix, fat, a bone trabecula, nuclei, and the planned cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.hospital import canvas
from jobs.hospital.cells import Body, Stamp, draw
from jobs.hospital.plan import Scan
from jobs.hospital.seeds import pick, rng
from jobs.hospital.shapes import FloatArray, Generator, blob, coverage, noise
from jobs.hospital.stain import Stain, make_stain

SCALE = 0.72
"""Cells of embedded tissue have shrunk."""
CLASSES = ("EBO", "LYT", "PLM", "BLA", "EOS", "NGS", "MYB", "PMO", "OTH")
"""Classes that can be told in a section."""
_CROWD = ("EBO", "EBO", "EBO", "LYT", "LYT", "BLA", "MYB", "MYB", "NGS", "NGS", "PLM", "EOS", "MMZ", "PMO")
_VARIANTS = 48
_COARSE = 4
"""Large things are drawn on every fourth pixel and enlarged."""


def paint_section(scan: Scan) -> canvas.Pixels:
    """Pixels of a section: RGB [height, width, 3]."""
    gen = rng("section", scan.seed)
    stain = make_stain("section", scan.source, scan.batch)
    room = _room(scan)
    tissue = _tissue(gen, scan, stain, room)
    crowd = [_embedded(pick(gen, _CROWD), int(gen.integers(1 << 31)), scan, stain) for _ in range(_VARIANTS)]
    for x, y in _places(gen, scan, room):
        canvas.stamp(tissue, _turned(gen, pick(gen, crowd)), x, y)
    for cell in scan.cells:
        canvas.stamp(tissue, _embedded(cell.code, cell.seed, scan, stain), cell.x, cell.y)
    return canvas.through_camera(gen, tissue, 0.2 / scan.um, 1.8)


def _room(scan: Scan) -> FloatArray:
    """Distance in µm to the nearest fat vacuole or to bone, negative inside; on every fourth pixel."""
    gen = rng("fat", scan.seed)
    um = scan.um * _COARSE
    shape = (-(-scan.height // _COARSE), -(-scan.width // _COARSE))
    y, x = (axis.astype(np.float32) * np.float32(um) for axis in np.mgrid[: shape[0], : shape[1]])
    room = np.full(shape, 1e3, dtype=np.float32)
    number = int(shape[0] * shape[1] * um * um / 3400)
    for _ in range(number):
        radius = float(gen.uniform(14, 34))
        cx, cy = gen.uniform(0, shape[1] * um), gen.uniform(0, shape[0] * um)
        if any(np.hypot(cell.x * scan.um - cx, cell.y * scan.um - cy) < radius * 1.2 + 9 for cell in scan.cells):
            continue
        vacuole = blob(x - np.float32(cx), y - np.float32(cy), gen, radius, 0.08, (2, 3, 4))
        if not ((vacuole < 3) & (room < 3)).any():
            room = np.minimum(room, vacuole)
    return room


def _tissue(gen: Generator, scan: Scan, stain: Stain, room: FloatArray) -> canvas.Pixels:
    """Matrix and fat."""
    fibres = noise(gen, room.shape, 3.2) * np.float32(0.03) + noise(gen, room.shape, 13) * np.float32(0.035)
    colour = stain.colour("matrix") * (1 - fibres)[..., None]
    blood = np.clip(noise(gen, room.shape, 8.0) - np.float32(1.2), 0, 1)[..., None]
    colour = colour + (stain.colour("red") * np.float32(1.05) - colour) * blood * np.float32(0.55)
    fat = coverage(room, 1.2)[..., None]
    colour = colour + (stain.colour("glass") - colour) * fat
    wall = np.exp(-((room / np.float32(0.9)) ** 2))[..., None] * np.float32(0.5)
    colour = colour + (stain.colour("bone") - colour) * wall
    small = Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8))
    large = small.resize((small.width * _COARSE, small.height * _COARSE), Image.Resampling.BICUBIC)
    return np.array(large)[: scan.height, : scan.width].copy()


def _places(gen: Generator, scan: Scan, room: FloatArray) -> NDArray[np.float64]:
    """Where unplanned cells lie: densely, but not in fat and not where planned cells lie."""
    step = 8.6 / scan.um
    x, y = np.meshgrid(np.arange(0, scan.width, step), np.arange(0, scan.height, step * 0.9))
    places: NDArray[np.float64] = np.stack([x.ravel(), y.ravel()], axis=1)
    places += gen.normal(0, step * 0.24, places.shape)
    inside = ((places >= 0) & (places < (scan.width, scan.height))).all(axis=1)
    places = places[inside]
    rows, columns = (places[:, ::-1] / _COARSE).astype(np.intp).T
    free = (room[rows, columns] > 4.0) & (gen.random(len(places)) < 0.86)
    for cell in scan.cells:
        reach = (Body(cell.code, cell.seed, SCALE).radius + 3.5) / scan.um
        free &= np.hypot(places[:, 0] - cell.x, places[:, 1] - cell.y) > reach
    kept: NDArray[np.float64] = places[free]
    return kept


def _embedded(code: str, seed: int, scan: Scan, stain: Stain) -> Stamp:
    """A cell in tissue: its pale parts run into what lies around it."""
    cell = draw(code, seed, scan.um, stain, SCALE)
    density = (np.float32(232) - cell.rgb.mean(axis=-1)) / np.float32(80)
    return Stamp(cell.rgb, cell.alpha * np.clip(density, 0.4, 1))


def _turned(gen: Generator, cell: Stamp) -> Stamp:
    turns = int(gen.integers(4))
    return Stamp(np.rot90(cell.rgb, turns), np.rot90(cell.alpha, turns))
