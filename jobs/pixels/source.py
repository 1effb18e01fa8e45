"""Bytes of a seekable file, a range at a time."""

from __future__ import annotations

import io
from typing import BinaryIO

from jobs.errors import BadInput
from schemas.reasons import Reason


def length(file: BinaryIO) -> int:
    """How many bytes the file has."""
    return file.seek(0, io.SEEK_END)


def read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Exactly `count` bytes from `offset`.

    Raises:
        BadInput: TRUNCATED, where the file ends before.
    """
    file.seek(offset)
    data = file.read(count)
    if len(data) != count:
        raise BadInput(Reason.TRUNCATED)
    return data
