"""From the instances of a DICOM series to levels: which frame of which file holds each tile (PS3.3 C.7.6.17).

Frames lie in raster order (TILED_FULL), or each says its place (TILED_SPARSE); a level may be spread over the parts
of a concatenation (PS3.3 C.7.6.16.2.2.4) and hold several focal planes and optical paths.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from jobs.errors import BadInput, UsageError
from jobs.pixels.dicom_codecs import FrameDecoder
from jobs.pixels.frames import Frames
from jobs.pixels.reader import TILES_MOST, Level, tile_count
from schemas.reasons import Reason

_Z_DIGITS = 3
"""Heights in µm that differ by less are one: what is left of arithmetic."""
_Frames = dict[int, tuple[int, int]]
"""Tile to the position of its part, and of its frame in that."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file: some frames of one level."""

    dataset: Dataset
    frames: Frames
    decoder: FrameDecoder
    width: int
    height: int
    count: int
    """How many frames the file has."""
    first: int
    """How many frames of the concatenation lie in parts before it (Concatenation Frame Offset Number)."""


@dataclass(frozen=True, slots=True)
class Plane:
    """What tells the frames of one place apart."""

    path: str
    """Optical Path Identifier."""
    z: float
    """Offset of the focal plane in µm."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One level, in one focal plane and one optical path."""

    level: Level
    parts: Sequence[Part]
    frames: _Frames
    """Absent tiles are not listed."""
    plane: Plane
    planes: tuple[Plane, ...]
    """All that the level has."""


def matrices(parts: Sequence[Part], focal_plane: float | None, optical_path: str | None) -> list[Matrix]:
    """Levels from the finest to the coarsest.

    Args:
        parts: all files of the series, each once.
        focal_plane: µm; the nearest is taken. None: the middle one.
        optical_path: its identifier. None: the first.

    Raises:
        BadInput: UNREADABLE, where frames are missing, lie beside the grid or claim the same place; TOO_LARGE.
        UsageError: there is no such optical path.
    """
    sizes: dict[tuple[int, int], list[Part]] = defaultdict(list)
    for part in parts:
        sizes[part.width, part.height].append(part)
    if len({width for width, _ in sizes}) != len(sizes):
        raise BadInput(Reason.UNREADABLE)
    full = max(width for width, _ in sizes)
    found = []
    for size in sorted(sizes, reverse=True):
        found.append(_matrix(sizes[size], full, focal_plane, optical_path))
    return found


def _matrix(parts: list[Part], full: int, focal_plane: float | None, optical_path: str | None) -> Matrix:
    first = parts[0]
    columns, rows = first.decoder.columns, first.decoder.rows
    if any((part.decoder.columns, part.decoder.rows) != (columns, rows) for part in parts):
        raise BadInput(Reason.UNREADABLE)
    level = Level(first.width, first.height, full / first.width, columns, rows)
    if tile_count(level) > TILES_MOST:
        raise BadInput(Reason.TOO_LARGE)
    _check_concatenations(parts, level)
    places: dict[Plane, _Frames] = defaultdict(dict)
    for number, part in enumerate(parts):
        for frame, tile, plane in _places(part, level):
            if places[plane].setdefault(tile, (number, frame)) != (number, frame):
                raise BadInput(Reason.UNREADABLE)
    places = _layers(places)
    plane = _chosen(list(places), focal_plane, optical_path)
    return Matrix(level, parts, places[plane], plane, tuple(places))


def _layers(places: dict[Plane, _Frames]) -> dict[Plane, _Frames]:
    """The frames by focal plane, where scanners focus each tile anew: a tile's n-th height is in the n-th plane."""
    found: dict[Plane, _Frames] = {}
    for path in dict.fromkeys(plane.path for plane in places):
        heights = sorted(plane.z for plane in places if plane.path == path)
        stacks: dict[int, list[tuple[float, tuple[int, int]]]] = defaultdict(list)
        for z in heights:
            for tile, frame in places[Plane(path, z)].items():
                stacks[tile].append((z, frame))
        layers = {len(stack) for stack in stacks.values()}
        if len(layers) > 1 or layers == {len(heights)}:
            found |= {Plane(path, z): places[Plane(path, z)] for z in heights}
            continue
        for layer in range(layers.pop()):
            middle = sum(stack[layer][0] for stack in stacks.values()) / len(stacks)
            found[Plane(path, middle)] = {tile: stack[layer][1] for tile, stack in stacks.items()}
    return found


def _check_concatenations(parts: list[Part], level: Level) -> None:
    """Raise UNREADABLE where a part of a concatenation is missing: the parts before it must have its offset."""
    wholes: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        if part.dataset.get("InConcatenationNumber"):
            wholes[str(part.dataset.ConcatenationUID)].append(part)
    for whole in wholes.values():
        place = 0
        for part in sorted(whole, key=lambda each: each.first):
            if part.first != place:
                raise BadInput(Reason.UNREADABLE)
            place += part.count
        total = whole[0].dataset.get("InConcatenationTotalNumber")
        if (total and int(total) != len(whole)) or (_is_full(whole[0], level) and place < tile_count(level)):
            raise BadInput(Reason.UNREADABLE)


