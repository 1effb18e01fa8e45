"""What came in: what each file is by its own bytes, and whom it is about."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from jobs.deidentify.identifiers import Identifiers, read_identifiers
from jobs.errors import BadInput
from schemas.reasons import Reason

_HEAD = 1 << 16
_SMALL = 1 << 22
"""Files of so many bytes, which most are, are cleaned in memory: what is asked of the system takes time."""


@dataclass
class Input:
    """One file that came in."""

    path: Path
    media_type: str = ""
    found: Identifiers = field(default_factory=Identifiers)
    refused: Reason | None = None
    size: int = 0
    """In bytes."""

    @property
    def is_small(self) -> bool:
        """Whether it is cleaned in memory."""
        return self.size <= _SMALL

    def opened(self) -> BinaryIO:
        """The file to read."""
        return BytesIO(self.path.read_bytes()) if self.is_small else self.path.open("rb")


def read_input(path: Path) -> Input:
    """Say what a file is by its own bytes, and whom it is about."""
    file = Input(path)
    try:
        with path.open("rb") as stream:
            file.size = os.fstat(stream.fileno()).st_size
            head = stream.read(_HEAD)
            file.media_type = _media_type(head)
            if not head:
                file.refused = Reason.EMPTY_FILE
            elif not file.media_type:
                file.refused = Reason.UNKNOWN_FORMAT
            elif _is_part_of_slide(path, file.media_type):
                file.refused = Reason.NOT_REWRITABLE
            elif file.media_type == "application/dicom" and file.size == len(head):
                file.found = read_identifiers(head)
            elif file.media_type == "application/dicom":
                with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    file.found = read_identifiers(cast(bytes, data))
            else:
                _read_image(file, stream)
    except OSError:
        file.refused = Reason.UNREADABLE
    return file


def _is_part_of_slide(path: Path, media_type: str) -> bool:
    """Whether an image belongs to a slide of a format in many files (MRXS, VMS, VMU): its label may be this one."""
    if path.suffix.lower() == ".mrxs":
        return True
    return media_type in ("image/jpeg", "image/tiff") and _holds_parts(path.parent)


@lru_cache(maxsize=1 << 10)
def _holds_parts(folder: Path) -> bool:
    names = {name.lower() for name in os.listdir(folder)}
    return "slidedat.ini" in names or any(name.endswith((".vms", ".vmu")) for name in names)


def patient_of(file: Input) -> str:
    """What a patient's pseudonym hangs on: the number, or the study, or the file itself.

    A folder is of one hospital: whatever issuer a file names, one number is one patient.
    """
    if file.found.patient:
        return f"number\\{file.found.patient.decode('latin-1')}"
    return f"study\\{file.found.unit.decode('latin-1')}" if file.found.unit else f"file\\{file.path.name}"


def _media_type(head: bytes) -> str:
    if head[128:132] == b"DICM":
        return "application/dicom"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "image/tiff"
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if head[:2] == b"BM" and head[14:18] in (b"\x0c\0\0\0", b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"):
        return "image/bmp"
    return "application/dicom" if head[:2] in (b"\x02\0", b"\x08\0", b"\0\x08") else ""


def _read_image(file: Input, stream: BinaryIO) -> None:
    """Read who an image of another format names; the readers of the ingest stage know how."""
    from jobs.ingest.content import Content, Place
    from jobs.ingest.scans import READERS

    content = Content(media_type=file.media_type)
    try:
        READERS[file.media_type.rpartition("/")[2]](content, Place(file.path.name, ""), stream, file.size)
    except BadInput as problem:
        file.refused = problem.reason
    file.media_type = content.media_type
    for one in content.identifiers:
        values = file.found.names if one["kind"] == "name" else file.found.ids
        values.add(one["value"].encode())
