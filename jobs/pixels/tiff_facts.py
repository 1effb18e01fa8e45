"""What the tags and descriptions of a TIFF say of how it was made, above all the size of its pixels."""

from __future__ import annotations

import html
import re
from typing import Any

from jobs.pixels.reader import Mpp, plausible_mpp

_RESOLUTION_UNITS = {2: 25_400.0, 3: 10_000.0}
"""µm in a ResolutionUnit (tag 296): inch or centimetre."""
_UNITS = {"µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "\\u00b5m": 1.0, "nm": 0.001, "mm": 1000.0, "cm": 10_000.0}
"""µm in the units of OME-XML and ImageJ."""
_NDPI_LENS = 65421
_OPTICS = (4.0, 25.0)
"""What µm per pixel times magnification can be: 10 for most scanners; outside, one of the two is wrong."""


def aperio(page: Any) -> dict[str, str]:
    """What Aperio writes into ImageDescription: `key = value` between bars; empty for other makers."""
    description = str(page.description or "")
    if not description.startswith("Aperio"):
        return {}
    parts = (part.split("=", 1) for part in description.split("|")[1:] if "=" in part)
    return {"": "Aperio"} | {key.strip(): value.strip() for key, value in parts}


def mpp(page: Any, facts: dict[str, str]) -> tuple[Mpp | None, str | None]:
    """Size of a pixel by the most explicit statement: Aperio's, OME-XML, ImageJ's, then the resolution tags.

    Returns:
        `mpp` and `mpp_missing` of a reader.
    """
    stated = number(facts.get("MPP"))
    if stated is not None:
        power = number(facts.get("AppMag"))
        if power and not _OPTICS[0] <= stated * power <= _OPTICS[1]:
            return None, "contradictory: Aperio MPP and AppMag do not go together"
        return plausible_mpp(stated, stated, "Aperio MPP")
    description = str(page.description or "")
    if "<OME" in description[:4096]:
        across, down = _ome(description, "X"), _ome(description, "Y")
        if across and down:
            return plausible_mpp(across, down, "OME-XML PhysicalSize")
    across, down = _ratio(tag(page, 282)), _ratio(tag(page, 283))
    unit, source = _RESOLUTION_UNITS.get(int(tag(page, 296) or 2)), "TIFF resolution"
    if description.startswith("ImageJ="):
        named = re.search(r"^unit=(\S+)", description, re.MULTILINE)
        unit, source = _UNITS.get(named[1].lower()) if named else unit, "ImageJ unit and TIFF resolution"
    if unit is None or not across or not down:
        return plausible_mpp(None, None, "")
    return plausible_mpp(unit / across, unit / down, source)


def magnification(page: Any, facts: dict[str, str]) -> float | None:
    """Of the objective, as Aperio, OME-XML or Hamamatsu states it."""
    named = re.search(r'\bNominalMagnification="([^"]*)"', str(page.description or ""))
    stated = number(facts.get("AppMag")) or (number(named[1]) if named else None)
    lens = tag(page, _NDPI_LENS)
    return stated or (float(lens) if isinstance(lens, int | float) and lens > 0 else None)


def _ome(description: str, axis: str) -> float | None:
    """PhysicalSizeX or Y of the first image in OME-XML, in µm, which is its default unit."""
    value = re.search(rf'\bPhysicalSize{axis}="([^"]*)"', description)
    unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]*)"', description)
    size, factor = number(value[1]) if value else None, _UNITS.get(html.unescape(unit[1])) if unit else 1.0
    return size * factor if size and factor else None


def _ratio(value: Any) -> float | None:
    """A TIFF rational as a number."""
    if isinstance(value, tuple) and len(value) == 2:
        return value[0] / value[1] if value[1] else None
    return float(value) if isinstance(value, int | float) and value else None


def tag(page: Any, code: int) -> Any:
    """The value of a tag, or None."""
    found = page.tags.get(code)
    return None if found is None else found.value


def text(page: Any, code: int) -> str | None:
    """The value of a text tag, or None."""
    return str(tag(page, code) or "").strip("\0 ") or None


def number(value: str | None) -> float | None:
    """A number that is written as text, or None."""
    try:
        return float(value) if value else None
    except ValueError:
        return None
