"""The reader of a scan's header, by file format. Each fills a `Content`, and refuses a file that is cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from jobs.ingest.content import Content, Place
from jobs.ingest.scan_dicom import read_dicom
from jobs.ingest.scan_field import read_field
from jobs.ingest.scan_tiff import read_tiff

READERS: dict[str, Callable[[Content, Place, BinaryIO, int], None]] = {
    "dicom": read_dicom,
    "tiff": read_tiff,
    **dict.fromkeys(("jpeg", "png", "bmp"), read_field),
}
