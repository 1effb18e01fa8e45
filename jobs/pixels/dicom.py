"""DICOM VL Whole Slide Microscopy (PS3.3 A.32.8): one series, TILED_FULL, one instance a level."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import config
from pydicom.dataset import Dataset

from jobs.errors import BadInput
from jobs.pixels.dicom_codecs import FrameDecoder, frame_decoder
from jobs.pixels.frames import Frames, locate
from jobs.pixels.reader import PIXELS_MOST, Level, Mpp, ScanInfo, Tile, grid, plausible_mpp
from schemas.reasons import Reason

_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_REFUSED = {"LABEL": Reason.LABEL_IMAGE, "OVERVIEW": Reason.OVERVIEW_IMAGE}


@dataclass(frozen=True, slots=True)
class _Instance:
    """One file: the frames of one level."""

    dataset: Dataset
    frames: Frames
    decoder: FrameDecoder
    width: int
    height: int


class DicomReader:
    """The levels of a series. Of several optical paths or focal planes in one instance it shows the first."""

    def __init__(self, files: Sequence[BinaryIO]) -> None:
        """Read the headers, and where the frames lie.

        Raises:
            BadInput: LABEL_IMAGE or OVERVIEW_IMAGE, where one of the instances is such; UNKNOWN_FORMAT for
                DICOM that is no slide; TRUNCATED; UNREADABLE, also for files of more than one series,
                concatenations, TILED_SPARSE and transfer syntaxes that `dicom_codecs` does not list.
        """
        headers = [(file, _header(file)) for file in files]
        for _, dataset in headers:
            _check_kind(dataset)
        self._instances = _levels([_instance(file, dataset) for file, dataset in _volumes(headers)])
        first = self._instances[0]
        self.size = (first.width, first.height)
        self.levels = tuple(
            Level(each.width, each.height, first.width / each.width, each.dataset.Columns, each.dataset.Rows)
            for each in self._instances
        )
        self.mpp, self.mpp_missing = _mpp(first.dataset)
        self.info = _info(first)

    def tiles(self, level: int) -> Iterator[Tile]:
        """All tiles of a level, row by row, which is the order of frames in TILED_FULL (PS3.3 C.7.6.17.3)."""
        return grid(level, self.levels[level])

    def decode(self, tile: Tile) -> NDArray[np.uint8]:
        """Pixels of a frame."""
        instance = self._instances[tile.level]
        pixels = instance.decoder(instance.frames.read(tile.index))
        if pixels.shape[0] < tile.height or pixels.shape[1] < tile.width:
            raise BadInput(Reason.UNREADABLE)
        return pixels[: tile.height, : tile.width]


def _header(file: BinaryIO) -> Dataset:
    """Everything before the pixel data, where the file is left to stand."""
    file.seek(0)
    mode = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            # Warnings of pydicom quote the values that they are about.
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(file, stop_before_pixels=True)
    except EOFError:
        raise BadInput(Reason.TRUNCATED) from None
    except Exception:  # a broken header can fail anywhere in the parser
        raise BadInput(Reason.UNREADABLE) from None
    finally:
        config.settings.reading_validation_mode = mode
    place = file.tell()
    if not file.read(1):
        raise BadInput(Reason.TRUNCATED)
    file.seek(place)
    return dataset


def _check_kind(dataset: Dataset) -> None:
    if dataset.get("SOPClassUID") != _SLIDE:
        raise BadInput(Reason.UNKNOWN_FORMAT)
    for value in dataset.get("ImageType", ()):
        if value in _REFUSED:
            raise BadInput(_REFUSED[value])


def _volumes(headers: list[tuple[BinaryIO, Dataset]]) -> list[tuple[BinaryIO, Dataset]]:
    """The levels: each instance once, all of one series; a thumbnail only where there is nothing else."""
    if len({dataset.get("SeriesInstanceUID") for _, dataset in headers}) != 1:
        raise BadInput(Reason.UNREADABLE)
    once = {dataset.get("SOPInstanceUID"): (file, dataset) for file, dataset in headers}
    found = list(once.values())
    return [each for each in found if "THUMBNAIL" not in each[1].ImageType] or found


def _instance(file: BinaryIO, dataset: Dataset) -> _Instance:
    try:
        width, height = int(dataset.TotalPixelMatrixColumns), int(dataset.TotalPixelMatrixRows)
        tile_width, tile_height = int(dataset.Columns), int(dataset.Rows)
        if min(width, height, tile_width, tile_height) < 1 or tile_width * tile_height > PIXELS_MOST:
            raise BadInput(Reason.UNREADABLE)
        tiles = -(-width // tile_width) * -(-height // tile_height)
        _check_order(dataset, tiles)
        decoder = frame_decoder(dataset)
        count = int(dataset.get("NumberOfFrames", 1))
        return _Instance(dataset, locate(file, dataset, count, decoder.frame_bytes), decoder, width, height)
    except (AttributeError, TypeError, ValueError):
        raise BadInput(Reason.UNREADABLE) from None


def _check_order(dataset: Dataset, tiles: int) -> None:
    """Refuse frames that do not simply lie in raster order."""
    kind = dataset.get("DimensionOrganizationType")
    count = int(dataset.get("NumberOfFrames", 1))
    positions = _first(dataset, "PerFrameFunctionalGroupsSequence", "PlanePositionSlideSequence")
    full = kind == "TILED_FULL" or (kind is None and positions is None and count == tiles)
    if not full or count < tiles or dataset.get("InConcatenationNumber"):
        raise BadInput(Reason.UNREADABLE)


def _levels(instances: list[_Instance]) -> list[_Instance]:
    """From the finest to the coarsest; no two of one size."""
    ordered = sorted(instances, key=lambda each: (-each.width, -each.height))
    if len({each.width for each in ordered}) != len(ordered):
        raise BadInput(Reason.UNREADABLE)
    return ordered


def _first(dataset: Dataset, *path: str) -> Any:
    """The value at a path of keywords through the first items of sequences, or None."""
    value: Any = dataset
    for keyword in path:
        value = value.get(keyword) if isinstance(value, Dataset) else None
        if isinstance(value, pydicom.Sequence):
            value = value[0] if value else None
    return value


def _mpp(dataset: Dataset) -> tuple[Mpp | None, str | None]:
    """Pixel Spacing is the distance of rows, then of columns, in mm (PS3.3 10.7.1.3)."""
    spacing = _first(dataset, "SharedFunctionalGroupsSequence", "PixelMeasuresSequence", "PixelSpacing")
    try:
        down, across = (float(value) * 1000 for value in spacing or ())
    except ValueError:
        return plausible_mpp(None, None, "")
    return plausible_mpp(across, down, "DICOM Pixel Spacing")


def _info(instance: _Instance) -> ScanInfo:
    dataset = instance.dataset
    power = _first(dataset, "OpticalPathSequence", "ObjectiveLensPower")
    profile = _first(dataset, "OpticalPathSequence", "ICCProfile")
    path = _first(dataset, "OpticalPathSequence", "OpticalPathIdentifier")
    return ScanInfo(
        codec=instance.decoder.codec,
        lossy=instance.decoder.lossy or dataset.get("LossyImageCompression") == "01",
        objective=float(power) if power else None,
        vendor=str(dataset.get("Manufacturer") or "") or None,
        model=str(dataset.get("ManufacturerModelName") or "") or None,
        icc_profile=bytes(profile) if profile else None,
        optical_path=str(path) if path else None,
        focal_plane=_focal_plane(dataset),
    )


def _focal_plane(dataset: Dataset) -> float | None:
    """Z offset in the slide's coordinate system, in µm (PS3.3 C.8.12.6.1), where the file gives one."""
    for where in (
        ("PerFrameFunctionalGroupsSequence", "PlanePositionSlideSequence"),
        ("SharedFunctionalGroupsSequence", "PlanePositionSlideSequence"),
        ("TotalPixelMatrixOriginSequence",),
    ):
        offset = _first(dataset, *where, "ZOffsetInSlideCoordinateSystem")
        if offset is not None:
            return float(offset)
    return None
