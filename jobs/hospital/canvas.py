"""A picture that cells are stamped onto."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from jobs.hospital.cells import Stamp
from jobs.hospital.shapes import FloatArray, Generator

Pixels = NDArray[np.uint8]


def background(gen: Generator, width: int, height: int, colour: FloatArray, vignette: float) -> Pixels:
    """Glass, unevenly lit: RGB [height, width, 3]."""
    rows, columns = max(height // 48, 4), max(width // 48, 4)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    slope = gen.uniform(-0.012, 0.012, 2)
    light = 1 + slope[0] * x + slope[1] * y - vignette * (x**2 + y**2) / 2
    light = light[..., None] + gen.normal(0, 0.004, (rows, columns, 3))
    small = np.clip(colour * light, 0, 255).astype(np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def stamp(canvas: Pixels, cell: Stamp, x: float, y: float) -> None:
    """Lay a cell over what is there."""
    where, part = _overlap(canvas, cell.alpha.shape, x, y)
    alpha, under = cell.alpha[part][..., None], canvas[where].astype(np.float32)
    canvas[where] = (under + (cell.rgb[part] - under) * alpha + np.float32(0.5)).astype(np.uint8)


def filter_through(canvas: Pixels, transmission: NDArray[np.uint16], x: float, y: float) -> None:
    """Let light pass through something more: `transmission` is 0 to 256, [height, width, 3]."""
    where, part = _overlap(canvas, transmission.shape, x, y)
    canvas[where] = (canvas[where] * transmission[part] >> 8).astype(np.uint8)


def _overlap(
    canvas: Pixels, shape: tuple[int, ...], x: float, y: float
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a patch centred at (x, y) lies on the canvas, and which part of the patch that is."""
    top, left = int(y) - shape[0] // 2, int(x) - shape[1] // 2
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = max(min(top + shape[0], canvas.shape[0]), y0), max(min(left + shape[1], canvas.shape[1]), x0)
    return (slice(y0, y1), slice(x0, x1)), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def through_camera(gen: Generator, canvas: Pixels, blur: float, grain: float) -> Pixels:
    """What the camera makes of it: slightly out of focus, with noise of about `grain` grey levels."""
    soft = np.asarray(Image.fromarray(canvas).filter(ImageFilter.GaussianBlur(blur)))
    pool = _camera_noise()
    height, width = canvas.shape[:2]
    rows = (np.arange(height) + int(gen.integers(1024))) % 1024
    columns = (np.arange(width) + int(gen.integers(1024))) % 1024
    speckle = (pool[rows[:, None], columns[None, :]] * np.int16(round(grain * 16))) >> 6
    result = soft.astype(np.int16)
    result += speckle[..., None]
    return np.clip(result, 0, 255, out=result).astype(np.uint8)


@lru_cache(maxsize=1)
def _camera_noise() -> NDArray[np.int16]:
    """Noise of deviation 4."""
    white = np.random.Generator(np.random.PCG64(7)).standard_normal((1024, 1024), dtype=np.float32)
    return np.round(white * 4).astype(np.int16)
