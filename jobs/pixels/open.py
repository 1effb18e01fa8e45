"""Open a scan of any format, known by its content and never by its name.

Example:
    >>> with open_slide("slide.svs") as slide:
    ...     for number, crop in crops(slide, centers, size=250):
    ...         use(crop.pixels)
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from jobs.errors import BadInput, HemalakeError
from jobs.pixels.dicom import DicomReader
from jobs.pixels.dicom_series import series_files
from jobs.pixels.field import FieldReader
from jobs.pixels.reader import PIXELS_MOST, Reader
from jobs.pixels.source import length
from jobs.pixels.tiff import TiffReader
from jobs.pixels.tiff_pages import check_whole, pages
from schemas.reasons import Reason

SCRATCH_MOST = 64 << 30
"""A scan of more bytes is not copied to local scratch for OpenSlide."""
_FIELDS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")
_TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DICOM_AT, _DICOM = 128, b"DICM"
_MIRAX = ".mrxs"
"""A MIRAX slide is a JPEG with a folder beside it: the one format that is known by its name."""


@contextmanager
def open_slide(
    path: str | Path, *, focal_plane: float | None = None, optical_path: str | None = None
) -> Iterator[Reader]:
    """A reader of the scan at a local path, closed at the end.

    Args:
        path: a file, or the folder of one DICOM series (labels and overviews in it are left out).
        focal_plane: µm, of a DICOM scan; the nearest is shown. None: the middle one.
        optical_path: identifier, of a DICOM scan. None: the first.

    Raises:
        BadInput: as `open_scan`; UNKNOWN_FORMAT for a folder without a slide.
    """
    place = Path(path)
    with ExitStack() as stack:
        if place.suffix.lower() == _MIRAX and place.is_file():
            with _unreadable():
                reader = _by_openslide(place, Reason.UNKNOWN_FORMAT)
            yield reader
            return
        paths = series_files(place) if place.is_dir() else [place]
        try:
            files = [stack.enter_context(each.open("rb")) for each in paths]
        except OSError:
            raise BadInput(Reason.UNREADABLE) from None
        yield open_scan(files, focal_plane=focal_plane, optical_path=optical_path)


def open_scan(
    files: Sequence[BinaryIO], *, focal_plane: float | None = None, optical_path: str | None = None
) -> Reader:
    """A reader of one scan.

    Args:
        files: seekable binary files, which stay open while the reader is in use: one TIFF, SVS, JPEG, PNG or
            BMP, or the instances of one DICOM series in any order. What only OpenSlide reads is copied to local
            scratch first, unless it lies there already.
        focal_plane: µm, of a DICOM scan; the nearest is shown. None: the middle one.
        optical_path: identifier, of a DICOM scan. None: the first.

    Raises:
        BadInput: EMPTY_FILE, UNKNOWN_FORMAT, TRUNCATED, UNREADABLE, TOO_LARGE; LABEL_IMAGE or OVERVIEW_IMAGE for
            a DICOM instance that is no level of the scan.
        ValueError: there are no files.
    """
    if not files:
        raise ValueError("open_scan() takes at least one file")
    kinds = {_kind(file) for file in files}
    if kinds == {"dicom"}:
        return DicomReader(files, focal_plane=focal_plane, optical_path=optical_path)
    if len(files) > 1:
        raise BadInput(Reason.UNKNOWN_FORMAT)
    if kinds == {"field"}:
        return FieldReader(files[0])
    with _unreadable():
        return _tiff(files[0]) if kinds == {"tiff"} else _by_openslide(_local(files[0]), Reason.UNKNOWN_FORMAT)


@contextmanager
def _unreadable() -> Iterator[None]:
    """Broken tags fail anywhere in the libraries, whose messages quote them: only that they are broken is passed on."""
    try:
        yield
    except HemalakeError:
        raise
    except Exception:
        raise BadInput(Reason.UNREADABLE) from None


def _kind(file: BinaryIO) -> str:
    file.seek(0)
    start = file.read(_DICOM_AT + len(_DICOM))
    if not start:
        raise BadInput(Reason.EMPTY_FILE)
    if start[_DICOM_AT:] == _DICOM:
        return "dicom"
    if start.startswith(_TIFFS):
        return "tiff"
    return "field" if start.startswith(_FIELDS) else "other"


def _tiff(file: BinaryIO) -> Reader:
    """Our own reader; for slides of other makers OpenSlide, and Pillow for pictures of a rarer kind or turned.

    What Pillow is to read is looked at before, as it makes up what is missing.
    """
    try:
        with _unreadable():
            reader = TiffReader(file)
    except BadInput as problem:
        if problem.reason is not Reason.UNREADABLE:
            raise
    else:
        if not reader.turned or reader.size[0] * reader.size[1] > PIXELS_MOST:
            return reader
        for tile in reader.tiles(0):
            reader.decode(tile)
        return FieldReader(file)
    try:
        with _unreadable():
            return _by_openslide(_local(file), Reason.UNREADABLE)
    except BadInput:
        with _unreadable():
            check_whole(pages(file)[0])
        return FieldReader(file)


def _by_openslide(path: IO[bytes] | Path, otherwise: Reason) -> Reader:
    from jobs.pixels import openslide

    place = path if isinstance(path, Path) else Path(path.name)
    if openslide.detect(place) in (openslide.OWN | {None}) - {"aperio"}:
        raise BadInput(otherwise)
    return openslide.OpenSlideReader(place, keep=path)


def _local(file: BinaryIO) -> IO[bytes] | Path:
    """The file's path where it lies on a local disk, else a copy that lives as long as it is kept."""
    name: Any = getattr(file, "name", None)
    if isinstance(file, io.BufferedReader) and isinstance(name, str) and Path(name).is_file():
        return Path(name)
    size = length(file)
    if size > min(SCRATCH_MOST, shutil.disk_usage(tempfile.gettempdir()).free // 2):
        raise BadInput(Reason.TOO_LARGE)
    # The reader keeps it.
    copy = tempfile.NamedTemporaryFile(prefix="hemalake-", suffix=".tif")  # noqa: SIM115
    file.seek(0)
    shutil.copyfileobj(file, copy, 1 << 20)
    copy.flush()
    return copy
