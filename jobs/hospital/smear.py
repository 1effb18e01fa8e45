"""Draw a smear: glass, red cells, platelets, and the planned nucleated cells, as a slide or a field shows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jobs.hospital import canvas
from jobs.hospital.cells import Body, draw
from jobs.hospital.plan import Scan
from jobs.hospital.seeds import pick, rng
from jobs.hospital.shapes import FloatArray, Generator, blob, coverage, grains, grid, noise, outline, wobble
from jobs.hospital.stain import Stain, make_stain

RED_CELL_UM = 7.3
_RED_CELLS, _PLATELETS = 28, 8
Transmission = NDArray[np.uint16]


def paint_smear(scan: Scan) -> canvas.Pixels:
    """Pixels of a smear or field: RGB [height, width, 3]."""
    gen = rng("smear", scan.seed)
    stain = make_stain("smear", scan.source, scan.batch)
    whole = scan.canvas
    vignette = 0.05 if scan.is_field else 0.015
    picture = canvas.background(gen, whole.width, whole.height, stain.colour("glass"), vignette)
    _red_cells(gen, picture, scan, stain)
    for cell in whole.cells:
        canvas.stamp(picture, draw(cell.code, cell.seed, scan.um, stain), cell.x, cell.y)
    blur = 0.15 / scan.um * float(gen.uniform(0.8, 1.2))
    picture = canvas.through_camera(gen, picture, blur, 1.6 if scan.source == "helsinki" else 2.2)
    return np.ascontiguousarray(picture[whole.top : whole.top + scan.height, whole.left : whole.left + scan.width])


def _red_cells(gen: Generator, picture: canvas.Pixels, scan: Scan, stain: Stain) -> None:
    """Red cells and platelets between the nucleated cells, here denser and there thinner."""
    pool = [_red_cell(gen, scan, stain) for _ in range(_RED_CELLS)]
    platelets = [_platelet(gen, scan, stain) for _ in range(_PLATELETS)]
    for x, y in _places(gen, scan):
        if gen.random() < 0.93:
            canvas.filter_through(picture, np.rot90(pick(gen, pool), int(gen.integers(4))), x, y)
        else:
            canvas.filter_through(picture, pick(gen, platelets), x, y)


def _places(gen: Generator, scan: Scan) -> list[tuple[float, float]]:
    """A shaken grid without the places of nucleated cells and without gaps of a thinner film."""
    whole = scan.canvas
    step = RED_CELL_UM * scan.rbc[0] * float(gen.uniform(1.22, 1.5)) / scan.um
    x, y = np.meshgrid(np.arange(0, whole.width + step, step), np.arange(0, whole.height + step, step * 0.87))
    x[1::2] += step / 2
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    places += gen.normal(0, step * 0.17, places.shape)
    film = noise(gen, x.shape, 3.2).ravel()
    free = film > gen.uniform(-1.3, -0.5)
    for cell in whole.cells:
        reach = Body(cell.code, cell.seed).radius + RED_CELL_UM * scan.rbc[0] * 0.47
        free &= np.hypot(places[:, 0] - cell.x, places[:, 1] - cell.y) > reach / scan.um
    chosen: list[tuple[float, float]] = [(float(a), float(b)) for a, b in places[free]]
    return chosen


def _red_cell(gen: Generator, scan: Scan, stain: Stain) -> Transmission:
    """A red cell with its central pallor."""
    size, pallor = scan.rbc
    radius = RED_CELL_UM / 2 * size * float(np.clip(gen.normal(1, 0.06), 0.8, 1.2))
    x, y = grid(int(np.ceil(radius * 1.3 / scan.um)) + 1, scan.um)
    stretch = np.float32(gen.uniform(1, 1.09))
    x, y = x * stretch, y / stretch
    orders = (2, 3, 5)
    around: FloatArray = outline(np.arctan2(y, x), orders, wobble(gen, orders, 0.035)).astype(np.float32)
    rho: FloatArray = (np.hypot(x, y) / around).astype(np.float32)
    inside = coverage(rho - np.float32(radius), 0.55)
    width = radius * float(gen.uniform(0.38, 0.52))
    depth = pallor * float(gen.uniform(0.7, 1.25))
    density = 1 - np.float32(depth) * np.exp(-((rho / np.float32(width)) ** 2.4))
    density += np.float32(0.12) * np.exp(-(((rho - np.float32(radius * 0.82)) / np.float32(radius * 0.16)) ** 2))
    return _transmission(stain, "red", inside * density)


def _platelet(gen: Generator, scan: Scan, stain: Stain) -> Transmission:
    radius = float(gen.uniform(1.0, 1.7))
    x, y = grid(int(np.ceil(radius * 1.7 / scan.um)) + 1, scan.um)
    body = coverage(blob(x, y, gen, radius, 0.14, (2, 3, 5)), 0.8) * np.float32(0.7)
    speckles = grains(gen, body.shape, scan.um, radius * 0.7, 12, 0.25)
    return _transmission(stain, "platelet", np.clip(body + speckles * np.float32(0.9), 0, 1.8))


def _transmission(stain: Stain, name: str, density: NDArray[np.float32]) -> Transmission:
    through = stain.colour(name) / stain.colour("glass")
    levels: Transmission = np.round(256 * np.clip(through ** density[..., None], 0, 1)).astype(np.uint16)
    return levels
