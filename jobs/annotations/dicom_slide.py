"""Where the pixels of a DICOM whole slide lie: what annotations need that count from a level, a frame or the glass."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

Place = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Points (n x 2 or 3) as the annotation counts them, to points (n x 2) in pixels of the scan's first level."""

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_HEADER = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "ImageType", "Rows", "Columns", "NumberOfFrames"),
    *("TotalPixelMatrixColumns", "TotalPixelMatrixRows", "TotalPixelMatrixOriginSequence", "ImageOrientationSlide"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DimensionOrganizationType"),
    "FrameOfReferenceUID",
]


class Slide:
    """The headers of a scan's files."""

    def __init__(self, headers: list[Dataset], shown: Dataset | None = None) -> None:
        """Keep the headers.

        Args:
            headers: of all files.
            shown: of the file whose level counts as the first; None: the largest of the series.
        """
        self.headers, self._shown = headers, shown

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first level, in pixels."""
        first = self._shown or max(self.headers, key=_columns)
        return _columns(first), int(first.TotalPixelMatrixRows)

    def place(self, found: Dataset) -> Place | None:
        """How the points of an annotation file come to pixels of the first level; None where they cannot.

        Args:
            found: the data set of the annotations (PS3.3 C.37.1).
        """
        try:
            return self._place(found)
        except (AttributeError, ValueError, TypeError, IndexError, ZeroDivisionError, KeyError):
            return None

    def _place(self, found: Dataset) -> Place | None:
        image = self._referenced(found)
        if image is None:
            return None
        series = [header for header in self.headers if header.SeriesInstanceUID == image.SeriesInstanceUID]
        first = self._shown or max(series, key=_columns)
        if found.AnnotationCoordinateType == "3D":
            return from_glass(first)
        scale = np.array([_columns(first) / _columns(image), first.TotalPixelMatrixRows / image.TotalPixelMatrixRows])
        corner = np.zeros(2)
        if found.get("PixelOriginInterpretation") == "FRAME":
            frames = found.ReferencedImageSequence[0].ReferencedFrameNumber
            corner = frame_corner(image, int(frames if isinstance(frames, (int, str)) else frames[0]))
        return lambda points: (points + corner) * scale

    def _referenced(self, found: Dataset) -> Dataset | None:
        """The file that the annotations refer to; in 3D, one of their frame of reference serves as well."""
        wanted = {item.ReferencedSOPInstanceUID for item in found.get("ReferencedImageSequence") or ()}
        named = [header for header in self.headers if header.SOPInstanceUID in wanted]
        frame = found.get("FrameOfReferenceUID")
        if not named and frame and found.AnnotationCoordinateType == "3D":
            named = [header for header in self.headers if header.get("FrameOfReferenceUID") == frame]
        return max(named, key=_columns, default=None)


def _columns(header: Dataset) -> int:
    return int(header.TotalPixelMatrixColumns)


def from_glass(image: Dataset) -> Place:
    """From millimetres in the slide's coordinate system to pixels (PS3.3 C.7.6.2.1.1, C.8.12.4).

    The origin of the total pixel matrix is the centre of its first pixel, hence the half pixel.
    """
    origin = image.TotalPixelMatrixOriginSequence[0]
    offsets = [origin.get(f"{axis}OffsetInSlideCoordinateSystem") or 0 for axis in "XYZ"]
    start = np.array([float(value) for value in offsets])
    row, column = np.array([float(value) for value in image.ImageOrientationSlide]).reshape(2, 3)
    measures = image.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    between_rows, between_columns = (float(value) for value in measures.PixelSpacing)

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = points - start
        return np.column_stack([moved @ row / between_columns, moved @ column / between_rows]) + 0.5

    return place


def frame_corner(image: Dataset, frame: int) -> NDArray[np.float64]:
    """Column and row, from 0, of the first pixel of a frame, which are counted from 1."""
    if frame < 1 or frame > int(image.get("NumberOfFrames") or 1):
        raise ValueError("no such frame")
    groups = image.get("PerFrameFunctionalGroupsSequence")
    if groups:
        plane = groups[frame - 1].PlanePositionSlideSequence[0]
        place = (plane.ColumnPositionInTotalImagePixelMatrix, plane.RowPositionInTotalImagePixelMatrix)
        return np.array([int(value) - 1 for value in place], float)
    across = -(-image.TotalPixelMatrixColumns // image.Columns)
    down = -(-image.TotalPixelMatrixRows // image.Rows)
    row, column = divmod((frame - 1) % (across * down), across)
    return np.array([column * image.Columns, row * image.Rows], float)


def open_slide(path: Path) -> Slide | None:
    """The headers of a DICOM scan: one file, or a folder of them; None where there is no whole slide.

    A single file is the one level that is shown. Those of its series beside it belong to it: annotations may refer to
    them.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    headers = [header for file in files if (header := _header(file)) is not None]
    if path.is_file() and headers:
        series = headers[0].get("SeriesInstanceUID")
        beside = (_header(file) for file in sorted(path.parent.iterdir()) if file != path)
        headers += [header for header in beside if header is not None and header.get("SeriesInstanceUID") == series]
    return Slide(headers, headers[0] if path.is_file() else None) if headers else None


def _header(file: Path) -> Dataset | None:
    """The header of a volume file of a whole slide; None for everything else."""
    try:
        with file.open("rb") as stream:
            if stream.read(132)[128:] != b"DICM":
                return None
            stream.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of pydicom on odd values, which it quotes
                found: Any = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=_HEADER)
                kinds = list(found.get("ImageType") or ())
                volume = "LABEL" not in kinds and "OVERVIEW" not in kinds
                wanted = found.get("SOPClassUID") == WHOLE_SLIDE and volume and int(found.TotalPixelMatrixColumns) > 0
        return found if wanted else None
    except Exception:  # whatever lies beside a scan and cannot be read is no part of it
        return None
