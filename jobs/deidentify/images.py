"""Image files in, de-identified image files out: pixels are the same bytes, what is around them is cleaned.

Nothing here knows tables or Spark. Streams are seekable binary files; on an error the target holds rubbish
and is to be discarded.
"""

from __future__ import annotations

import logging
import math
import struct
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

import pydicom
from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr, write_dataset, write_file_meta_info
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    UID_dictionary,
)

from jobs.dicom import log
from jobs.dicom.codestream import DamagedStream
from jobs.dicom.log import LogEntry
from jobs.dicom.pixel_data import IMAGE_CODECS, CannotCopy, Layout, copy_pixel_data
from jobs.dicom.profile import Profile
from jobs.dicom.walker import Pseudonymiser, clean
from jobs.errors import BadInput, HemalakeError
from schemas.reasons import Reason

IMPLEMENTATION_UID = "2.25.302913460411876321345098219374417282305"
"""Names HemaLake as the writer of a file (PS3.7 section D.3.3.2)."""
IMPLEMENTATION_VERSION = "HEMALAKE_1"
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."
_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_INFLATED_MOST = 1 << 31
_META_MOST = 1 << 16
_UNDEFINED = 0xFFFFFFFF
_META_WRITTEN = frozenset(0x00020000 + n for n in (0, 1, 2, 3, 0x10, 0x12, 0x13))


class Pseudonyms(Pseudonymiser, Protocol):
    """What image files ask of pseudonyms."""


def deidentify_image(
    source: BinaryIO,
    target: BinaryIO,
    *,
    media_type: str,
    pseudonyms: Pseudonyms,
    patient_id: str,
    shift_days: int,
    site: str = "",
    profile: Profile | None = None,
) -> list[LogEntry]:
    """De-identify an image file of any format that can be; DICOM by `profile`, the default one without it.

    Raises `BadInput`: LABEL_IMAGE, OVERVIEW_IMAGE, NOT_REWRITABLE, TRUNCATED, UNREADABLE.
    """
    if media_type == "application/dicom":
        return deidentify_dicom(source, target, pseudonyms, patient_id, shift_days, site=site, profile=profile)
    # The readers of other formats come late: DICOM needs none of them, and they take time and memory to load.
    if media_type in ("image/x-aperio-svs", "image/tiff"):
        from jobs.deidentify.slides import deidentify_tiff

        return deidentify_tiff(source, target, pseudonyms, patient_id, shift_days)
    if media_type in ("image/jpeg", "image/png", "image/bmp"):
        from jobs.deidentify.fields import deidentify_field

        return deidentify_field(source, target, pseudonyms, patient_id, shift_days)
    raise BadInput(Reason.NOT_REWRITABLE)


def deidentify_dicom(
    source: BinaryIO,
    target: BinaryIO,
    pseudonyms: Pseudonyms,
    patient_id: str,
    shift_days: int,
    *,
    site: str = "",
    profile: Profile | None = None,
) -> list[LogEntry]:
    """De-identify one DICOM file (PS3.10); a deflated one comes out as Explicit VR Little Endian."""
    with _quiet_pydicom():
        try:
            return _dicom(source, target, pseudonyms, patient_id, shift_days, site, profile)
        except DamagedStream as damage:
            raise BadInput(Reason.TRUNCATED if damage.truncated else Reason.UNREADABLE) from None
        except CannotCopy:
            raise BadInput(Reason.NOT_REWRITABLE) from None
        except (HemalakeError, OSError, MemoryError):
            raise
        except Exception:  # pydicom raises nearly anything on damaged elements, and its messages quote them
            raise BadInput(Reason.UNREADABLE) from None


def _dicom(
    source: BinaryIO,
    target: BinaryIO,
    pseudonyms: Pseudonyms,
    patient_id: str,
    shift_days: int,
    site: str,
    profile: Profile | None,
) -> list[LogEntry]:
    source, dataset = _read_header(source)
    _refuse(dataset)
    layout = _layout(dataset)
    for tag in (0x7FE00001, 0x7FE00002):
        dataset.pop(tag, None)
    entries = _meta_entries(dataset)
    entries += clean(dataset, pseudonyms, patient_id=patient_id, shift_days=shift_days, site=site, profile=profile)
    _write_header(target, dataset, layout)
    has_pixels = copy_pixel_data(source, target, layout)
    if not has_pixels and dataset.get("SOPClassUID") == _SLIDE:
        raise BadInput(Reason.TRUNCATED)
    if source.read(1):
        entries.append(LogEntry("after the pixel data", log.REMOVED, "trailing elements and padding", "X"))
    return entries


