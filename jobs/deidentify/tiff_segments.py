"""Copy tiles and strips of a TIFF as they are compressed, without what hides in them.

Comments, application segments and bytes behind the end of a stream are no image. Small segments are cleaned
in memory one by one; strips of a whole image, as Hamamatsu's, stream through.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import BinaryIO

import imagecodecs

from jobs.deidentify.tiff import (
    BITS,
    COMPRESSION,
    LENGTH,
    PLANAR,
    SAMPLES,
    TILE_LENGTH,
    TILE_WIDTH,
    CannotRewrite,
    Page,
    read_exactly,
)
from jobs.dicom.codestream import EOI, SOS, DamagedStream, clean_codestream, clean_jpeg, jpeg_segments

_NONE, _LZW, _JPEG, _PACKBITS, _ZSTD, _WEBP = 1, 5, 7, 32773, 50000, 50001
_DEFLATE = (8, 32946)
_J2K = (33003, 33004, 33005, 34712)
CODECS = frozenset({_NONE, _LZW, _JPEG, _PACKBITS, _ZSTD, _WEBP, *_DEFLATE, *_J2K})
"""Compressions (tag 259) whose streams can be cleaned."""
LARGE = 1 << 23
"""Bytes from which a segment is streamed."""
_HELD = 1 << 28
_CHUNK = 1 << 20
_START, _END = b"\xff\xd8", b"\xff\xd9"
_ENDS_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker behind entropy-coded data that is neither a stuffed byte nor a restart (ITU-T T.81, B.1.1.2)."""
_WEBP_CHUNKS = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH"})


class Segments:
    """Copies the segments of one page.

    Raises `CannotRewrite` for codecs whose stream cannot be cleaned, `DamagedStream` for what ends early.
    """

    def __init__(self, source: BinaryIO, target: BinaryIO, page: Page) -> None:
        self.source, self.target = source, target
        self.codec = page.number(COMPRESSION, 1)
        if self.codec not in CODECS:
            raise CannotRewrite
        self.due = _plain_bytes(page)
        self._head = self._clean_head = b""
        """Headers of the last JPEG tile: all tiles of a level have the same as a rule."""

    def copy(self, offset: int, length: int) -> int:
        """Append the segment to the target; returns how many bytes it has now."""
        try:
            return self._copy(offset, length)
        except zlib.error:
            raise DamagedStream from None

    def _copy(self, offset: int, length: int) -> int:
        if length <= LARGE:
            data = self.clean(read_exactly(self.source, offset, length))
            self.target.write(data)
            return len(data)
        start = self.target.tell()
        if self.codec == _NONE:
            self._stream(offset, min(length, self.due))
        elif self.codec == _JPEG:
            self._stream_jpeg(offset, offset + length)
        elif self.codec in _DEFLATE:
            self._stream_deflate(offset, length)
        elif length <= _HELD:
            self.target.write(self.clean(read_exactly(self.source, offset, length)))
        else:
            raise CannotRewrite
        return self.target.tell() - start

    def clean(self, data: bytes) -> bytes:
        """A segment without what is no image."""
        if self.codec == _JPEG:
            return self._clean_tile(data)
        if self.codec in _J2K:
            return clean_codestream(data)
        if self.codec == _NONE:
            return data[: self.due]
        if self.codec in _DEFLATE:
            return _cut_deflate(data)
        if self.codec == _WEBP:
            return _clean_webp(data)
        return self._again(data)

    def _clean_tile(self, data: bytes) -> bytes:
        """A JPEG tile; one whose headers are known is only searched for its end."""
        if not (self._head and data.startswith(self._head)):
            self._learn(data)
        begin = len(self._head)
        ends = _ENDS_SCAN.search(data, begin) if begin else None
        if ends is None or data[ends.start() + 1] != EOI:
            return clean_jpeg(data)
        return self._clean_head + data[begin : ends.start() + 2]

    def _learn(self, data: bytes) -> None:
        self._head = self._clean_head = b""
        for segment in jpeg_segments(data):
            if segment.marker == SOS:
                begin = segment.payload + struct.unpack_from(">H", data, segment.start + 2)[0] - 2
                self._head, self._clean_head = data[:begin], clean_jpeg(data[:begin])[:-2]
                break

    def _again(self, data: bytes) -> bytes:
        """Compress anew, as these codecs do not tell where a stream ends."""
        if self.due > _HELD:
            raise CannotRewrite
        try:
            if self.codec == _LZW:
                return bytes(imagecodecs.lzw_encode(imagecodecs.lzw_decode(data, out=self.due)))
            if self.codec == _ZSTD:
                return bytes(imagecodecs.zstd_encode(imagecodecs.zstd_decode(data, out=self.due)))
            return bytes(imagecodecs.packbits_encode(imagecodecs.packbits_decode(data, out=self.due)))
        except (RuntimeError, ValueError):
            raise DamagedStream from None

    def _stream(self, offset: int, length: int) -> None:
        while length > 0:
            part = read_exactly(self.source, offset, min(length, _CHUNK))
            self.target.write(part)
            offset, length = offset + len(part), length - len(part)

    def _stream_deflate(self, offset: int, length: int) -> None:
        end = offset + length
        inflater = zlib.decompressobj()
        while offset < end and not inflater.eof:
            part = read_exactly(self.source, offset, min(end - offset, _CHUNK))
            rest = part
            while rest and not inflater.eof:
                inflater.decompress(rest, _CHUNK)
                rest = inflater.unconsumed_tail
            self.target.write(part[: len(part) - len(inflater.unused_data)])
            offset += len(part)

    def _stream_jpeg(self, offset: int, end: int) -> None:
        """Headers through the cleaner, scans in chunks, up to the end marker."""
        if read_exactly(self.source, offset, 2) != _START:
            raise DamagedStream
        position, first = offset + 2, True
        while position < end:
            position, headers = self._headers(position, end)
            cleaned = clean_jpeg(_START + headers)[:-2]
            self.target.write(cleaned if first else cleaned[2:])
            first = False
            position = self._scan(position, end)
            if position + 2 <= end and read_exactly(self.source, position, 2) == _END:
                break
        self.target.write(_END)

    def _headers(self, position: int, end: int) -> tuple[int, bytes]:
        """Marker segments up to a start of scan; returns where the scan begins."""
        headers = b""
        while position + 4 <= end:
            marker, length = struct.unpack(">HH", read_exactly(self.source, position, 4))
            if marker < 0xFF01 or length < 2:
                raise DamagedStream
            headers += read_exactly(self.source, position, 2 + length)
            position += 2 + length
            if marker == 0xFFDA:
                return position, headers
            if len(headers) > LARGE:
                break
        raise DamagedStream(truncated=True)

    def _scan(self, position: int, end: int) -> int:
        """Copy entropy-coded data; returns where the marker behind it stands."""
        while position < end:
            part = read_exactly(self.source, position, min(end - position, _CHUNK))
            found = _ENDS_SCAN.search(part)
            stop = found.start() if found else len(part)
            if not found and part.endswith(b"\xff") and position + len(part) < end and len(part) > 1:
                stop -= 1  # the marker's second byte is in the next chunk
            self.target.write(part[:stop])
            position += stop
            if found:
                return position
        return position


