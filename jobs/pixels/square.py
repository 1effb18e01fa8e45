"""A picture to the square by which it is compared: luma in 64x64, with padding told apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from jobs.pixels.register import SIDE, Floats

Kernel = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Weights by distance, which is counted in pixels of the square."""
_FLAT = 2
"""Samples of padding lie within this of its colour; an encoder leaves no more inside a flat area."""
_SOLID = 5
"""Empty corners are solid over squares of this many pixels."""
_BLACK = 8
"""What is left of black after encoding."""
_CORNER_MOST = 0.25
"""Share of a picture that a white corner has at most; what is more is ground, so bright that it became white."""
_KNOWN_LEAST = 0.99
"""A pixel of the square is known where this share of what it covers is."""
_ROWS = 1024
"""Rows that are brought to floats at once: a large picture would take four times its memory."""
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue (ITU-R BT.601)."""


def square_of(pixels: NDArray[Any], unknown: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Luma (64, 64) of a picture: stretched to a square and to 1 to 255; 0 where it is padding."""
    if unknown is None:
        unknown = padding(pixels)
    grey, known = luma(pixels), None
    if unknown.any():
        weights = (~unknown).astype(np.float32)
        mean = grey.ravel() @ weights.ravel() / max(float(weights.sum()), 1.0)
        grey, known = np.where(unknown, mean, grey), _shrunk(weights, _box) > _KNOWN_LEAST
    # Not by a box, which takes whole pixels and so moves edges where the sizes are no multiples.
    small = _shrunk(grey, _hamming)
    seen = small if known is None or not known.any() else small[known]
    least, most = float(seen.min()), float(seen.max())
    contrast = max(most - least, 1e-3, 1e-3 * most)  # what a flat picture has is rounding
    scaled = np.clip(np.rint((small - least) * (254 / contrast) + 1), 1, 255).astype(np.uint8)
    return scaled if known is None else np.where(known, scaled, 0).astype(np.uint8)


def luma(pixels: NDArray[Any]) -> Floats:
    """Luma (height, width) of RGB (height, width, 3), in the range of its samples."""
    parts = (pixels[first : first + _ROWS] for first in range(0, len(pixels), _ROWS))
    return np.concatenate([part.reshape(-1, 3).astype(np.float32) @ _LUMA for part in parts]).reshape(pixels.shape[:2])


def _shrunk(image: Floats, kernel: Kernel) -> Floats:
    """An image (height, width) brought to (64, 64)."""
    height, width = image.shape
    return np.asarray((_weights(width, kernel) @ (_weights(height, kernel) @ image).T).T)


@lru_cache(maxsize=64)
def _weights(side: int, kernel: Kernel) -> sparse.csr_array:
    """Weights (64, side) of pixels along one side: those of Pillow's resampling."""
    scale = side / SIDE
    centres = (np.arange(SIDE) + 0.5) * scale
    weights = kernel((np.arange(side) + 0.5 - centres[:, None]) / max(scale, 1.0))
    return sparse.csr_array((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def _hamming(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0)


def _box(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def padding(pixels: NDArray[Any]) -> NDArray[np.bool_]:
    """Where (height, width) a picture was padded: whole rows or columns of one colour, or corners, black ones
    or small white ones.

    The clean background of a smear may be as flat as padding, but seldom across whole rows; where it is, nothing is
    lost, as nothing is seen there.
    """
    height, width = pixels.shape[:2]
    unknown = np.zeros((height, width), dtype=bool)
    if min(height, width) < 2 * _SOLID:
        return unknown
    scale = 257 if pixels.dtype == np.uint16 else 1
    for view, seen in zip(_turned(pixels), _turned(unknown), strict=True):
        if rows := _flat_rows(view, _FLAT * scale):
            seen[: rows + 1] = True
        corner = view[0, 0].tolist()
        black, white = max(corner) <= _BLACK * scale, min(corner) >= (255 - _FLAT) * scale
        if black or white:
            area = _corner(view, _BLACK * scale)
            if black or area.mean() <= _CORNER_MOST:
                seen |= area
    return unknown


def _turned(pixels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Views of a picture, each with another edge on top; `numpy.rot90` takes longer than what is done with them."""
    upright = pixels.swapaxes(0, 1)
    return pixels, upright[::-1], pixels[::-1, ::-1], upright[:, ::-1]


def _flat_rows(pixels: NDArray[Any], flat: int) -> int:
    """How many rows from the top are of the corner's colour."""
    corner, middle = pixels[0, 0].tolist(), pixels[0, pixels.shape[1] // 2].tolist()
    if any(abs(one - other) > flat for one, other in zip(corner, middle, strict=True)):
        return 0  # as with most edges
    colour = pixels[0, 0].astype(np.int32)
    for number, row in enumerate(pixels):
        if np.abs(row - colour).max() > flat:
            return number
    return len(pixels)


def _corner(pixels: NDArray[Any], alike: int) -> NDArray[np.bool_]:
    """The solid area of the corner's colour that begins in the upper left corner, and a little around it."""
    rows = np.pad(_like_corner(pixels, alike), _SOLID + 1, mode="edge")
    solid = _slid(_slid(rows, _SOLID, np.logical_and), _SOLID + 4, np.logical_or)
    parts, _ = ndimage.label(solid)
    return np.asarray((parts == parts[0, 0]) & (parts[0, 0] > 0))


def _like_corner(pixels: NDArray[Any], alike: int) -> NDArray[np.bool_]:
    """Where (height, width) each channel is within `alike` of the upper left corner's."""
    like = np.ones(pixels.shape[:2], dtype=bool)
    most = np.iinfo(pixels.dtype).max
    for channel in range(pixels.shape[2]):
        plane, colour = pixels[:, :, channel], int(pixels[0, 0, channel])
        like &= (plane >= max(colour - alike, 0)) & (plane <= min(colour + alike, most))
    return like


def _slid(mask: NDArray[np.bool_], side: int, joined: np.ufunc) -> NDArray[np.bool_]:
    """What a window of `side` x `side` pixels holds wherever it fits, joined by a logical function."""
    height, width = mask.shape[0] - side + 1, mask.shape[1] - side + 1
    lines = reduce(joined, (mask[first : first + height] for first in range(side)))
    return reduce(joined, (lines[:, first : first + width] for first in range(side)))
