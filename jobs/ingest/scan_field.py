"""Headers of JPEG, PNG and BMP files: who is named in them, and whether they are all there.

What is looked at: JPEG's end of image, PNG's chunks (W3C PNG, 5.2), the size that a BMP states.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Callable
from typing import BinaryIO

from PIL import ExifTags, Image

from jobs.errors import BadInput
from jobs.ingest.content import Content, Place
from jobs.ingest.jpeg_length import check_jpeg
from schemas.reasons import Reason

_EXIF_NAMES = (ExifTags.Base.Artist, ExifTags.Base.CameraOwnerName, ExifTags.Base.XPAuthor)
_EXIF_COMMENTS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.UserComment,
    ExifTags.Base.XPComment,
    ExifTags.Base.XPTitle,
    ExifTags.Base.XPSubject,
    ExifTags.Base.DocumentName,
)
_XMP_CREATOR = re.compile(rb"<dc:creator>(.*?)</dc:creator>", re.DOTALL)
_XMP_ITEM = re.compile(rb"<rdf:li[^>]*>([^<]+)</rdf:li>")


def read_field(content: Content, place: Place, stream: BinaryIO, size: int) -> None:
    """Read the header of a JPEG, PNG or BMP file.

    Raises:
        BadInput: not readable or cut off.
    """
    content.is_file(place)
    stream.seek(0)
    data = stream.read()
    _COMPLETE[content.media_type](data)
    stream.seek(0)
    try:
        with warnings.catch_warnings(), Image.open(stream) as image:
            warnings.simplefilter("ignore")
            _identify_field(content, image)
    except (OSError, Image.DecompressionBombError):
        raise BadInput(Reason.UNREADABLE) from None


def _identify_field(content: Content, image: Image.Image) -> None:
    exif = image.getexif()
    tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    for tag in _EXIF_NAMES:
        content.identify_name(_exif_text(tags.get(tag)))
    content.identify("device_serial", _exif_text(tags.get(ExifTags.Base.BodySerialNumber)))
    for tag in _EXIF_COMMENTS:
        content.identify_comment(_exif_text(tags.get(tag)))
    for name, value in image.info.items():
        if str(name).lower() in ("author", "artist", "creator"):
            content.identify_name(_exif_text(value))
        elif str(name).lower() in ("comment", "description", "title"):
            content.identify_comment(_exif_text(value))
    xmp = image.info.get("xmp") or b""
    for creator in _XMP_CREATOR.findall(xmp if isinstance(xmp, bytes) else str(xmp).encode()):
        for item in _XMP_ITEM.findall(creator):
            content.identify_name(item.decode("utf-8", "replace"))


def _exif_text(value: object) -> str:
    """Text of an EXIF value: plain, with the 8-byte mark of UserComment, or UTF-16 as Windows writes it."""
    if not isinstance(value, bytes):
        return "" if value is None else str(value).strip("\0 ")
    if value.startswith((b"ASCII\0\0\0", b"UNICODE\0", b"\0" * 8)):
        coding = "utf-16" if value.startswith(b"UNICODE") else "utf-8"
        return value[8:].decode(coding, "replace").strip("\0 ")
    wide = len(value) > 3 and value[1::2].count(0) * 3 > len(value)
    return value.decode("utf-16-le" if wide else "utf-8", "replace").strip("\0 ")


def _complete_png(data: bytes) -> None:
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if position + 12 + length > len(data):
            break
        if data[position + 4 : position + 8] == b"IEND":
            return
        position += 12 + length
    raise BadInput(Reason.TRUNCATED)


def _complete_bmp(data: bytes) -> None:
    if len(data) < 34:
        raise BadInput(Reason.TRUNCATED)
    start, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, bits = struct.unpack_from("<HH2xH", data, 18)
        codec = 0
    else:
        width, height, bits, codec = struct.unpack_from("<ii2xHI", data, 18)
    needed = (width * bits + 31) // 32 * 4 * abs(height) if codec in (0, 3) else 1
    if start + needed > len(data):
        raise BadInput(Reason.TRUNCATED)


_COMPLETE: dict[str, Callable[[bytes], None]] = {
    "image/jpeg": check_jpeg,
    "image/png": _complete_png,
    "image/bmp": _complete_bmp,
}
