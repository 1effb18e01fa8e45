"""Where a picture may hold a line of writing, at any angle: rows of strokes that are alike; no character is read.

Writing that a program or a camera's clock burns in has traits that granules, rims and debris rarely share: several
separate marks of like height stand close on a straight line, differ from their ground by the same amount, and have
quiet ground above and below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree

from jobs.pixels.strokes import Picture, stroke_maps

Floats = NDArray[np.float64]
CONTRASTS = (16, 28, 48, 80)
"""Marks are cut out of their ground at each of these grey levels: low ones find faint writing, high ones part marks
that run into one another or into what lies around them."""
MARKS_LEAST = 4
"""Three alike in a row are met in any smear."""
_SIZE_LEAST, _SIZE_MOST = 5, 30
"""Longer side of a mark in pixels of a stroke map."""
_REACHES = (1.3, 0.95)
"""Neighbours hang together up to so many times their size: across the gaps between words, and where lines are set so
closely that this would tie one to the next, within a word."""
_QUIET = 1.1
"""So many sizes above and below a line there is hardly a mark; farther off may be the next line."""
_STRIP_SIZE = 30
"""Height of a median mark in a strip, in pixels: what tesseract was trained on."""
_EVERY_NEIGHBOUR = np.ones((3, 3), dtype=int)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of marks on a stroke map."""

    strokes: Picture
    scale: int
    """Pixels of the picture along one of the map."""
    x: float
    y: float
    """Its middle, in pixels of the map."""
    angle: float
    """Of its direction in radians, clockwise from the x axis; whether it is upside down is not known."""
    length: float
    """Between the middles of its outer marks, in pixels of the map."""
    size: float
    """Median of the longer sides of its marks, in pixels of the map."""
    marks: int

    def strips(self) -> tuple[Image.Image, Image.Image]:
        """The line laid level, dark on white, one of the two upside down."""
        scale = _STRIP_SIZE / self.size
        width, height = (math.ceil(side * scale) for side in (self.length + 2.5 * self.size, 2.6 * self.size))
        right, down = math.cos(self.angle) / scale, math.sin(self.angle) / scale
        left, top = self.x - (right * width - down * height) / 2, self.y - (down * width + right * height) / 2
        turned = (right, -down, left, down, right, top)
        whole = Image.fromarray(self.strokes)
        cut = whole.transform((width, height), Image.Transform.AFFINE, turned, Image.Resampling.BICUBIC)
        strokes = np.asarray(cut, dtype=np.float32)
        full = max(float(np.percentile(strokes, 97)), 1.0)
        strip = Image.fromarray((255 - np.clip(strokes * (255 / full), 0, 255)).astype(np.uint8))
        return strip, strip.rotate(180)


@dataclass(frozen=True, slots=True)
class _Marks:
    """Connected strokes, a row each."""

    places: Floats
    """(n, 2): x and y of their middles."""
    sizes: Floats
    """Longer sides of their upright boxes."""
    contrasts: Floats
    """Means of the map over their pixels."""


def text_lines(rgb: Picture) -> list[Line]:
    """Lines that may be writing, those of the most marks first; each once a map.

    Args:
        rgb: (height, width, 3).
    """
    found: list[Line] = []
    for scale, strokes in stroke_maps(rgb):
        lines = [line for contrast in CONTRASTS for line in _lines(strokes, scale, contrast)]
        found += _once(lines)
    return sorted(found, key=lambda line: -line.marks)


def _once(lines: list[Line]) -> list[Line]:
    """Of lines that were found at several contrasts, the one of the most marks."""
    kept: list[Line] = []
    for line in sorted(lines, key=lambda line: -line.marks):
        if all(math.hypot(line.x - other.x, line.y - other.y) > (other.length + other.size) / 2 for other in kept):
            kept.append(line)
    return kept


def _lines(strokes: Picture, scale: int, contrast: int) -> Iterator[Line]:
    marks = _marks(strokes, contrast)
    if len(marks.sizes) < MARKS_LEAST:
        return
    for reach in _REACHES:
        groups = _groups(marks, reach)
        for number in _like_writing(marks, groups, contrast):
            line = _line(strokes, scale, marks, groups == number)
            if line is not None:
                yield line


