"""Where to cut an H&E section: a grid of tiles over its tissue, and the cores of a tissue microarray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial

from jobs.pixels.reader import Level


@dataclass(frozen=True, slots=True)
class GridTile:
    """One tile of a grid, in pixels of its level."""

    row: int
    column: int
    x: int
    y: int
    tissue_fraction: float
    """Share of the tile that is tissue; what lies outside the scan is not."""


@dataclass(frozen=True, slots=True)
class Core:
    """One core of a tissue microarray, in pixels of the mask."""

    name: str
    """Row as a letter from the top, column as a number from the left, from `A1`."""
    x: float
    y: float
    """Centre."""
    radius: float


def best_level(levels: Sequence[Level], mpp: float, wanted_mpp: float) -> int:
    """The coarsest level that is at least as fine as wanted, within a tenth; the finest if none is.

    Args:
        levels: from the finest to the coarsest.
        mpp: µm per pixel of level 0.
        wanted_mpp: µm per pixel that a tile shall have.
    """
    fine = [number for number, level in enumerate(levels) if mpp * level.downsample <= 1.1 * wanted_mpp]
    return max(fine, default=0)


def tissue_grid(
    mask: NDArray[np.bool_], size: tuple[int, int], *, side: int, overlap: int = 0, least: float = 0.1
) -> Iterator[GridTile]:
    """Tiles of a grid from the upper left corner that hold enough tissue, row by row.

    The last row and column may reach over the scan's edge, so that all tissue is covered.

    Args:
        mask: tissue (height, width), of any size; it is stretched over the level.
        size: width and height of the level.
        side: of a tile, in pixels of the level.
        overlap: pixels that neighbours share; less than `side`.
        least: smallest tissue share of a tile.

    Raises:
        ValueError: side or overlap cannot make a grid.
    """
    if side < 1 or not 0 <= overlap < side:
        raise ValueError("tissue_grid() takes a side of at least 1 pixel and an overlap below it")
    width, height = size
    if mask.size == 0 or width < 1 or height < 1:
        return
    step = side - overlap
    xs = np.arange(0, max(width - overlap, 1), step)
    ys = np.arange(0, max(height - overlap, 1), step)
    scale_x, scale_y = mask.shape[1] / width, mask.shape[0] / height
    above = _summed(mask, ys * scale_y, xs * scale_x, side * scale_y, side * scale_x)
    share = above / (side * scale_x * side * scale_y)
    for row, column in np.argwhere((share >= least) & (share > 0)).tolist():
        tissue = min(1.0, float(share[row, column]))
        yield GridTile(row, column, int(xs[column]), int(ys[row]), tissue)


def cores(mask: NDArray[np.bool_]) -> list[Core]:
    """The cores of a tissue microarray, by row and column; empty where the mask shows none.

    Cores are round pieces of about one size on a lattice, which may be turned by up to some 15 degrees; places of the
    lattice where a core was lost keep their names. At least four cores make an array; they are most of its tissue and
    fill most of its places, or they are fragments that happen to be round.

    Args:
        mask: tissue (height, width).
    """
    depth = ndimage.distance_transform_edt(np.pad(ndimage.binary_fill_holes(mask), 1))[1:-1, 1:-1]
    # Cores that touch in the mask, whose narrow gaps are closed, are apart further from their edge.
    tries = (_array(_round_pieces(depth, share * depth.max(initial=0))) for share in (0.0, 0.25, 0.5))
    found = max(tries, key=len)
    return found if sum(np.pi * core.radius**2 for core in found) >= 0.5 * mask.sum() else []


def _array(pieces: NDArray[np.float64]) -> list[Core]:
    """Pieces (n, 3) as cores by row and column; empty where they do not lie on a lattice."""
    if len(pieces) < 4:
        return []
    centers, radii = pieces[:, :2], pieces[:, 2]
    across, down = _lattice(centers)
    if across is None or down is None:
        return []
    at = (centers - centers[0]) @ np.linalg.inv(np.array([across, down]))
    place = _steps(at)
    if place is None:
        return []
    place -= place.min(axis=0)
    if len(place) < (0.5 + 1 / len(place)) * np.prod(place.max(axis=0) + 1):
        return []
    found = [
        Core(f"{_letters(int(row))}{int(column) + 1}", float(x), float(y), float(radius))
        for (column, row), (x, y), radius in zip(place, centers, radii, strict=True)
    ]
    ordered = np.lexsort((place[:, 0], place[:, 1]))
    return [found[index] for index in ordered] if len({core.name for core in found}) == len(found) else []


def _summed(
    mask: NDArray[np.bool_], tops: NDArray[np.float64], lefts: NDArray[np.float64], height: float, width: float
) -> NDArray[np.float64]:
    """Tissue pixels in every window (rows, columns), by a table of sums that is read between its points."""
    table = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    table[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)

    def at(ys: NDArray[np.float64], xs: NDArray[np.float64]) -> NDArray[np.float64]:
        places = np.meshgrid(np.minimum(ys, mask.shape[0]), np.minimum(xs, mask.shape[1]), indexing="ij")
        return np.asarray(ndimage.map_coordinates(table, places, order=1, mode="nearest"))

    bottoms, rights = tops + height, lefts + width
    return at(bottoms, rights) - at(tops, rights) - at(bottoms, lefts) + at(tops, lefts)


def _round_pieces(depth: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Centre x, y and radius (n, 3) of pieces that fill most of their box's ellipse and are of the usual size.

    Args:
        depth: distance of every pixel to what is no tissue (height, width).
        least: depth from which on pieces are told apart.
    """
    label, count = ndimage.label(depth > least)
    rows = []
    areas = np.bincount(label.ravel(), minlength=count + 1)
    for number, (down, across) in enumerate(ndimage.find_objects(label), 1):
        height, width = down.stop - down.start, across.stop - across.start
        filled = areas[number] / (np.pi / 4 * height * width)
        if areas[number] >= 20 and max(height, width) <= 1.5 * min(height, width) and 0.75 <= filled <= 1.2:
            y, x = ndimage.center_of_mass(label[down, across] == number)
            radius = float(np.sqrt(areas[number] / np.pi)) + least
            rows.append((across.start + x + 0.5, down.start + y + 0.5, radius))
    pieces = np.array(rows, dtype=np.float64).reshape(-1, 3)
    usual = np.median(pieces[:, 2]) if len(pieces) else 0.0
    return pieces[(pieces[:, 2] > 0.6 * usual) & (pieces[:, 2] < 1.6 * usual)]


