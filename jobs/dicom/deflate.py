"""Data sets that are compressed as a whole (PS3.5 section A.5): inflated to be cleaned and searched, then deflated."""

from __future__ import annotations

import tempfile
import zlib
from typing import BinaryIO, cast

from jobs.dicom.codestream import DamagedStream
from jobs.dicom.dictionary import DEFLATED, EXPLICIT_LITTLE
from jobs.dicom.reader import TRANSFER_SYNTAX, read_meta
from jobs.dicom.writer import meta_group

_INFLATED_MOST = 1 << 31
_IN_MEMORY = 1 << 26
_META_MOST = 1 << 12
"""In as many bytes, no file meta group has not yet come to its transfer syntax."""
_CHUNK, _INFLATED_CHUNK = 1 << 16, 1 << 22


def inflated(source: BinaryIO) -> BinaryIO | None:
    """The file with its dataset inflated and a transfer syntax that says so; None where it is not deflated.

    Raises:
        DamagedStream: the compressed data is damaged, ends early, or is of more than 2 GiB.
    """
    source.seek(0)
    if DEFLATED.encode() not in source.read(_META_MOST):
        return None
    meta, end = read_meta(source)
    if meta.text(TRANSFER_SYNTAX) != DEFLATED:
        return None
    plain = temporary()
    meta[TRANSFER_SYNTAX].value = EXPLICIT_LITTLE.encode()
    plain.write(meta_group(meta))
    source.seek(end)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while chunk := source.read(_CHUNK):
            # What follows the end of the stream, such as its padding, is never consumed.
            while chunk and not inflater.eof:
                plain.write(inflater.decompress(chunk, _INFLATED_CHUNK))
                chunk = inflater.unconsumed_tail
                if plain.tell() > _INFLATED_MOST:
                    raise DamagedStream
        plain.write(inflater.flush())
    except zlib.error:
        raise DamagedStream from None
    if not inflater.eof:
        raise DamagedStream(truncated=True)
    plain.seek(0)
    return plain


def deflate(plain: BinaryIO, target: BinaryIO) -> None:
    """Write a file with its dataset compressed, padded to an even length."""
    meta, end = read_meta(plain)
    meta[TRANSFER_SYNTAX].value = DEFLATED.encode()
    target.write(meta_group(meta))
    plain.seek(end)
    deflater, written = zlib.compressobj(wbits=-zlib.MAX_WBITS), 0
    while chunk := plain.read(_CHUNK):
        written += target.write(deflater.compress(chunk))
    written += target.write(deflater.flush())
    target.write(b"\0" * (written % 2))


def temporary() -> BinaryIO:
    """An empty file, in memory while it is small."""
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY))
