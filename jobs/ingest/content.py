"""What one landing file holds, found by its own bytes: the door to the readers of scans, records and shapes.

A file is read once. What it says becomes rows of `restricted.records`, `shapes` and `identifiers`, without
the columns that the caller knows (path, source, delivery); what cannot be used is `held`, with its reason.
Bad content never raises.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from jobs.annotations.formats import json_format
from jobs.annotations.names import stem
from jobs.annotations.text import UTF16, decode
from jobs.errors import BadInput, HemalakeError
from jobs.settings import Source
from schemas.reasons import Reason

Identity = tuple[str, str]
"""Who issued a number, and the number."""

NOBODY: Identity = ("", "")
"""Stands where an identifier is of staff or of a device, or where the file does not say whose it is."""

HEAD_BYTES = 4096
_FIELDS = ("jpeg", "png", "bmp")
_LEAST_COMMENT = 8
"""Letters; a shorter comment is a word that may stand anywhere, and is not searched for."""
CLAIMS = {
    **dict.fromkeys((".dcm", ".dicom"), ("dicom",)),
    **dict.fromkeys((".svs", ".tif", ".tiff"), ("tiff",)),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".bmp"), _FIELDS),
    **dict.fromkeys((".json", ".ndjson", ".geojson"), ("json",)),
    **{".xml": ("xml",), ".csv": ("text",)},
}
"""What a file name claims; a name that claims nothing is not held against the content.

Fields are read by content whatever they are called: public sets hold PNG under the name .jpg.
"""

_MAGICS = (
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
)
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


@dataclass(frozen=True)
class Place:
    """Where a file lies: `<source>/<delivery>/<inside>`."""

    path: str
    source: str

    @property
    def delivery(self) -> str:
        """The second folder of the path; empty where there is none."""
        parts = self.path.split("/")
        return parts[1] if len(parts) > 2 else ""

    @property
    def inside(self) -> str:
        """The path within its delivery."""
        return self.path.split("/", 2)[-1]

    @property
    def stem(self) -> str:
        """The name by which annotations call a scan that has no other."""
        return stem(self.path)


@dataclass
class Content:
    """All that one file says."""

    media_type: str = "application/octet-stream"
    """What the content is, by its own bytes."""
    role: str = "other"
    """`image`, `annotations`, `records` or `other`."""
    scan_name: str | None = None
    """Name by which annotations call the scan: container id of a slide, or the file's stem."""
    scan_ref: str | None = None
    """Joins the files of one scan: `dicom:<series>` or `file:<path>`."""
    patient_system: str | None = None
    patient_number: str | None = None
    specimen_number: str | None = None
    """Accession number of the specimen."""
    records: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `restricted.records` without path, source and delivery."""
    shapes: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `restricted.shapes` without path, source and delivery."""
    identifiers: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `restricted.identifiers` without path: what the rescan looks for."""
    links: list[list[Identity]] = field(default_factory=list)
    """Sets of numbers of one person."""
    held: list[tuple[int | None, Reason]] = field(default_factory=list)
    """Position in the file, or None for the whole file, and why it cannot be used."""
    _known: set[tuple[str, str, str, str]] = field(default_factory=set, repr=False)

    def hold(self, reason: Reason, position: int | None = None) -> None:
        """Hold back the unit at `position`, or the whole file, of which no row then passes."""
        self.held.append((position, reason))
        if position is None:
            self.records.clear()
            self.shapes.clear()

    def identify(self, kind: str, value: object, of: Identity = NOBODY) -> None:
        """Add an identifier for the rescan; blanks and repetitions are left out."""
        text = unicodedata.normalize("NFC", str(value if value is not None else "").strip())
        entry = (*of, kind, text)
        if not text or entry in self._known:
            return
        self._known.add(entry)
        row = dict(zip(("patient_system", "patient_number", "kind", "value"), entry, strict=True))
        self.identifiers.append({"position": len(self.identifiers), **row})

    def identify_name(self, name: str, of: Identity = NOBODY) -> None:
        """Add every part of a person's name; titles are no part of it."""
        for part in name.replace("^", " ").replace("=", " ").replace(",", " ").split():
            if part.casefold().rstrip(".") not in _TITLES:
                self.identify("name", part, of)

    def identify_birth_date(self, value: str, of: Identity = NOBODY) -> None:
        """Add a birth date as written, as ISO 8601 and as DICOM writes it."""
        self.identify("birth_date", value, of)
        digits = value.strip().replace("-", "")
        if len(digits) == 8 and digits.isdigit():
            self.identify("birth_date", digits, of)
            self.identify("birth_date", f"{digits[:4]}-{digits[4:6]}-{digits[6:]}", of)

    def identify_comment(self, text: str) -> None:
        """Add a comment; one as short as `blood` is left out."""
        if len(text) >= _LEAST_COMMENT:
            self.identify("comment", text)

    def is_file(self, place: Place) -> None:
        """State that this is an image which is known by its path."""
        self.role, self.scan_name, self.scan_ref = "image", place.stem, f"file:{place.path}"

    def link(self, identities: Iterable[Identity]) -> None:
        """State that these numbers are one person's."""
        numbers = list(dict.fromkeys(i for i in identities if all(i)))
        if numbers and numbers not in self.links[-50:]:
            self.links.append(numbers)


