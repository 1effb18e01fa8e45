"""Shapes and textures in micrometres: signed distances (negative inside), noise, and grains.

All work on a grid of x and y, float32 [height, width].
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

FloatArray = NDArray[np.float32]
Generator = np.random.Generator

_POOL_SIDE = 512
_POOL_SIGMAS = (0.8, 1.3, 2.0, 3.2, 5.0, 8.0, 13.0, 21.0)


def grid(half: int, um: float) -> tuple[FloatArray, FloatArray]:
    """x and y in micrometres around the centre of 2 * half + 1 pixels a side."""
    axis = np.arange(-half, half + 1, dtype=np.float32) * np.float32(um)
    return axis[None, :], axis[:, None]


def coverage(distance: FloatArray, edge: float) -> FloatArray:
    """How much of a pixel is inside, 0 to 1, over an edge of `edge` micrometres."""
    covered: FloatArray = np.clip(np.float32(0.5) - distance / np.float32(edge), 0, 1)
    return covered


def wobble(gen: Generator, orders: tuple[int, ...], depth: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Amplitudes and phases of an irregular outline, for the orders of its Fourier series."""
    amplitudes = gen.normal(0, depth, len(orders)) / np.sqrt(np.array(orders))
    return amplitudes, gen.uniform(0, 2 * np.pi, len(orders))


def outline(
    theta: NDArray[np.floating],
    orders: tuple[int, ...],
    terms: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.floating]:
    """Radius against the mean radius, at each angle."""
    result = np.ones_like(theta)
    for order, amplitude, phase in zip(orders, *terms, strict=True):
        result = result + theta.dtype.type(amplitude) * np.cos(theta * order + theta.dtype.type(phase))
    return result


def blob(
    x: FloatArray, y: FloatArray, gen: Generator, radius: float, depth: float, orders: tuple[int, ...]
) -> FloatArray:
    """A round, irregular shape."""
    rho, theta = np.hypot(x, y), np.arctan2(y, x)
    edge: FloatArray = outline(theta, orders, wobble(gen, orders, depth)).astype(np.float32)
    distance: FloatArray = rho - np.float32(radius) * edge
    return distance


def ellipse(x: FloatArray, y: FloatArray, a: float, b: float) -> FloatArray:
    """An ellipse with half axes a and b; the distance is approximate."""
    around: FloatArray = np.hypot(x / np.float32(a), y / np.float32(b))
    return (around - 1) * np.float32(min(a, b))


def arc(x: FloatArray, y: FloatArray, radius: float, aperture: float, thickness: float) -> FloatArray:
    """A bent sausage: part of a ring, open towards negative x, from -aperture to aperture (radians)."""
    theta = np.arctan2(y, x)
    ends = np.hypot(x - np.float32(radius * np.cos(aperture)), np.abs(y) - np.float32(radius * np.sin(aperture)))
    along = np.abs(np.hypot(x, y) - np.float32(radius))
    return np.where(np.abs(theta) < aperture, along, ends) - np.float32(thickness)


def capsule(
    x: FloatArray, y: FloatArray, start: tuple[float, float], end: tuple[float, float], thickness: float
) -> FloatArray:
    """A straight rod between two points."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - np.float32(start[0]), y - np.float32(start[1])
    at = np.clip((px * np.float32(dx) + py * np.float32(dy)) / np.float32(dx * dx + dy * dy + 1e-9), 0, 1)
    return np.hypot(px - at * np.float32(dx), py - at * np.float32(dy)) - np.float32(thickness)


def turned(x: FloatArray, y: FloatArray, angle: float) -> tuple[FloatArray, FloatArray]:
    """The grid in axes turned by an angle (radians)."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


@lru_cache(maxsize=1)
def _pool() -> tuple[FloatArray, ...]:
    white = np.random.Generator(np.random.PCG64(20210901)).standard_normal((_POOL_SIDE, _POOL_SIDE), dtype=np.float32)
    smooth = (gaussian_filter(white, sigma, mode="wrap") for sigma in _POOL_SIGMAS)
    return tuple((layer / layer.std()).astype(np.float32) for layer in smooth)


def noise(gen: Generator, shape: tuple[int, int], pixels: float) -> FloatArray:
    """Smooth noise, mean 0 and deviation 1, with blots of about `pixels` pixels; cut from a ready pool."""
    layer = _pool()[int(np.argmin([abs(np.log(sigma / max(pixels, 0.1))) for sigma in _POOL_SIGMAS]))]
    rows = (np.arange(shape[0]) + int(gen.integers(_POOL_SIDE))) % _POOL_SIDE
    columns = (np.arange(shape[1]) + int(gen.integers(_POOL_SIDE))) % _POOL_SIDE
    return layer[rows[:, None], columns[None, :]]


def grains(gen: Generator, shape: tuple[int, int], um: float, reach: float, count: int, radius: float) -> FloatArray:
    """`count` soft grains of a radius, thrown evenly over a disc of radius `reach` around the centre; 0 to 1."""
    field = np.zeros(shape, dtype=np.float32)
    rho, theta = reach * np.sqrt(gen.random(count)), gen.uniform(0, 2 * np.pi, count)
    rows = np.clip(shape[0] // 2 + rho * np.sin(theta) / um, 0, shape[0] - 1).astype(np.intp)
    columns = np.clip(shape[1] // 2 + rho * np.cos(theta) / um, 0, shape[1] - 1).astype(np.intp)
    np.add.at(field, (rows, columns), gen.uniform(0.7, 1.3, count).astype(np.float32))
    sigma = max(radius / um * 0.62, 0.5)
    peak = 2 * np.pi * sigma**2
    soft: FloatArray = gaussian_filter(field, sigma, truncate=3)
    covered: FloatArray = np.clip(soft * np.float32(1.5 * peak) - np.float32(0.25), 0, 1)
    return covered
