"""Where a file's pixel bytes lie, for the rescan: read apart from the engine, by other means."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import BinaryIO, cast

from jobs.deidentify.identifiers import pixel_data_start
from jobs.deidentify.tokens import Range
from jobs.dicom.deflate import inflated


def pixel_ranges(stream: BinaryIO, media_type: str) -> list[Range]:
    """Return the byte ranges of pixel data in order; none where the file cannot be read, so that all of it is
    searched."""
    stream.seek(0)
    try:
        if media_type == "application/dicom":
            return list(_dicom(stream))
        if media_type in ("image/tiff", "image/x-aperio-svs"):
            return sorted(_tiff(stream))
        data = stream.read()
        return list({"image/jpeg": _jpeg, "image/png": _png, "image/bmp": _bmp}[media_type](data))
    except Exception:
        return []


def searchable(stream: BinaryIO, media_type: str) -> BinaryIO:
    """What there is to search of a file: itself, or a deflated DICOM file inflated."""
    return (inflated(stream) if media_type == "application/dicom" else None) or stream


def _dicom(stream: BinaryIO) -> Iterator[Range]:
    try:
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            start, stop = pixel_data_start(cast(bytes, mapped)), len(mapped)
    except (OSError, ValueError):  # not a file of the system
        data = stream.read()
        start, stop = pixel_data_start(data), len(data)
    if start < stop:
        yield Range(start, stop)


def _tiff(stream: BinaryIO) -> Iterator[Range]:
    import tifffile  # late, as are the readers of images: most files are DICOM, which needs none of them

    size = stream.seek(0, 2)
    stream.seek(0)
    wide = stream.read(4) == b"II*\0" and size >= 1 << 32  # only Hamamatsu's classic files are that large
    stream.seek(0)
    # Of a stream in memory it would take the name, which may be a number.
    with tifffile.TiffFile(stream, name="scan.tif", **({"is_ndpi": True} if wide else {})) as tiff:
        for page in tiff.pages:
            for one in (page, *(page.pages or ())):
                for offset, length in zip(one.dataoffsets, one.databytecounts, strict=True):
                    if length:
                        yield Range(offset, offset + length)


def _jpeg(data: bytes) -> Iterator[Range]:
    start = data.find(b"\xff\xda")
    if start >= 0:
        yield Range(start, data.rfind(b"\xff\xd9"))


def _png(data: bytes) -> Iterator[Range]:
    position = 8
    while position + 8 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"IDAT":
            yield Range(position + 8, position + 8 + length)
        position += 12 + length


def _bmp(data: bytes) -> Iterator[Range]:
    yield Range(int.from_bytes(data[10:14], "little"), len(data))
