"""One scan, from its originals to de-identified files and its row: what an executor does for each scan."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from jobs.accounting import HELD_TYPE, held_row
from jobs.deidentify.batch import Everyone, is_public_word
from jobs.deidentify.images import SUFFIXES, deidentify_image
from jobs.deidentify.inspection import Inspection
from jobs.deidentify.log import log_rows
from jobs.deidentify.pixel_ranges import pixel_ranges, searchable
from jobs.deidentify.pixel_search import PixelSearch
from jobs.deidentify.rescan import find, pixel_forms
from jobs.deidentify.stain import by_name, device_and_stain
from jobs.deidentify.tokens import Range
from jobs.dicom.values import is_public_device
from jobs.errors import BadInput
from jobs.frames import Row, ddl, rows_type
from jobs.pixels.open import open_scan
from jobs.pixels.reader import Reader
from jobs.pixels.section import core_regions
from jobs.pseudonyms import Pseudonyms
from jobs.settings import Settings, Source
from jobs.store import Store
from schemas.reasons import Reason

FIELD_TYPES = ("image/jpeg", "image/png", "image/bmp")
SPOOL_BYTES = 64 << 20
"""Files up to this size are cleaned in memory, larger ones on disk."""

SCAN_SCHEMA = ddl(
    {
        "scans": rows_type("curated.scans"),
        "regions": rows_type("curated.regions"),
        "deid_log": rows_type("curated.deid_log"),
        "held": f"array<{HELD_TYPE}>",
        "scan_id": "string",
        "paths": "array<string>",
        "came": "int",
    }
)


@lru_cache(maxsize=2)
def pseudonyms_of(path: Path) -> Pseudonyms:
    """The pseudonyms under the key in a file; each process reads it once, and Spark never sees it."""
    return Pseudonyms.from_file(path)


@dataclass(frozen=True)
class Cleaned:
    """A file that passed: where it lies now, relative to the curated zone."""

    uri: str
    media_type: str


class ScanCleaner:
    """De-identifies the files of one scan after another."""

    def __init__(self, store: Store, settings: Settings, everyone: Everyone) -> None:
        self._store, self._settings, self._everyone = store, settings, everyone

    def __call__(self, row: Row) -> Iterable[Row]:
        """Clean one scan.

        Args:
            row: scan_ref, patient_id, specimen_number, source, delivery, withdrawn, sheet (JSON or None), identifiers,
                and files with path, content_sha256, media_type.

        Returns:
            One row of `SCAN_SCHEMA`: every file of the scan is either in the scan's `uri` or in `held`.
        """
        pseudonyms = pseudonyms_of(self._settings.key_path())
        files = row["files"] or []
        scan_id = pseudonyms.key_for("scan", row["scan_ref"])
        log: list[Row] = []
        held: dict[str, Reason] = {}
        passed: dict[str, Cleaned] = {}
        for file in files:
            try:
                passed[file["path"]] = self._clean(file, row, scan_id, log)
            except BadInput as problem:
                held[file["path"]] = problem.reason
        scans: list[Row] = []
        try:
            if passed:
                scans = [self._facts(scan_id, row, list(passed.values()), pseudonyms)]
        except BadInput as problem:
            held.update(dict.fromkeys(passed, problem.reason))
        if not scans:
            self._store.delete_folder(self._curated(f"objects/{scan_id}"))
        yield {
            "scans": scans,
            "regions": [region for scan in scans for region in (_whole(scan, pseudonyms), *self._cores(scan))],
            "deid_log": [entry | {"device_key": scan["scanner_key"]} for scan in scans for entry in log] or log,
            "held": [held_row("file", path, row["source"], row["delivery"], reason) for path, reason in held.items()],
            "scan_id": scan_id,
            "paths": [file["path"] for file in files],
            "came": len(files),
        }

    def _clean(self, file: Row, row: Row, scan_id: str, log: list[Row]) -> Cleaned:
        if row["withdrawn"]:
            raise BadInput(Reason.CONSENT_WITHDRAWN)
        if not row["patient_id"]:
            raise BadInput(Reason.PATIENT_MISSING)
        pseudonyms = pseudonyms_of(self._settings.key_path())
        file_key = pseudonyms.key_for("file", file["path"])
        uri = f"objects/{scan_id}/{file_key}.{SUFFIXES.get(file['media_type'], 'img')}"
        original = f"{self._settings.zone_root('restricted')}/objects/{file['content_sha256']}"
        inspection = Inspection(lambda: self._store.open(original), wanted=self._looks_at(file["media_type"]))
        with self._store.open(original) as source, tempfile.SpooledTemporaryFile(SPOOL_BYTES) as cleaned:
            target = cast(BinaryIO, cleaned)
            entries = deidentify_image(
                source,
                target,
                media_type=file["media_type"],
                pseudonyms=pseudonyms,
                patient_id=row["patient_id"],
                shift_days=pseudonyms.shift_days(row["patient_id"]),
                site=row["source"],
                inspect=inspection,
            )
            if self._names_anyone(target, file["media_type"], row["identifiers"] or []):
                raise BadInput(Reason.IDENTIFIER_FOUND)
            target.seek(0)
            with self._store.writing(self._curated(uri)) as stored:
                while chunk := target.read(1 << 20):
                    stored.write(chunk)
        site = pseudonyms.key_for("site", row["source"])
        log.extend(log_rows(file_key, site, [*entries, inspection.entry]))
        return Cleaned(uri, file["media_type"])

    def _names_anyone(self, cleaned: BinaryIO, media_type: str, identifiers: Iterable[str]) -> bool:
        """Whether a file holds one of its own identifiers in any spelling, or one of anybody of the batch."""
        stream = searchable(cleaned, media_type)
        pixels = sorted(pixel_ranges(stream, media_type))
        own = [value for value in identifiers if not is_public_word(value)]
        if find(_text(stream, pixels), own):
            return True
        search = PixelSearch({form for value in own for form in pixel_forms(value)})
        for part in pixels:
            stream.seek(part.start)
            if search.found_in(stream, part.stop - part.start):
                return True
        return self._everyone.batch.found_in(stream, pixels)

    def _looks_at(self, media_type: str) -> bool:
        """Whether text is looked for in the pixels of such files."""
        where = self._settings.deidentify.look_for_text
        return where == "all" or (where == "fields" and media_type in FIELD_TYPES)

    def _facts(self, scan_id: str, row: Row, files: list[Cleaned], pseudonyms: Pseudonyms) -> Row:
        """The row of `curated.scans`, read from the cleaned files and the scan sheet."""
        sheet = json.loads(row["sheet"] or "{}")
        streams = [self._store.open(self._curated(file.uri)) for file in files]
        try:
            reader = open_scan(streams)
            device, stain = device_and_stain(streams[0]) if files[0].media_type == "application/dicom" else (None, None)
        finally:
            for stream in streams:
                stream.close()
        info = reader.info
        serial = sheet.get("scanner_serial")
        return {
            "scan_id": scan_id,
            "patient_key": pseudonyms.key_for("patient", row["patient_id"]),
            "specimen_id": _keyed(pseudonyms, "specimen", row["source"], row["specimen_number"]),
            "kind": "field" if files[0].media_type in FIELD_TYPES else "slide",
            "uri": " ".join(sorted(file.uri for file in files)),
            "width_px": reader.size[0],
            "height_px": reader.size[1],
            **pixel_size(reader, sheet, self._settings.sources[row["source"]]),
            "objective": info.objective or _number(sheet.get("objective")),
            "scanner_vendor": _device(info.vendor) or _device(sheet.get("scanner_vendor")),
            "scanner_model": _device(info.model) or _device(sheet.get("scanner_model")),
            "scanner_key": _keyed(pseudonyms, "scanner", serial) or _keyed(pseudonyms, "scanner", device),
            "site_key": pseudonyms.key_for("site", row["source"]),
            "stain": _stain(sheet.get("stain")) or stain,
            "stain_batch": _keyed(pseudonyms, "stain_batch", row["source"], sheet.get("stain_batch")),
            "icc_sha256": hashlib.sha256(info.icc_profile).hexdigest() if info.icc_profile else None,
            "codec": info.codec,
            "lossy_source": info.lossy,
            "focal_plane": info.focal_plane,
            "optical_path": info.optical_path,
        }

    def _cores(self, scan: Row) -> list[Row]:
        """The cores of a tissue microarray of an H&E stain, each of the scan's specimen; none where it is not one."""
        if scan["kind"] != "slide" or scan["stain"] != "H&E" or not (scan["mpp_x"] and scan["mpp_y"]):
            return []
        pseudonyms = pseudonyms_of(self._settings.key_path())
        with ExitStack() as stack:
            files = [stack.enter_context(self._store.open(self._curated(uri))) for uri in scan["uri"].split(" ")]
            try:
                found = core_regions(open_scan(files), math.sqrt(scan["mpp_x"] * scan["mpp_y"]))
            except BadInput:
                # A broken tile is told by the stages that cut: it is no reason to hold the slide back.
                return []
        return [
            {
                "region_id": pseudonyms.key_for("region", scan["scan_id"], core.name),
                "scan_id": scan["scan_id"],
                "specimen_id": scan["specimen_id"],
                "name": core.name,
                "polygon": core.polygon,
            }
            for core in found
        ]

    def _curated(self, relative: str) -> str:
        return f"{self._settings.zone_root('curated')}/{relative}"


