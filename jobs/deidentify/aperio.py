"""Aperio's ImageDescription, rebuilt from what is known to be harmless.

It reads `<library>\\r\\n<geometry>|key = value|…`. A key passes with a number in the range that it can have;
names, numbers of slides and serial numbers stand under other keys, and under none of these.
"""

from __future__ import annotations

import re

from jobs.deidentify.tiff_tags import shifted
from jobs.dicom import log
from jobs.dicom.log import LogEntry
from jobs.dicom.values import is_public_device

_NUMBER = re.compile(r"-?\d{1,7}(\.\d{1,18})?([eE]-?\d{1,2})?")
_GEOMETRY = re.compile(
    r"\d{1,7}x\d{1,7}|\[\d{1,7},\d{1,7}|\d{1,7}x\d{1,7}\]|\(\d{1,5}x\d{1,5}\)|->|-|;"
    r"|(JPEG|J2K|J2000|LZW|Deflate|None|RGB)(/(RGB|YCC|YUV16|YUV|KDU|GRAY|Gray|Raw))?|Q=\d{1,3}(;q=\d{1,3})?"
)
_LIBRARY = re.compile(r"Aperio (?:Image Library|Leica Biosystems GT450(?: DX)?)(?: [vV]\d{1,3}(?:\.\d{1,3}){0,3})?")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_SCALE = 100_000.0

NUMBER_KEYS: dict[str, tuple[float, float]] = {
    "AppMag": (0.5, 200), "MPP": (0.001, 1000), "StripeWidth": (1, _SCALE), "Left": (-200, 200), "Top": (-200, 200),
    "LineCameraSkew": (-10, 10), "LineAreaXOffset": (-10, 10), "LineAreaYOffset": (-10, 10),
    "Focus Offset": (-10, 10), "OriginalWidth": (1, 1e7), "OriginalHeight": (1, 1e7), "Originalheight": (1, 1e7),
    "Filtered": (0, 99), "DisplayColor": (0, 99), "Exposure Time": (0, _SCALE), "Exposure Scale": (0, 1),
    "ExposureTime": (0, _SCALE), "ExposureScale": (0, 1), "Gamma": (0, 10), "OffsetX": (0, 1e7), "OffsetY": (0, 1e7),
    "CalibrationAverageRed": (0, 255), "CalibrationAverageGreen": (0, 255), "CalibrationAverageBlue": (0, 255),
}  # fmt: skip
"""Keys whose value is a number, and its range."""
DEVICE_KEYS = frozenset({"ScannerType", "ICC Profile"})
"""Keys whose value passes when it names a device that is on the market."""
OTHER_KEYS = frozenset(
    {
        "ScanScope ID", "Filename", "Title", "Time", "Time Zone", "User", "Parmset", "ImageID", "Barcode", "Patient",
        "Accession", "SessonMode", "SessionMode", "CaseID", "BlockID", "SlideID", "Slide", "Rack", "Collection",
        "DSR ID", "Operator", "Date",
    }
)  # fmt: skip
"""Keys that Aperio writes and that may be named in a log; any other could hold an identifier itself."""


def clean_description(text: str, shift_days: int, path: str, entries: list[LogEntry]) -> str:
    """Aperio's description of one page; what is left out is told in `entries`, without its value."""
    head, *pairs = text.split("|")
    library, _, geometry = head.partition("\n")
    match = _LIBRARY.match(library)
    words = [word for word in geometry.split() if _GEOMETRY.fullmatch(word)]
    kept = [(match[0] if match else "Aperio Image Library") + "\r\n" + " ".join(words)]
    for pair in pairs:
        key, _, value = (part.strip() for part in pair.partition("="))
        clean = _value(key, value, shift_days)
        named = key if key in NUMBER_KEYS or key in DEVICE_KEYS | OTHER_KEYS else "other"
        if clean is None:
            entries.append(LogEntry(f"{path}.ImageDescription.{named}", log.REMOVED, "value of the description"))
            continue
        if clean != value:
            done = log.SHIFTED if key == "Date" else log.GENERALISED
            entries.append(LogEntry(f"{path}.ImageDescription.{named}", done, "dates move, times lose minutes"))
        kept.append(f"{key} = {clean}")
    return "|".join(kept)


def _value(key: str, value: str, shift_days: int) -> str | None:
    """The value as it may be written, None when it may not."""
    if key == "Date":
        return shifted(value, shift_days, "%m/%d/%y" if len(value) == 8 else "%m/%d/%Y")
    if key == "Time":
        match = _TIME.fullmatch(value)
        return f"{match[1]}:00:00" if match else None
    if key in DEVICE_KEYS:
        return value if is_public_device(value) else None
    low, high = NUMBER_KEYS.get(key, (1.0, 0.0))
    return value if _NUMBER.fullmatch(value) and low <= float(value) <= high else None