def _marks(strokes: Picture, contrast: int) -> _Marks:
    """The connected strokes that have the size of a character, and are not solid."""
    above = strokes > contrast
    if np.count_nonzero(above) < MARKS_LEAST * _SIZE_LEAST:
        return _Marks(np.empty((0, 2)), np.empty(0), np.empty(0))
    labels, count = ndimage.label(above, structure=_EVERY_NEIGHBOUR)
    pixels = np.flatnonzero(above)
    of = labels.ravel()[pixels] - 1
    area = np.bincount(of, minlength=count)
    mean = np.bincount(of, weights=strokes.ravel()[pixels], minlength=count) / np.maximum(area, 1)
    boxes = np.array([(y.start, y.stop, x.start, x.stop) for y, x in ndimage.find_objects(labels)]).reshape(-1, 4)
    high, wide = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    size = np.maximum(high, wide)
    good = (size >= _SIZE_LEAST) & (size <= _SIZE_MOST) & (area > _SIZE_LEAST)
    good &= (area < 0.85 * high * wide) | (np.minimum(high, wide) < 4)
    middles = np.stack([boxes[:, 2] + boxes[:, 3], boxes[:, 0] + boxes[:, 1]], axis=1) / 2
    return _Marks(middles[good], size[good].astype(np.float64), mean[good])


def _groups(marks: _Marks, reach: float) -> NDArray[np.intp]:
    """The number of each mark's group: neighbours of like size hang together, up to `reach` times the larger one."""
    one, other = cKDTree(marks.places).query_pairs(reach * _SIZE_MOST, output_type="ndarray").T
    larger = np.maximum(marks.sizes[one], marks.sizes[other])
    smaller = np.minimum(marks.sizes[one], marks.sizes[other])
    near = np.linalg.norm(marks.places[one] - marks.places[other], axis=1) <= reach * larger
    linked = near & (smaller >= 0.5 * larger)
    one, other = one[linked], other[linked]
    groups = np.arange(len(marks.sizes))
    while np.any(groups[one] != groups[other]):
        least = np.minimum(groups[one], groups[other])
        np.minimum.at(groups, one, least)
        np.minimum.at(groups, other, least)
    return np.unique(groups, return_inverse=True)[1]


def _like_writing(marks: _Marks, groups: NDArray[np.intp], contrast: int) -> NDArray[np.intp]:
    """The groups of marks that lie on a straight line and are alike; where they are few, more strictly."""
    count = np.bincount(groups)

    def mean(values: Floats) -> Floats:
        return np.bincount(groups, weights=values) / count

    def spread(values: Floats) -> Floats:
        return np.sqrt(np.maximum(mean(values**2) - mean(values) ** 2, 0))

    size, strength, few = mean(marks.sizes), mean(marks.contrasts), count == MARKS_LEAST
    x, y = (marks.places - np.stack([mean(axis) for axis in marks.places.T], axis=1)[groups]).T
    xx, yy, xy = mean(x * x), mean(y * y), mean(x * y)
    half = np.hypot((xx - yy) / 2, xy)
    across = np.sqrt(np.maximum((xx + yy) / 2 - half, 0))
    straight = across <= np.where(few, 0.15, 0.25) * size
    alike = spread(marks.contrasts) <= np.where(few, 0.25, 0.35) * strength
    alike &= spread(marks.sizes) <= np.where(few, 0.3, 0.5) * size
    return np.flatnonzero((count >= MARKS_LEAST) & straight & alike & (strength >= 1.25 * contrast))


def _line(strokes: Picture, scale: int, marks: _Marks, group: NDArray[np.bool_]) -> Line | None:
    """The group as a line, None where it is as short as a character or has strangers above and below."""
    places, size, count = marks.places[group], float(np.median(marks.sizes[group])), int(group.sum())
    middle = places.mean(axis=0)
    direction = np.linalg.svd(places - middle, full_matrices=False)[2][0]
    axes = np.array([direction, (-direction[1], direction[0])])
    along, across = axes @ (marks.places - middle).T
    first, last = float(along[group].min()), float(along[group].max())
    beside = (along > first - size) & (along < last + size) & (np.abs(across) < _QUIET * size)
    if last - first < 1.3 * size or beside.sum() - count > count // 4:
        return None
    x, y = middle + direction * (first + last) / 2
    return Line(strokes, scale, float(x), float(y), math.atan2(*direction[::-1]), last - first, size, count)
