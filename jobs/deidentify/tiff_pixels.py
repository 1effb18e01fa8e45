"""Decode single tiles of a TIFF, to see what a page shows.

Any codec is left to tifffile. A strip of a whole image with restart markers, as Hamamatsu writes it, is cut
at the markers, which its MCU starts tell (tags 65426 and 65432): what lies between two is a small JPEG.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from jobs.deidentify.tiff import (
    COMPRESSION,
    NDPI_STARTS,
    NDPI_STARTS_HIGH,
    STRIP_COUNTS,
    STRIP_OFFSETS,
    TILE_COUNTS,
    TILE_OFFSETS,
    Page,
    Tiff,
    read_exactly,
)
from jobs.dicom.codestream import SOS, DamagedStream, jpeg_segments
from jobs.pixels.tiff_pages import quiet_tifffile

_JPEG, _WEBP = 7, 50001
_J2K = (33003, 33004, 33005, 34712)
_MOST_PIXELS = 1 << 25
_MOST_BYTES = 1 << 27
_HEADER = 1 << 16
_REMEMBERED = 8


@dataclass(frozen=True)
class McuGrid:
    """A JPEG strip as tiles between restart markers: the header, their side lengths, and where each starts."""

    header: bytes
    size_at: int
    """Where the header states height and width."""
    width: int
    height: int
    across: int
    starts: NDArray[np.int64]
    """Within the strip; the last is its length."""


class TileDecoder:
    """Decodes tiles of one file; remembers the last ones."""

    def __init__(self, source: BinaryIO, tiff: Tiff) -> None:
        self._source, self._tiff = source, tiff
        self._file: Any = None
        self._pages: dict[int, Any] = {}
        self._grids: dict[int, McuGrid | None] = {}
        self._last: OrderedDict[tuple[int, int], NDArray[np.float32] | None] = OrderedDict()

    def sizes(self, page: Page) -> NDArray[Any]:
        """Bytes of each tile of the page, of the first plane where samples lie in planes."""
        grid = self.mcu_grid(page)
        if grid is not None:
            return np.diff(grid.starts)
        across, down = page.grid
        return page.numbers(TILE_COUNTS if page.tiled else STRIP_COUNTS)[: across * down]

    def box(self, page: Page, index: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of a tile, within the page."""
        side, across = self._layout(page)
        x, y = index % across * side[0], index // across * side[1]
        return x, y, min(x + side[0], page.size[0]), min(y + side[1], page.size[1])

    def index_at(self, page: Page, x: float, y: float) -> int | None:
        """The tile of a page that shows a place, None where it has no bytes."""
        side, across = self._layout(page)
        index = int(y // side[1]) * across + int(x // side[0])
        sizes = self.sizes(page)
        return index if x < page.size[0] and index < sizes.size and sizes[index] else None

    def grey(self, page: Page, index: int) -> NDArray[np.float32] | None:
        """A tile in grey values of 0 to 255, None where it cannot be decoded."""
        key = page.place, index
        if key not in self._last:
            try:
                with quiet_tifffile():
                    self._last[key] = _grey(self._decode(page, index))
            except Exception:  # codecs fail in many ways; what cannot be decoded proves nothing
                self._last[key] = None
            if len(self._last) > _REMEMBERED:
                self._last.popitem(last=False)
        return self._last[key]

    def mcu_grid(self, page: Page) -> McuGrid | None:
        """How restart markers cut a page that is one JPEG strip, None where they do not."""
        if page.place not in self._grids:
            try:
                usable = self._tiff.ndpi and not page.tiled and page.number(COMPRESSION) == _JPEG
                self._grids[page.place] = _mcu_grid(self._source, page) if usable else None
            except (DamagedStream, struct.error, IndexError):
                self._grids[page.place] = None
        return self._grids[page.place]

    def _layout(self, page: Page) -> tuple[tuple[int, int], int]:
        grid = self.mcu_grid(page)
        return ((grid.width, grid.height), grid.across) if grid else (page.tile, page.grid[0])

    def _decode(self, page: Page, index: int) -> NDArray[Any]:
        grid = self.mcu_grid(page)
        if grid is not None:
            return _decode_between(self._source, page, grid, index)
        tags = (TILE_OFFSETS, TILE_COUNTS) if page.tiled else (STRIP_OFFSETS, STRIP_COUNTS)
        offset, length = (int(page.numbers(tag)[index]) for tag in tags)
        across, down = page.tile
        if across * down > _MOST_PIXELS or length > _MOST_BYTES:
            raise DamagedStream
        data = read_exactly(self._source, offset, length)
        if _stated_pixels(data, page.number(COMPRESSION, 1)) > _MOST_PIXELS:
            raise DamagedStream
        reader = self._page(page)
        samples = reader.decode(data, index, jpegtables=reader.jpegtables)[0]
        if samples is None:
            raise DamagedStream
        left, top, right, bottom = self.box(page, index)
        decoded: NDArray[Any] = samples[0][: bottom - top, : right - left]
        return decoded

    def _page(self, page: Page) -> Any:
        """The page as tifffile reads it; tifffile takes time to load, and most files need no proof."""
        import tifffile

        if self._file is None:
            self._source.seek(0)
            self._file = tifffile.TiffFile(self._source)
        if page.place not in self._pages:
            self._file.filehandle.seek(page.place)
            self._pages[page.place] = tifffile.TiffPage(self._file, (0,))
        return self._pages[page.place]


def _grey(samples: NDArray[Any]) -> NDArray[np.float32]:
    top = np.iinfo(samples.dtype).max if np.issubdtype(samples.dtype, np.integer) else 1.0
    channels = min(3, samples.shape[-1])
    grey: NDArray[np.float32] = samples[..., 0].astype(np.float32)
    for channel in range(1, channels):
        grey += samples[..., channel]
    return grey * np.float32(255 / top / channels)


def _stated_pixels(data: bytes, codec: int) -> int:
    """Pixels that a compressed stream claims, before anything is allocated for them."""
    if codec == _JPEG:
        for segment in jpeg_segments(data):
            if 0xC0 <= segment.marker <= 0xCF and segment.marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack_from(">HH", data, segment.payload + 1)
                return int(height) * int(width)
    if codec in _J2K and data[:4] == b"\xff\x4f\xff\x51":
        right, bottom, left, top = struct.unpack_from(">IIII", data, 8)
        return int(right - left) * int(bottom - top)
    return 0


def _mcu_grid(source: BinaryIO, page: Page) -> McuGrid | None:
    offsets, counts = page.numbers(STRIP_OFFSETS), page.numbers(STRIP_COUNTS)
    if offsets.size != 1 or counts.size != 1:
        return None
    length = int(counts[0])
    head = read_exactly(source, int(offsets[0]), min(length, _HEADER))
    interval, size_at, sampling, begin = 0, 0, (1, 1), 0
    for segment in jpeg_segments(head):
        if segment.marker == 0xDD:
            (interval,) = struct.unpack_from(">H", head, segment.payload)
        elif segment.marker in (0xC0, 0xC1):
            size_at = segment.payload + 1
            factors = [head[segment.payload + 7 + 3 * n] for n in range(head[segment.payload + 5])]
            sampling = max(f >> 4 for f in factors), max(f & 15 for f in factors)
        elif segment.marker == SOS:
            begin = segment.payload + struct.unpack_from(">H", head, segment.start + 2)[0] - 2
            break
    if not (interval and size_at and begin):
        return None
    width, height = 8 * sampling[0] * interval, 8 * sampling[1]
    across, rest = divmod(-(-page.size[0] // (8 * sampling[0])), interval)
    starts = mcu_starts(page)
    due = across * -(-page.size[1] // height)
    if rest or starts is None or starts.size != due or starts[0] != begin or starts[-1] >= length:
        return None
    return McuGrid(head[:begin], size_at, width, height, across, np.append(starts, length))


def mcu_starts(page: Page) -> NDArray[np.int64] | None:
    """Where each restart interval of a strip starts, counted from the strip; None where the tags contradict that."""
    starts = page.numbers(NDPI_STARTS).astype(np.int64)
    high = page.numbers(NDPI_STARTS_HIGH)
    if high.size == starts.size:
        starts = starts + (high.astype(np.int64) << 32)
    if not starts.size or starts[0] <= 0 or (np.diff(starts) <= 0).any():
        return None
    return starts


def _decode_between(source: BinaryIO, page: Page, grid: McuGrid, index: int) -> NDArray[Any]:
    start, stop = int(grid.starts[index]), int(grid.starts[index + 1])
    if stop - start > _MOST_BYTES or grid.width * grid.height > _MOST_PIXELS or grid.width > 65535:
        raise DamagedStream
    scan = read_exactly(source, int(page.numbers(STRIP_OFFSETS)[0]) + start, stop - start)
    if scan[-2:-1] == b"\xff" and 0xD0 <= scan[-1] <= 0xD9:
        scan = scan[:-2]
    header = bytearray(grid.header)
    struct.pack_into(">HH", header, grid.size_at, grid.height, grid.width)
    decoded: NDArray[Any] = imagecodecs.jpeg8_decode(bytes(header) + scan + b"\xff\xd9")
    return decoded if decoded.ndim == 3 else decoded[..., None]