def _plain_bytes(page: Page) -> int:
    """Bytes of a tile or strip when it is not compressed."""
    samples = page.number(SAMPLES, 1)
    bits = page.numbers(BITS).tolist() or [1]
    per_pixel = max(bits) if page.number(PLANAR, 1) == 2 else (sum(bits) if len(bits) == samples else bits[0] * samples)
    across, down = page.tile
    if page.tiled:
        across, down = page.number(TILE_WIDTH), page.number(TILE_LENGTH)
    else:
        down = min(down, page.number(LENGTH))
    if page.number(530, 2) and page.number(262) == 6 and page.number(COMPRESSION, 1) != _JPEG:
        down += 4  # subsampled rows come in blocks
        across += 4
    return int(-(-across * per_pixel // 8) * down)


def _cut_deflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    rest = data
    while rest and not inflater.eof:
        inflater.decompress(rest, _CHUNK)
        rest = inflater.unconsumed_tail
    return data[: len(data) - len(inflater.unused_data)] if inflater.eof else data


def _clean_webp(data: bytes) -> bytes:
    """A WebP file with its image chunks only (RFC 9649, section 2)."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise DamagedStream
    kept, position = b"", 12
    while position + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, position)
        if position + 8 + size > len(data):
            raise DamagedStream(truncated=True)
        content = data[position + 8 : position + 8 + size]
        if kind == b"VP8X" and size == 10:
            content = bytes((content[0] & 0x10, 0, 0, 0)) + content[4:]  # of its flags only that of alpha is still true
        if kind in _WEBP_CHUNKS:
            kept += struct.pack("<4sI", kind, size) + content + b"\0" * (size % 2)
        position += 8 + size + size % 2
    return b"RIFF" + struct.pack("<I", len(kept) + 4) + b"WEBP" + kept