def pixel_size(reader: Reader, sheet: Row, source: Source) -> Row:
    """µm per pixel and where it is from.

    The settings for this scanner, else the file, else the scan sheet, else the settings for the source, else null and
    why.
    """
    model = str(reader.info.model or sheet.get("scanner_model") or "")
    ours, told = source.mpp_by_scanner.get(model), _number(sheet.get("mpp"))
    if ours:
        return {"mpp_x": ours, "mpp_y": ours, "mpp_source": "settings for the scanner"}
    if reader.mpp is not None:
        return {"mpp_x": reader.mpp.x, "mpp_y": reader.mpp.y, "mpp_source": reader.mpp.source}
    if told:
        return {"mpp_x": told, "mpp_y": told, "mpp_source": "scan sheet"}
    if source.mpp:
        return {"mpp_x": source.mpp, "mpp_y": source.mpp, "mpp_source": "settings"}
    return {"mpp_x": None, "mpp_y": None, "mpp_source": f"none: {reader.mpp_missing or 'the source states none'}"}


def _text(stream: BinaryIO, pixels: Iterable[Range]) -> bytes:
    """All bytes of a file that are no pixels, whose ranges come in order."""
    parts, position = [], 0
    for part in pixels:
        stream.seek(position)
        parts.append(stream.read(max(part.start - position, 0)))
        position = part.stop
    stream.seek(position)
    return b"\0".join([*parts, stream.read()])


def _whole(scan: Row, pseudonyms: Pseudonyms) -> Row:
    """The region that is the whole scan."""
    width, height = float(scan["width_px"]), float(scan["height_px"])
    return {
        "region_id": pseudonyms.key_for("region", scan["scan_id"], "0"),
        "scan_id": scan["scan_id"],
        "specimen_id": scan["specimen_id"],
        "name": None,
        "polygon": [0.0, 0.0, width, 0.0, width, height, 0.0, height],
    }


def _keyed(pseudonyms: Pseudonyms, kind: str, *parts: str | None) -> str | None:
    """A pseudonym, or None where a part is missing."""
    return pseudonyms.key_for(kind, *cast("tuple[str, ...]", parts)) if all(parts) else None


def _number(text: Any) -> float | None:
    try:
        return float(text) or None
    except (TypeError, ValueError):
        return None


def _device(text: Any) -> str | None:
    """A scanner's vendor or model, as free text of a scan sheet: passes only when it is a public name."""
    return str(text).strip() if text and is_public_device(str(text).strip()) else None


def _stain(text: Any) -> str | None:
    """A stain by the name that the vocabulary gives it; other text does not pass."""
    return by_name().get(str(text or "").strip().lower())
