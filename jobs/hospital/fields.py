"""Write smear fields as JPEG, some with a name in EXIF."""

from __future__ import annotations

import io

from PIL import ExifTags, Image

from jobs.hospital.canvas import Pixels
from jobs.hospital.people import OPERATORS
from jobs.hospital.plan import Scan

CAMERA_SERIAL = {"helsinki": "CAM-40712233", "munich": "CAM-90881145"}


def write_field(scan: Scan, pixels: Pixels) -> bytes:
    """The JPEG file; its EXIF says who photographed and, where the scan has a comment, whom."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Isokamera"
    exif[ExifTags.Base.Artist] = artist(scan)
    if scan.comment:
        exif[ExifTags.Base.ImageDescription] = scan.comment.encode()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = f"{scan.scanned:%Y:%m:%d %H:%M:%S}"
    details[ExifTags.Base.BodySerialNumber] = CAMERA_SERIAL[scan.source]
    if scan.comment:
        details[ExifTags.Base.UserComment] = b"ASCII\0\0\0" + scan.person.national_id.encode("ascii")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=scan.quality, subsampling="4:2:0", exif=exif)
    return file.getvalue()


def artist(scan: Scan) -> str:
    """Who photographed."""
    family, _, given = OPERATORS[scan.source].partition("^")
    return f"{given} {family}"
