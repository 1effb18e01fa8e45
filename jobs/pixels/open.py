"""Open a scan of any format, known by its content and never by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from jobs.errors import BadInput
from jobs.pixels.dicom import DicomReader
from jobs.pixels.field import FieldReader
from jobs.pixels.reader import Reader
from jobs.pixels.tiff import TiffReader
from schemas.reasons import Reason

_FIELDS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")
_TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DICOM_AT, _DICOM = 128, b"DICM"


def open_scan(files: Sequence[BinaryIO]) -> Reader:
    """A reader of one scan.

    Args:
        files: seekable binary files, which stay open while the reader is in use: one TIFF, SVS, JPEG, PNG or
            BMP, or the instances of one DICOM series in any order.

    Raises:
        BadInput: EMPTY_FILE, UNKNOWN_FORMAT, TRUNCATED, UNREADABLE; LABEL_IMAGE or OVERVIEW_IMAGE for a DICOM
            instance that is no level of the scan.
        ValueError: there are no files.
    """
    if not files:
        raise ValueError("open_scan() takes at least one file")
    kinds = {_kind(file) for file in files}
    if kinds == {DicomReader}:
        return DicomReader(files)
    if len(files) > 1:
        raise BadInput(Reason.UNKNOWN_FORMAT)
    return TiffReader(files[0]) if kinds == {TiffReader} else FieldReader(files[0])


def _kind(file: BinaryIO) -> type[DicomReader] | type[TiffReader] | type[FieldReader]:
    file.seek(0)
    start = file.read(_DICOM_AT + len(_DICOM))
    if not start:
        raise BadInput(Reason.EMPTY_FILE)
    if start[_DICOM_AT:] == _DICOM:
        return DicomReader
    if start.startswith(_TIFFS):
        return TiffReader
    if start.startswith(_FIELDS):
        return FieldReader
    raise BadInput(Reason.UNKNOWN_FORMAT)