def _read_header(source: BinaryIO) -> tuple[BinaryIO, FileDataset]:
    """Parse everything before the pixel data, and return the stream that stands at it."""
    try:
        syntax, end = _transfer_syntax(source)
        if syntax == DeflatedExplicitVRLittleEndian:
            source = _inflate(source, end)
        source.seek(0)
        dataset = pydicom.dcmread(source, stop_before_pixels=True, force=_has_no_preamble(source))
    except EOFError:
        raise BadInput(Reason.TRUNCATED) from None
    except OSError as error:
        if error.errno is None:  # pydicom's word for a sequence that ends early
            raise BadInput(Reason.TRUNCATED) from None
        raise
    if len(dataset) == 0:
        raise BadInput(Reason.UNREADABLE)
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.length != _UNDEFINED and len(raw.value or b"") < raw.length:
            raise BadInput(Reason.TRUNCATED)
    return source, dataset


def _has_no_preamble(source: BinaryIO) -> bool:
    """Whether the file begins with an element of group 0002 or 0008 at once, as some old ones do."""
    start = source.read(132)
    source.seek(0)
    return start[128:] != b"DICM" and start[:2] in (b"\x02\0", b"\x08\0", b"\0\x08")


def _transfer_syntax(source: BinaryIO) -> tuple[str, int]:
    """Return the transfer syntax of the file meta group and where that group ends; empty where there is
    none."""
    source.seek(0)
    start = source.read(_META_MOST)
    position = 132 if start[128:132] == b"DICM" else 0
    syntax = ""
    while start[position : position + 2] == b"\x02\0" and position + 12 <= len(start):
        number, vr = struct.unpack_from("<H2s", start, position + 2)
        long = vr in (b"OB", b"OW", b"UN", b"UT", b"SQ")
        (length,) = struct.unpack_from("<I" if long else "<H", start, position + (8 if long else 6))
        value = position + (12 if long else 8)
        if number == 0x0010:
            syntax = start[value : value + length].decode("ascii", "replace").strip("\0 ")
        position = value + length
    return syntax, position


def _inflate(source: BinaryIO, end: int) -> BinaryIO:
    """Return the file with its dataset inflated (PS3.5 section A.5) and a transfer syntax that says so."""
    inflated: BinaryIO = tempfile.SpooledTemporaryFile(1 << 26)  # type: ignore[assignment]  # noqa: SIM115
    value = ExplicitVRLittleEndian.encode().ljust(20, b"\0")
    inflated.write(bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0x0010, b"UI", len(value)) + value)
    source.seek(end)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while chunk := source.read(1 << 16):
        while chunk:
            inflated.write(inflater.decompress(chunk, 1 << 22))
            chunk = inflater.unconsumed_tail
        if inflated.tell() > _INFLATED_MOST:
            raise BadInput(Reason.UNREADABLE)
    inflated.write(inflater.flush())
    if not inflater.eof:
        raise BadInput(Reason.TRUNCATED)
    inflated.seek(0)
    return inflated


def _refuse(dataset: FileDataset) -> None:
    """Raise for objects that are not to pass: labels, overviews, documents, directories."""
    kinds = {str(v).strip().upper() for v in _values(dataset, "ImageType")}
    in_label = {str(v).strip().upper() for v in _values(dataset, "SpecimenLabelInImage")}
    if "LABEL" in kinds:
        raise BadInput(Reason.LABEL_IMAGE)
    if "OVERVIEW" in kinds or ("LOCALIZER" in kinds and _values(dataset, "SOPClassUID") == [_SLIDE]):
        raise BadInput(Reason.OVERVIEW_IMAGE)
    if "YES" in in_label:
        raise BadInput(Reason.LABEL_IMAGE)
    classes = _values(dataset, "SOPClassUID") + _values(dataset.file_meta, "MediaStorageSOPClassUID")
    if not classes and ("EncapsulatedDocument" in dataset or "DirectoryRecordSequence" in dataset):
        raise BadInput(Reason.NOT_REWRITABLE)  # in an object of another class they are strays, which are cleaned
    if any(str(c) == _MEDIA_DIRECTORY or str(c).startswith(_DOCUMENTS) for c in classes):
        raise BadInput(Reason.NOT_REWRITABLE)


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    """All values of an attribute, none where it is absent or cannot be read."""
    try:
        value = dataset.get(keyword)
    except Exception:
        return []
    if value is None or value == "":
        return []
    return [value] if isinstance(value, (str, int, float)) else list(value)