def _is_full(part: Part, level: Level) -> bool:
    kind = part.dataset.get("DimensionOrganizationType")
    positions = first_value(part.dataset, "PerFrameFunctionalGroupsSequence", "PlanePositionSlideSequence")
    return kind == "TILED_FULL" or (kind is None and positions is None and part.count >= tile_count(level))


def _places(part: Part, level: Level) -> Iterator[tuple[int, int, Plane]]:
    """Frame, tile and plane of each frame of a file."""
    if _is_full(part, level):
        return _full_places(part, level)
    return _sparse_places(part, level)


def _full_places(part: Part, level: Level) -> Iterator[tuple[int, int, Plane]]:
    """Tiles come first, then focal planes, then optical paths (PS3.3 C.7.6.17.3)."""
    tiles = tile_count(level)
    joined = bool(part.dataset.get("InConcatenationNumber"))
    if not joined and part.count < tiles:
        raise BadInput(Reason.UNREADABLE)
    names = [str(each.get("OpticalPathIdentifier", "")) for each in part.dataset.get("OpticalPathSequence") or ()]
    depth = int(part.dataset.get("TotalPixelMatrixFocalPlanes") or 1)
    lowest, step = stated_z(part.dataset) or 0.0, _z_step(part.dataset)
    for frame in range(part.count):
        rest, tile = divmod(part.first + frame, tiles)
        path, layer = divmod(rest, max(depth, 1))
        yield frame, tile, Plane(names[path] if path < len(names) else str(path), lowest + layer * step)


def _sparse_places(part: Part, level: Level) -> Iterator[tuple[int, int, Plane]]:
    """Positions count from 1 and are those of the frame's upper left pixel (PS3.3 C.8.12.6.1)."""
    groups = part.dataset.get("PerFrameFunctionalGroupsSequence") or ()
    if len(groups) < part.count:
        raise BadInput(Reason.UNREADABLE)
    across = -(-level.width // level.tile_width)
    common_path = first_value(
        part.dataset, "SharedFunctionalGroupsSequence", "OpticalPathIdentificationSequence", "OpticalPathIdentifier"
    ) or first_value(part.dataset, "OpticalPathSequence", "OpticalPathIdentifier")
    common_z = stated_z(part.dataset)
    for frame, group in zip(range(part.count), groups, strict=False):
        place = first_value(group, "PlanePositionSlideSequence") or Dataset()
        x, y = int(place.ColumnPositionInTotalImagePixelMatrix) - 1, int(place.RowPositionInTotalImagePixelMatrix) - 1
        inside = 0 <= x < level.width and 0 <= y < level.height
        if not inside or x % level.tile_width or y % level.tile_height:
            raise BadInput(Reason.UNREADABLE)
        path = first_value(group, "OpticalPathIdentificationSequence", "OpticalPathIdentifier") or common_path
        z = place.get("ZOffsetInSlideCoordinateSystem")
        height = round(float(z) if z is not None else common_z or 0.0, _Z_DIGITS)
        yield frame, y // level.tile_height * across + x // level.tile_width, Plane(str(path or ""), height)


def stated_z(dataset: Dataset) -> float | None:
    """Z offset of a file's first plane in µm (PS3.3 C.8.12.6.1), where the file states one."""
    for where in (
        ("PerFrameFunctionalGroupsSequence", "PlanePositionSlideSequence"),
        ("SharedFunctionalGroupsSequence", "PlanePositionSlideSequence"),
        ("TotalPixelMatrixOriginSequence",),
    ):
        offset = first_value(dataset, *where, "ZOffsetInSlideCoordinateSystem")
        if offset is not None:
            return float(offset)
    return None


def _z_step(dataset: Dataset) -> float:
    """Distance of focal planes in µm (the attribute has mm); 1 where a file does not state it."""
    step = first_value(dataset, "SharedFunctionalGroupsSequence", "PixelMeasuresSequence", "SpacingBetweenSlices")
    return float(step) * 1000 if step else 1.0


def _chosen(planes: list[Plane], focal_plane: float | None, optical_path: str | None) -> Plane:
    """The plane to be shown: by default the first optical path and, as its focus is the nominal one, the middle z."""
    paths = list(dict.fromkeys(plane.path for plane in planes))
    path = paths[0] if optical_path is None else optical_path
    heights = sorted(plane.z for plane in planes if plane.path == path)
    if not heights:
        raise UsageError("the scan has no optical path of this identifier. Leave it out for the first.")
    wanted = (heights[0] + heights[-1]) / 2 if focal_plane is None else focal_plane
    return Plane(path, min(heights, key=lambda z: (abs(z - wanted), z)))


def first_value(dataset: Dataset, *path: str) -> Any:
    """The value at a path of keywords through the first items of sequences, or None."""
    value: Any = dataset
    for keyword in path:
        value = value.get(keyword) if isinstance(value, Dataset) else None
        if isinstance(value, pydicom.Sequence):
            value = value[0] if value else None
    return value