_TITLES = frozenset(("dr", "prof", "med", "mr", "mrs", "ms", "miss", "herr", "frau", "hr", "fr", "phd", "md", "doz"))


def parse_time(text: object) -> datetime | None:
    """Read an ISO 8601 time as UTC; one without a zone is taken for UTC. None where it is no time."""
    try:
        time = datetime.fromisoformat(str(text).strip())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def sniff(head: bytes) -> str:
    """The family of formats of the first bytes: dicom, tiff, jpeg, png, bmp, json, xml, text or binary."""
    if head[128:132] == b"DICM":
        return "dicom"
    for magic, family in _MAGICS:
        if head.startswith(magic):
            return family
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if head[:2] in UTF16:
        head = decode(head).encode("utf-8", "replace")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if any(byte < 9 or 13 < byte < 32 for byte in text):
        return "binary"
    return {b"{": "json", b"[": "json", b"<": "xml"}.get(text[:1], "text")


def read_content(path: str, stream: BinaryIO, size: int, source_name: str, source: Source) -> Content:
    """Read one landing file.

    Args:
        path: below the landing root, `<source>/<delivery>/…`.
        stream: the seekable file; of a scan only headers are read.
        size: of the file, in bytes.
        source_name: name of the source in the settings.
        source: its settings.

    Raises:
        HemalakeError: the store failed; never for what the file holds.
    """
    content = Content()
    try:
        _read(content, Place(path, source_name), stream, size, source)
    except BadInput as bad:
        content.hold(bad.reason)
    except (HemalakeError, ConnectionError, TimeoutError):
        raise
    except Exception:  # parsers fail in many ways on broken files; whichever it is, the file is unreadable
        content.hold(Reason.UNREADABLE)
    return content


def _read(content: Content, place: Place, stream: BinaryIO, size: int, source: Source) -> None:
    if size == 0:
        raise BadInput(Reason.EMPTY_FILE)
    stream.seek(0)
    family = sniff(stream.read(HEAD_BYTES))
    content.media_type = _MEDIA_TYPES[family]
    if place.inside == "manifest.json" and family == "json":
        return
    if PurePosixPath(place.path).suffix.lower() == ".mrxs":
        raise BadInput(Reason.NOT_REWRITABLE)  # its content is a JPEG, which may show the label
    if family not in CLAIMS.get(PurePosixPath(place.path).suffix.lower(), (family,)):
        raise BadInput(Reason.WRONG_FORMAT)
    if family == "binary":
        raise BadInput(Reason.UNKNOWN_FORMAT)
    if family in _TEXT_FAMILIES:
        stream.seek(0)
        _read_text(content, place, stream.read(), family, source)
    else:
        # Late, as the readers build on this module, and as text files need neither pydicom nor Pillow.
        from jobs.ingest import scans

        scans.READERS[family](content, place, stream, size)
        if content.role == "annotations":
            from jobs.ingest import annotations

            annotations.read_dicom(content, place, stream, source)


def _read_text(content: Content, place: Place, data: bytes, family: str, source: Source) -> None:
    from jobs.ingest import annotations, records

    if family == "xml":
        annotations.read_xml(content, place, data, source)
    elif place.path.lower().endswith(".ndjson"):
        records.read_ndjson(content, place, data)
    elif family == "json":
        _read_json(content, place, data, source)
    elif annotations.is_points_file(place, source):
        annotations.read_points(content, place, decode(data), source)
    else:
        _read_table(content, place, decode(data), source)


def _read_json(content: Content, place: Place, data: bytes, source: Source) -> None:
    from jobs.ingest import annotations, records

    text = decode(data)
    if json_format(text):
        return annotations.read_json(content, place, text, source)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return records.read_ndjson(content, place, data)
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        raise BadInput(Reason.TRUNCATED if cut else Reason.UNREADABLE) from None
    records.read_json(content, place, value)


def _read_table(content: Content, place: Place, text: str, source: Source) -> None:
    from jobs.ingest import annotations, records

    header = records.header_of(text)
    is_csv = place.path.lower().endswith(".csv")
    content.media_type = "text/csv"
    if records.is_scan_sheet(header):
        records.read_scan_sheet(content, place, records.split_csv(text)[1], source)
    elif records.is_laboratory(header, source) and not annotations.is_shape_table(header):
        records.read_laboratory(content, records.split_csv(text)[1], source)
    else:
        content.media_type = "text/csv" if is_csv else "text/plain"
        annotations.read_text(content, place, text, source)


_TEXT_FAMILIES = ("json", "xml", "text")
_MEDIA_TYPES = {
    "dicom": "application/dicom",
    "tiff": "image/tiff",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "bmp": "image/bmp",
    "json": "application/json",
    "xml": "application/xml",
    "text": "text/plain",
    "binary": "application/octet-stream",
}