def _lattice(centers: NDArray[np.float64]) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """The steps from a core to its right and to its lower neighbour, as medians over near neighbours."""
    near = min(9, len(centers))
    neighbours = spatial.cKDTree(centers).query(centers, near)[1][:, 1:]
    steps = (centers[neighbours] - centers[:, None]).reshape(-1, 2)
    turned = np.degrees(np.arctan2(steps[:, 1], steps[:, 0]))
    return _usual(steps[np.abs(turned) < 20]), _usual(steps[np.abs(turned - 90) < 20])


def _usual(steps: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if not len(steps):
        return None
    length = np.hypot(*steps.T)
    shortest = steps[length < 1.3 * length.min()]
    return np.asarray(np.median(shortest, axis=0))


def _steps(at: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Whole steps along both axes; None where the pieces do not lie on a lattice."""
    factors = np.linalg.lstsq(np.column_stack([np.round(at), np.ones(len(at))]), at, rcond=None)[0]
    fit = np.column_stack([np.round(at), np.ones(len(at))]) @ factors
    # Three numbers an axis are fitted: four pieces that lie anywhere would nearly fit.
    off = np.abs(fit - at).max(axis=1) * np.sqrt(len(at) / max(len(at) - 3, 1))
    if np.percentile(off, 80) > 0.2:
        return None
    return np.round(at).astype(np.int64)


def _letters(number: int) -> str:
    """A to Z, then AA and on, as in a spreadsheet."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
