"""Image files in, de-identified image files out: pixels are the same bytes, what is around them is cleaned.

Nothing here knows tables or Spark. Streams are seekable binary files; on an error the target holds rubbish
and is to be discarded.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from jobs.dicom import log
from jobs.dicom.codestream import DamagedStream
from jobs.dicom.dataset import Dataset, Element
from jobs.dicom.deflate import deflate, inflated, temporary
from jobs.dicom.dictionary import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, uids
from jobs.dicom.log import LogEntry
from jobs.dicom.pixel_data import IMAGE_CODECS, CannotCopy, Copied, Layout, copy_pixel_data
from jobs.dicom.profile import Profile
from jobs.dicom.reader import TRANSFER_SYNTAX, Header, read_header
from jobs.dicom.walker import Pseudonymiser, clean
from jobs.dicom.writer import Encoder
from jobs.errors import BadInput, HemalakeError
from schemas.reasons import Reason

SUFFIXES = {
    "application/dicom": "dcm",
    "image/x-aperio-svs": "svs",
    "image/tiff": "tif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/bmp": "bmp",
}
"""How outputs are named, by media type: what can be de-identified."""
IMPLEMENTATION_UID = "2.25.302913460411876321345098219374417282305"
"""Names HemaLake as the writer of a file (PS3.7 section D.3.3.2)."""
IMPLEMENTATION_VERSION = "HEMALAKE_1"
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."
_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_META_WRITTEN = frozenset(0x00020000 + n for n in (0, 1, 2, 3, 0x10, 0x12, 0x13))
_IMAGE_TYPE, _SOP_CLASS, _SOP_INSTANCE, _META_CLASS = 0x00080008, 0x00080016, 0x00080018, 0x00020002
_BURNED_IN, _LABEL_IN_IMAGE, _DOCUMENT, _RECORDS = 0x00280301, 0x00480010, 0x00420011, 0x00041220
_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS = 0x280002, 0x280004, 0x280008, 0x280010, 0x280011, 0x280100
_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002


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
    whole: bool = True,
    inspect: Callable[[], bool] = lambda: False,
) -> list[LogEntry]:
    """De-identify an image file of any format that can be; DICOM by `profile`, the default one without it.

    A DICOM file that ends before its data does is refused when it must be `whole`, else cleaned as far as it goes.
    `inspect` looks through the pixels of what is not refused by its header, and says whether it saw all of them.

    Raises `BadInput`: LABEL_IMAGE, OVERVIEW_IMAGE, NOT_REWRITABLE, TRUNCATED, UNREADABLE; what `inspect` raises.
    """
    if media_type == "application/dicom":
        return deidentify_dicom(
            source,
            target,
            pseudonyms,
            patient_id,
            shift_days,
            site=site,
            profile=profile,
            whole=whole,
            inspect=inspect,
        )
    # The readers of other formats come late: DICOM needs none of them, and they take time and memory to load.
    if media_type in ("image/x-aperio-svs", "image/tiff"):
        from jobs.deidentify.slides import deidentify_tiff

        entries = deidentify_tiff(source, target, pseudonyms, patient_id, shift_days)
    elif media_type in ("image/jpeg", "image/png", "image/bmp"):
        from jobs.deidentify.fields import deidentify_field

        entries = deidentify_field(source, target, pseudonyms, patient_id, shift_days)
    else:
        raise BadInput(Reason.NOT_REWRITABLE)
    inspect()
    return entries


def deidentify_dicom(
    source: BinaryIO,
    target: BinaryIO,
    pseudonyms: Pseudonyms,
    patient_id: str,
    shift_days: int,
    *,
    site: str = "",
    profile: Profile | None = None,
    whole: bool = True,
    inspect: Callable[[], bool] = lambda: False,
) -> list[LogEntry]:
    """De-identify one DICOM file (PS3.10); it keeps its transfer syntax."""

    def cleaner(dataset: Dataset) -> list[LogEntry]:
        # What says itself that it holds text is not said to hold none because none was found.
        inspected = inspect() and "YES" not in dataset.texts(_BURNED_IN)
        return clean(
            dataset,
            pseudonyms,
            patient_id=patient_id,
            shift_days=shift_days,
            site=site,
            profile=profile,
            inspected=inspected,
        )

    with _quiet_pydicom():
        try:
            plain = inflated(source)
            if plain is None:
                return _dicom(source, target, cleaner, whole)
            with plain, temporary() as cleaned:
                entries = _dicom(plain, cleaned, cleaner, whole)
                deflate(cleaned, target)
                return entries
        except DamagedStream as damage:
            raise BadInput(Reason.TRUNCATED if damage.truncated else Reason.UNREADABLE) from None
        except CannotCopy:
            raise BadInput(Reason.NOT_REWRITABLE) from None
        except (HemalakeError, OSError, MemoryError):
            raise
        except Exception:  # the libraries raise nearly anything on damaged values, and their messages quote them
            raise BadInput(Reason.UNREADABLE) from None


def _dicom(
    source: BinaryIO, target: BinaryIO, cleaner: Callable[[Dataset], list[LogEntry]], whole: bool
) -> list[LogEntry]:
    header = read_header(source)
    if all(element.missing for element in header.dataset.values()):
        raise BadInput(Reason.UNREADABLE)
    if header.truncated and whole:
        raise BadInput(Reason.TRUNCATED)
    dataset = header.dataset
    _refuse(header)
    layout = _layout(header)
    entries = _meta_entries(header)
    for tag in (_OFFSETS, _LENGTHS):
        dataset.pop(tag, None)
    entries += cleaner(dataset)
    encoder = Encoder(layout.implicit, layout.order, header.truncated)
    target.write(encoder.file(_meta(dataset, layout), dataset))
    source.seek(header.end)
    copied = copy_pixel_data(source, target, layout, whole=whole)
    if copied is Copied.NOTHING and whole and dataset.text(_SOP_CLASS) == _SLIDE:
        raise BadInput(Reason.TRUNCATED)
    if copied is Copied.NOTHING and not header.truncated:
        target.write(encoder.padding(dataset))
    if header.truncated or copied is Copied.PART:
        entries.append(LogEntry("end of the file", log.KEPT, log.TRUNCATED))
    if source.read(1):
        entries.append(LogEntry("after the pixel data", log.REMOVED, "trailing elements and padding", "X"))
    return entries


def _refuse(header: Header) -> None:
    """Raise for objects that are not to pass: labels, overviews, documents, directories."""
    dataset = header.dataset
    kinds = {value.upper() for value in dataset.texts(_IMAGE_TYPE)}
    classes = dataset.texts(_SOP_CLASS) + header.meta.texts(_META_CLASS)
    if "LABEL" in kinds:
        raise BadInput(Reason.LABEL_IMAGE)
    if "OVERVIEW" in kinds or ("LOCALIZER" in kinds and dataset.text(_SOP_CLASS) == _SLIDE):
        raise BadInput(Reason.OVERVIEW_IMAGE)
    if "YES" in {value.upper() for value in dataset.texts(_LABEL_IN_IMAGE)}:
        raise BadInput(Reason.LABEL_IMAGE)
    if not classes and (_DOCUMENT in dataset or _RECORDS in dataset):
        raise BadInput(Reason.NOT_REWRITABLE)  # in an object of another class they are strays, which are cleaned
    if any(name == _MEDIA_DIRECTORY or name.startswith(_DOCUMENTS) for name in classes):
        raise BadInput(Reason.NOT_REWRITABLE)


def _layout(header: Header) -> Layout:
    dataset, implicit, little = header.dataset, header.implicit, header.order == "<"
    syntax = header.meta.text(TRANSFER_SYNTAX)
    if not syntax:
        syntax = IMPLICIT_LITTLE if implicit else EXPLICIT_LITTLE if little else EXPLICIT_BIG
    if syntax not in uids() and syntax not in IMAGE_CODECS:
        raise BadInput(Reason.NOT_REWRITABLE)
    stated = dataset.number(_FRAMES, 0 if _FRAMES in dataset else 1)
    frames = max(1, stated)
    pixels, allocated = dataset.number(_ROWS, 0) * dataset.number(_COLUMNS, 0), dataset.number(_BITS, 0)
    bits = pixels * allocated * frames
    samples = 2 if "YBR_FULL_422" in dataset.texts(_PHOTOMETRIC) else dataset.number(_SAMPLES, 1)
    return Layout(
        transfer_syntax=syntax,
        implicit=implicit,
        little_endian=little,
        frames=frames,
        native_bytes=((bits * samples + 7) // 8 or None) if stated > 0 else None,
        plane=((pixels * min(allocated, 8) + 7) // 8 or None),
        offset_table=_OFFSETS in dataset,
    )


def _meta_entries(header: Header) -> list[LogEntry]:
    """Say what of the preamble and the file meta group is not written again."""
    entries = []
    if header.preamble.strip(b"\0"):
        entries.append(LogEntry("preamble", log.EMPTIED, "preamble"))
    for tag in header.meta:
        if tag not in _META_WRITTEN:
            entries.append(LogEntry(f"(0002,{tag & 0xFFFF:04x})", log.REMOVED, "file meta information"))
    return entries


def _meta(dataset: Dataset, layout: Layout) -> Dataset:
    """The file meta group of an output (PS3.10 section 7.1)."""
    meta = Dataset()
    texts = {
        _META_CLASS: dataset.text(_SOP_CLASS),
        0x00020003: dataset.text(_SOP_INSTANCE),
        TRANSFER_SYNTAX: layout.transfer_syntax,
        0x00020012: IMPLEMENTATION_UID,
    }
    meta[0x00020001] = Element(0x00020001, "OB", b"\0\1")
    for tag, text in texts.items():
        if text:
            meta[tag] = Element(tag, "UI", text.encode())
    meta[0x00020013] = Element(0x00020013, "SH", IMPLEMENTATION_VERSION.encode())
    return meta


@contextmanager
def _quiet_pydicom() -> Iterator[None]:
    """Hold back pydicom's warnings on character sets, which quote values."""
    logger = logging.getLogger("pydicom")
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = disabled
