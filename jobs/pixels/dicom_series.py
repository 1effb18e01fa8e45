"""The files of the one DICOM series in a folder that make up its slide."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.uid import MediaStorageDirectoryStorage

from jobs.errors import BadInput, UsageError
from jobs.pixels.dicom import REFUSED, SLIDE
from schemas.reasons import Reason

_SIGNATURE_END = 132
"""Bytes of the preamble and the letters behind it (PS3.10 7.1)."""
_TAGS = ["SOPClassUID", "SeriesInstanceUID", "ImageType"]


def series_files(folder: Path) -> list[Path]:
    """Instances of a slide's levels, in the order of their names; labels, overviews and other files are left out.

    Raises:
        BadInput: UNREADABLE or TRUNCATED for a broken DICOM file; UNKNOWN_FORMAT, where there is no slide;
            LABEL_IMAGE or OVERVIEW_IMAGE, where only such.
        UsageError: it holds slides of several series.
    """
    found: list[tuple[Path, str]] = []
    refused: Reason | None = None
    for path in sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")):
        head = _head(path)
        if head is None:
            continue
        series, kinds = head
        reasons = [REFUSED[value] for value in kinds if value in REFUSED]
        if reasons:
            refused = reasons[0]
        else:
            found.append((path, series))
    if not found:
        raise BadInput(refused or Reason.UNKNOWN_FORMAT)
    if len({series for _, series in found}) > 1:
        raise UsageError("the folder holds slides of several DICOM series: name a file, or a folder of one series.")
    return [path for path, _ in found]


def _head(path: Path) -> tuple[str, list[str]] | None:
    """Series and ImageType of an instance of a slide; None where the file is something else.

    A broken one is refused: who left it out would number levels from a coarser one.
    """
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydicom on odd values, which it quotes
            start = file.read(_SIGNATURE_END)
            if not start:
                raise BadInput(Reason.EMPTY_FILE)
            if len(start) < _SIGNATURE_END and not start.rstrip(b"\0DICM"):
                raise BadInput(Reason.TRUNCATED)
            if start[128:] != b"DICM":
                return None
            file.seek(0)
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
            stated, kind = dataset.file_meta.get("MediaStorageSOPClassUID"), dataset.get("SOPClassUID")
            if (kind is None and stated != MediaStorageDirectoryStorage) or (stated == SLIDE != kind):
                raise BadInput(Reason.TRUNCATED)
            if kind != SLIDE:
                return None
            if not file.read(1):  # where the pixels should begin
                raise BadInput(Reason.TRUNCATED)
            return str(dataset.get("SeriesInstanceUID")), [str(each) for each in dataset.get("ImageType") or ()]
    except BadInput:
        raise
    except Exception:  # a broken header can fail anywhere in the parser
        raise BadInput(Reason.UNREADABLE) from None
