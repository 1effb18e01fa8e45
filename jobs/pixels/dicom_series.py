"""The files of the one DICOM series in a folder that make up its slide."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

from jobs.errors import BadInput, UsageError
from jobs.pixels.dicom import REFUSED, SLIDE
from schemas.reasons import Reason

_TAGS = ["SOPClassUID", "SeriesInstanceUID", "ImageType"]


def series_files(folder: Path) -> list[Path]:
    """Instances of a slide's levels, in the order of their names; labels, overviews and other files are left out.

    Raises:
        BadInput: UNREADABLE or TRUNCATED for a broken DICOM file; UNKNOWN_FORMAT, where there is no slide;
            LABEL_IMAGE or OVERVIEW_IMAGE, where only such.
        UsageError: it holds slides of several series.
    """
    found: list[tuple[Path, Dataset]] = []
    refused: Reason | None = None
    for path in sorted(each for each in folder.iterdir() if each.is_file()):
        dataset = _head(path)
        if dataset is None or dataset.get("SOPClassUID") != SLIDE:
            continue
        reasons = [REFUSED[value] for value in dataset.get("ImageType") or () if value in REFUSED]
        if reasons:
            refused = reasons[0]
        else:
            found.append((path, dataset))
    if not found:
        raise BadInput(refused or Reason.UNKNOWN_FORMAT)
    if len({dataset.get("SeriesInstanceUID") for _, dataset in found}) > 1:
        raise UsageError("the folder holds slides of several DICOM series: name a file, or a folder of one series.")
    return [path for path, _ in found]


def _head(path: Path) -> Dataset | None:
    """The few attributes that tell what a file is; None where it is no DICOM file.

    A broken one is refused: who left it out would number levels from a coarser one.
    """
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydicom on odd values, which it quotes
            if file.read(132)[128:] != b"DICM":
                return None
            file.seek(0)
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
            directory = dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage
            if "SOPClassUID" not in dataset and not directory:
                raise BadInput(Reason.TRUNCATED)
            return dataset
    except BadInput:
        raise
    except Exception:  # a broken header can fail anywhere in the parser
        raise BadInput(Reason.UNREADABLE) from None
