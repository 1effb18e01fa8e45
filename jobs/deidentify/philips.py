"""Philips' TIFF: a DPUfsImport document that says the size of a pixel, level by level, rebuilt with that alone.

The original holds barcodes, operators and serial numbers, and the label and the macro image in base64.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jobs.deidentify.levels import Level

_LONGEST = 1 << 26
_SPACING = re.compile(r'"?(\d{1,3}\.\d{1,17}(?:[eE]-\d{1,2})?)"?\s+"?(\d{1,3}\.\d{1,17}(?:[eE]-\d{1,2})?)"?')
_SOFTWARE = re.compile(r"Philips(?: DP v\d{1,3}(?:\.\d{1,3}){0,2})?")
Spacing = tuple[float, float]
"""mm between rows and between columns."""


def is_philips(software: str, text: str) -> bool:
    """Whether software and description are Philips', as OpenSlide tells."""
    return software.startswith("Philips") and "<DataObject" in text[:1000] and len(text) < _LONGEST


def clean_software(software: str) -> str:
    """The name by which the format is known, with its version."""
    return software if _SOFTWARE.fullmatch(software) else "Philips"


def read_spacing(text: str) -> Spacing | None:
    """mm between rows and columns of level 0, None where the document states none."""
    from defusedxml import ElementTree

    try:
        root = ElementTree.fromstring(text)
    except Exception:  # a parser's errors quote what they parsed
        return None
    stated = [
        match
        for image in root.iter("DataObject")
        if any(_named(child, "PIM_DP_IMAGE_TYPE") and (child.text or "").strip() == "WSI" for child in image)
        for attribute in image.iter("Attribute")
        if _named(attribute, "DICOM_PIXEL_SPACING") and (match := _SPACING.fullmatch((attribute.text or "").strip()))
    ]
    spacings = [(float(match[1]), float(match[2])) for match in stated]
    return min(spacings, default=None)


def write_description(spacing: Spacing, levels: Sequence[Level]) -> str:
    """The document for the given levels, largest first."""
    main = _attribute("DICOM_PIXEL_SPACING", _written(spacing, (1.0, 1.0)))
    parts = "".join(
        '<DataObject ObjectType="PixelDataRepresentation">'
        + _attribute("DICOM_PIXEL_SPACING", _written(spacing, level.factor))
        + _attribute("PIIM_PIXEL_DATA_REPRESENTATION_NUMBER", str(number), "IUInt16")
        + "</DataObject>"
        for number, level in enumerate(levels)
    )
    sequence = _attribute("PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE", f"<Array>{parts}</Array>", "IDataObjectArray")
    image = _attribute("PIM_DP_IMAGE_TYPE", "WSI") + main + sequence
    scanned = f'<Array><DataObject ObjectType="DPScannedImage">{image}</DataObject></Array>'
    body = _attribute("PIM_DP_SCANNED_IMAGES", scanned, "IDataObjectArray")
    return f'<?xml version="1.0" encoding="UTF-8"?><DataObject ObjectType="DPUfsImport">{body}</DataObject>'


def _written(spacing: Spacing, factor: tuple[float, float]) -> str:
    return f'"{spacing[0] * factor[1]!r}" "{spacing[1] * factor[0]!r}"'


def _named(element: Any, name: str) -> bool:
    return bool(element.tag == "Attribute" and element.get("Name") == name)


def _attribute(name: str, value: str, kind: str = "IString") -> str:
    return f'<Attribute Name="{name}" PMSVR="{kind}">{value}</Attribute>'