def _number(dataset: Dataset, keyword: str, otherwise: int) -> int:
    try:
        return int(_values(dataset, keyword)[0])
    except (IndexError, TypeError, ValueError):
        return otherwise


def _layout(dataset: FileDataset) -> Layout:
    implicit, little = dataset.original_encoding
    syntax = str(dataset.file_meta.get("TransferSyntaxUID") or "")
    if not syntax:
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    if syntax not in UID_dictionary and syntax not in IMAGE_CODECS:
        raise BadInput(Reason.NOT_REWRITABLE)
    frames = max(1, _number(dataset, "NumberOfFrames", 1))
    bits = math.prod(_number(dataset, k, 0) for k in ("Rows", "Columns", "BitsAllocated")) * frames
    samples = _number(dataset, "SamplesPerPixel", 1)
    if "YBR_FULL_422" in _values(dataset, "PhotometricInterpretation"):
        samples = 2
    return Layout(
        transfer_syntax=syntax,
        implicit=bool(implicit),
        little_endian=bool(little),
        frames=frames,
        native_bytes=(bits * samples + 7) // 8 or None,
        offset_table="ExtendedOffsetTable" in dataset,
    )


def _meta_entries(dataset: FileDataset) -> list[LogEntry]:
    """Say what of the preamble and the file meta group is not written again."""
    entries = []
    if (dataset.preamble or b"").strip(b"\0"):
        entries.append(LogEntry("preamble", log.EMPTIED, "preamble"))
    for tag in list(dataset.file_meta.keys()):
        if tag not in _META_WRITTEN:
            entries.append(LogEntry(f"(0002,{tag & 0xFFFF:04x})", log.REMOVED, "file meta information"))
    return entries


def _write_header(target: BinaryIO, dataset: FileDataset, layout: Layout) -> None:
    """Write preamble, file meta group and the cleaned dataset."""
    meta = FileMetaDataset()
    for ours, theirs in (
        ("MediaStorageSOPClassUID", "SOPClassUID"),
        ("MediaStorageSOPInstanceUID", "SOPInstanceUID"),
    ):
        if dataset.get(theirs):
            setattr(meta, ours, dataset[theirs].value)
    meta.TransferSyntaxUID = layout.transfer_syntax
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    header = DicomBytesIO()
    header.is_little_endian, header.is_implicit_VR = True, False
    write_file_meta_info(header, meta, enforce_standard=len(meta) == 5)
    header.is_little_endian, header.is_implicit_VR = layout.little_endian, layout.implicit
    try:
        if not layout.implicit:
            _make_explicit(dataset, layout.little_endian)
        write_dataset(header, dataset)
    except Exception:
        raise BadInput(Reason.UNREADABLE) from None
    target.write(bytes(128) + b"DICM" + header.getvalue())


def _make_explicit(dataset: Dataset, little_endian: bool) -> None:
    """Give every element that was read without a value representation its own, as some files mix both
    encodings."""
    unknown = False
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag)
        unknown |= raw.VR is None or " or " in raw.VR
        if raw.VR is None:
            raw = dataset[tag]
        if raw.VR == "SQ":
            for item in dataset[tag].value:
                _make_explicit(item, little_endian)
    if unknown:
        correct_ambiguous_vr(dataset, little_endian)


@contextmanager
def _quiet_pydicom() -> Iterator[None]:
    """Hold back pydicom's warnings, which quote values, and its validation, which would stop at odd ones."""
    logger = logging.getLogger("pydicom")
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = disabled
