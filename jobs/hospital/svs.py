"""Write a slide as Aperio does: a TIFF of level 0, thumbnail, level 1, label and macro, in this order."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile

from jobs.hospital.canvas import Pixels
from jobs.hospital.labels import label, overview
from jobs.hospital.people import OPERATORS
from jobs.hospital.plan import Scan
from jobs.hospital.pyramid import jpeg, reduced, tiles

LIBRARY = "Aperio Image Library v12.4.3 "
SCANNER_SERIAL = "SS45127"
UNSIGNED: dict[str, Any] = {"metadata": None, "software": False}
"""Keeps tifffile from adding texts of its own."""


def write_svs(scan: Scan, pixels: Pixels) -> bytes:
    """The SVS file of a slide's pixels, RGB [height, width, 3]."""
    small = reduced(pixels)
    thumbnail = small[:: max(small.shape[0] // 256, 1), :: max(small.shape[1] // 256, 1)]
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=False) as tiff:
        _write_level(tiff, scan, pixels, description(scan))
        _write_strip(tiff, thumbnail, description(scan))
        _write_level(tiff, scan, small, description(scan))
        paper = label(scan)
        text = f"{LIBRARY}\r\nlabel {paper.shape[1]}x{paper.shape[0]}"
        options = {**UNSIGNED, "description": text.encode(), "rowsperstrip": paper.shape[0], "subfiletype": 1}
        tiff.write(paper, photometric="rgb", compression="lzw", predictor=True, **options)
        macro = overview(scan, thumbnail)
        _write_strip(tiff, macro, f"{LIBRARY}\r\nmacro {macro.shape[1]}x{macro.shape[0]}", subfiletype=9)
    return file.getvalue()


def description(scan: Scan) -> str:
    """ImageDescription of a level, with everything that Aperio writes into it."""
    family, _, given = OPERATORS[scan.source].partition("^")
    facts = {
        "AppMag": "40",
        "ScanScope ID": SCANNER_SERIAL,
        "Filename": filename(scan),
        "Title": scan.comment,
        "Date": f"{scan.scanned:%m/%d/%y}",
        "Time": f"{scan.scanned:%H:%M:%S}",
        "User": f"{given} {family}",
        "MPP": f"{scan.um:.4f}",
        "Barcode": scan.container,
    }
    size = f"{scan.width}x{scan.height}"
    head = f"{LIBRARY}\r\n{size} [0,0 {size}] ({scan.tile}x{scan.tile}) JPEG/RGB Q={scan.quality}"
    pairs = "|".join(f"{name} = {value}" for name, value in facts.items() if value)
    return f"{head}|{pairs}"


def filename(scan: Scan) -> str:
    """The name by which the scanner stored the slide."""
    return f"{scan.person.pathology}_{scan.container}"


def _write_level(tiff: tifffile.TiffWriter, scan: Scan, pixels: Pixels, text: str) -> None:
    streams = (jpeg(tile, scan.quality, "420") for tile in tiles(pixels, scan.tile))
    _write_streams(tiff, streams, pixels, text, tile=(scan.tile, scan.tile))


def _write_strip(tiff: tifffile.TiffWriter, pixels: Pixels, text: str, subfiletype: int = 0) -> None:
    streams = iter([jpeg(pixels, 85, "420")])
    _write_streams(tiff, streams, pixels, text, rowsperstrip=pixels.shape[0], subfiletype=subfiletype)


def _write_streams(
    tiff: tifffile.TiffWriter, streams: Iterator[bytes], pixels: Pixels, text: str, **options: Any
) -> None:
    options |= {**UNSIGNED, "compression": "jpeg", "photometric": "ycbcr", "subsampling": (2, 2)}
    tiff.write(streams, shape=pixels.shape, dtype=np.uint8, description=text.encode(), **options)
