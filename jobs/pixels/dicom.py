"""DICOM VL Whole Slide Microscopy (PS3.3 A.32.8) of one series, and single pictures of visible light."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import config
from pydicom.dataset import Dataset

from jobs.errors import BadInput, HemalakeError
from jobs.pixels.dicom_codecs import frame_decoder
from jobs.pixels.dicom_levels import Matrix, Part, first_value, matrices, stated_z
from jobs.pixels.frames import locate
from jobs.pixels.reader import PIXELS_MOST, Mpp, ScanInfo, Tile, grid_tile, plausible_mpp, tile_count
from jobs.pixels.rgb import from_cielab
from schemas.reasons import Reason

SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_PICTURES = frozenset(f"1.2.840.10008.5.1.4.1.1.77.1.{number}" for number in (2, 3, 4))
"""Microscopic, slide-coordinates microscopic and photographic image storage: fields of one frame."""
REFUSED = {"LABEL": Reason.LABEL_IMAGE, "OVERVIEW": Reason.OVERVIEW_IMAGE}
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_NO_SAY = "the file states none"


class DicomReader:
    """The levels of a series, in one focal plane and one optical path."""

    def __init__(
        self, files: Sequence[BinaryIO], *, focal_plane: float | None = None, optical_path: str | None = None
    ) -> None:
        """Read the headers, and where the frames lie.

        Args:
            files: the instances, in any order.
            focal_plane: µm; the nearest is shown. None: the middle one.
            optical_path: its identifier. None: the first.

        Raises:
            BadInput: LABEL_IMAGE or OVERVIEW_IMAGE, where one of the instances is such; UNKNOWN_FORMAT for
                DICOM that is no slide; TRUNCATED; TOO_LARGE; UNREADABLE, also for files of more than one series,
                incomplete concatenations and transfer syntaxes that `dicom_codecs` does not list.
        """
        with _quietly():
            headers = [(file, header(file)) for file in files]
            for _, dataset in headers:
                _check_kind(dataset)
            parts = [_part(file, dataset) for file, dataset in _volumes(headers)]
            self._matrices = matrices(parts, focal_plane, optical_path)
            first = self._matrices[0]
            self.size = (first.level.width, first.level.height)
            self.levels = tuple(matrix.level for matrix in self._matrices)
            self.mpp, self.mpp_missing = _mpp(first.parts[0].dataset)
            self.info = _info(first)

    def tiles(self, level: int) -> Iterator[Tile]:
        """All tiles of a level, row by row."""
        return (self.tile(level, index) for index in range(tile_count(self.levels[level])))

    def tile(self, level: int, index: int) -> Tile:
        """One tile; absent where no frame is."""
        return grid_tile(level, self.levels[level], index, absent=index not in self._matrices[level].frames)

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """Pixels of a frame."""
        matrix = self._matrices[tile.level]
        place = matrix.frames.get(tile.index)
        if place is None:
            return np.full((tile.height, tile.width, 3), self.info.background, dtype=np.uint8)
        part = matrix.parts[place[0]]
        pixels = part.decoder(part.frames.read(place[1]))
        if pixels.shape[0] < tile.height or pixels.shape[1] < tile.width:
            raise BadInput(Reason.UNREADABLE)
        return pixels[: tile.height, : tile.width]


@contextmanager
def _quietly() -> Iterator[None]:
    """pydicom parses values when they are asked for: what it then says of bad ones, which it quotes, is not passed on.

    Raises:
        BadInput: TRUNCATED or UNREADABLE in place of its errors, which can come from anywhere in the parser.
    """
    mode = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except HemalakeError:
        raise
    except EOFError:
        raise BadInput(Reason.TRUNCATED) from None
    except Exception:
        raise BadInput(Reason.UNREADABLE) from None
    finally:
        config.settings.reading_validation_mode = mode


def header(file: BinaryIO) -> Dataset:
    """Everything before the pixel data, where the file is left to stand.

    Raises:
        BadInput: UNREADABLE for a deflated file, which could grow without a limit.
    """
    file.seek(0)
    if _DEFLATED in file.read(1024):
        raise BadInput(Reason.UNREADABLE)
    file.seek(0)
    return pydicom.dcmread(file, stop_before_pixels=True)


def _check_kind(dataset: Dataset) -> None:
    if dataset.get("SOPClassUID") != SLIDE and dataset.get("SOPClassUID") not in _PICTURES:
        raise BadInput(Reason.UNKNOWN_FORMAT)
    for value in dataset.get("ImageType") or ():
        if value in REFUSED:
            raise BadInput(REFUSED[value])


def _volumes(headers: list[tuple[BinaryIO, Dataset]]) -> list[tuple[BinaryIO, Dataset]]:
    """The levels: each instance once, all of one series; a thumbnail only where there is nothing else."""
    if len({dataset.get("SeriesInstanceUID") for _, dataset in headers}) != 1:
        raise BadInput(Reason.UNREADABLE)
    once = {dataset.get("SOPInstanceUID"): (file, dataset) for file, dataset in headers}
    found = list(once.values())
    return [each for each in found if "THUMBNAIL" not in (each[1].get("ImageType") or ())] or found


def _part(file: BinaryIO, dataset: Dataset) -> Part:
    tile_width, tile_height = int(dataset.Columns), int(dataset.Rows)
    if dataset.SOPClassUID == SLIDE:
        width, height = int(dataset.TotalPixelMatrixColumns), int(dataset.TotalPixelMatrixRows)
    else:
        width, height = tile_width, tile_height
    if min(width, height, tile_width, tile_height) < 1:
        raise BadInput(Reason.UNREADABLE)
    if tile_width * tile_height > PIXELS_MOST:
        raise BadInput(Reason.TOO_LARGE)
    decoder = frame_decoder(dataset)
    count = int(dataset.get("NumberOfFrames") or 1)
    if count < 1:
        raise BadInput(Reason.UNREADABLE)
    first = int(dataset.ConcatenationFrameOffsetNumber) if dataset.get("InConcatenationNumber") else 0
    return Part(dataset, locate(file, dataset, count, decoder.frame_bytes), decoder, width, height, count, first)


def _mpp(dataset: Dataset) -> tuple[Mpp | None, str | None]:
    """Pixel Spacing is the distance of rows, then of columns, in mm (PS3.3 10.7.1.3).

    Where it is missing, the size of the imaged volume says it; where both are there, they must agree.
    """
    found = _spacing(dataset)
    try:
        volume = float(dataset.get("ImagedVolumeWidth") or 0) / float(dataset.get("TotalPixelMatrixColumns") or 1)
    except (TypeError, ValueError):
        volume = 0.0
    if found is None:
        if volume > 0:
            return plausible_mpp(volume * 1000, volume * 1000, "DICOM Imaged Volume Width")
        return None, _NO_SAY
    if volume > 0 and not 0.8 < found[1] / volume / 1000 < 1.25 and not 0.8 < found[0] / volume / 1000 < 1.25:
        return None, "contradictory: Pixel Spacing and Imaged Volume Width differ by more than a fifth"
    return plausible_mpp(found[1], found[0], "DICOM Pixel Spacing")


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Distance of rows and of columns in µm."""
    places = (("SharedFunctionalGroupsSequence",), ("PerFrameFunctionalGroupsSequence",))
    found = [first_value(dataset, *place, "PixelMeasuresSequence", "PixelSpacing") for place in places]
    for value in (*found, dataset.get("PixelSpacing")):
        try:
            down, across = (float(each) * 1000 for each in value or ())
        except (TypeError, ValueError):
            continue
        return down, across
    return None


def _info(matrix: Matrix) -> ScanInfo:
    part = matrix.parts[0]
    dataset = part.dataset
    power = first_value(dataset, "OpticalPathSequence", "ObjectiveLensPower")
    profile = first_value(dataset, "OpticalPathSequence", "ICCProfile")
    lab = dataset.get("RecommendedAbsentPixelCIELabValue")
    return ScanInfo(
        codec=part.decoder.codec,
        lossy=part.decoder.lossy or dataset.get("LossyImageCompression") == "01",
        objective=float(power) if power else None,
        vendor=str(dataset.get("Manufacturer") or "") or None,
        model=str(dataset.get("ManufacturerModelName") or "") or None,
        icc_profile=bytes(profile) if profile else None,
        optical_path=matrix.plane.path or None,
        focal_plane=matrix.plane.z if stated_z(dataset) is not None or len(matrix.planes) > 1 else None,
        background=from_cielab([int(value) for value in lab]) if lab and len(lab) == 3 else (255, 255, 255),
        notes=tuple(_notes(matrix)),
    )


def _notes(matrix: Matrix) -> Iterator[str]:
    decoder = matrix.parts[0].decoder
    paths = {plane.path for plane in matrix.planes}
    depth = sum(plane.path == matrix.plane.path for plane in matrix.planes)
    if len(paths) > 1:
        yield f"one of {len(paths)} optical paths is shown"
    if depth > 1:
        yield f"one of {depth} focal planes is shown"
    if decoder.bits_stored > 8:
        yield f"{decoder.bits_stored} bits to 8: the high ones"
    missing = tile_count(matrix.level) - len(matrix.frames)
    if missing:
        yield f"{missing} of {tile_count(matrix.level)} tiles are absent; they take the background"
