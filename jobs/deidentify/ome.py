"""OME-XML of an OME-TIFF (schema 2016-06), rebuilt with the numbers that its pixels need.

Names, comments, annotations, regions, file names and UUIDs are not among them. Of several images only the one
that begins on the first page is described, for the others may be a label or a macro image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from jobs.deidentify.tiff import CannotRewrite, Page

_LONGEST = 1 << 24
_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_ORDERS = frozenset({"XYZCT", "XYZTC", "XYCTZ", "XYCZT", "XYTCZ", "XYTZC"})
_TYPES = frozenset({"int8", "int16", "int32", "uint8", "uint16", "uint32", "float", "double"})
_REAL = re.compile(r"\d{1,7}(\.\d{1,17})?([eE]-?\d{1,2})?")
_UNITS = frozenset({"nm", "µm", "mm", "cm", "pixel"})
_IMMERSIONS = frozenset({"Oil", "Water", "WaterDipping", "Air", "Multi", "Glycerol", "Other"})


@dataclass(frozen=True)
class OmeImage:
    """What is kept of one image."""

    order: str
    kind: str
    sizes: dict[str, int]
    """By dimension X, Y, Z, C and T."""
    samples: int
    attributes: dict[str, str]
    """Of `Pixels`: sizes of a pixel, significant bits."""
    objective: dict[str, str]
    acquired: str

    @property
    def planes(self) -> int:
        """How many pages the image has."""
        return self.sizes["Z"] * self.sizes["T"] * max(1, self.sizes["C"] // self.samples)


def is_ome(text: str) -> bool:
    """Whether a description is OME-XML."""
    return text.endswith("OME>") and len(text) < _LONGEST


def read_ome(text: str, page: Page) -> OmeImage | None:
    """What a description says of the image whose first plane is `page`, None where that cannot be told.

    Raises `CannotRewrite` where planes do not follow each other as pages.
    """
    from defusedxml import ElementTree

    try:
        root = ElementTree.fromstring(text)
    except Exception:  # a parser's errors quote what they parsed
        return None
    for image in _children(root, "Image"):
        pixels = next(iter(_children(image, "Pixels")), None)
        if pixels is None or not _begins_first(pixels):
            continue
        sizes = {axis: _whole(pixels, f"Size{axis}") for axis in "XYZCT"}
        order, kind = pixels.get("DimensionOrder", ""), pixels.get("Type", "")
        if min(sizes.values()) < 1 or (sizes["X"], sizes["Y"]) != page.size or order not in _ORDERS:
            return None
        channels = _children(pixels, "Channel")
        samples = _whole(channels[0], "SamplesPerPixel") if channels else 0
        samples = samples or max(1, sizes["C"] // max(1, len(channels)))
        if kind not in _TYPES or sizes["C"] % samples:
            return None
        found = OmeImage(order, kind, sizes, samples, _measures(pixels), _objective(root, image), _acquired(image))
        _check_order(pixels, found)
        return found
    return None


def write_ome(image: OmeImage, shift_days: int) -> str:
    """OME-XML of one image, in ASCII."""
    optics = "".join(f' {name}="{value}"' for name, value in image.objective.items())
    instrument = f'<Instrument ID="Instrument:0"><Objective ID="Objective:0"{optics}/></Instrument>' if optics else ""
    refers = '<InstrumentRef ID="Instrument:0"/><ObjectiveSettings ID="Objective:0"/>' if optics else ""
    date = _shift(image.acquired, shift_days)
    acquired = f"<AcquisitionDate>{date}</AcquisitionDate>" if date else ""
    sizes = "".join(f' Size{axis}="{number}"' for axis, number in image.sizes.items())
    more = "".join(f' {name}="{value}"' for name, value in image.attributes.items())
    channels = "".join(
        f'<Channel ID="Channel:0:{n}" SamplesPerPixel="{image.samples}"/>'
        for n in range(image.sizes["C"] // image.samples)
    )
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{_NAMESPACE}">{instrument}<Image ID="Image:0">'
        f'{acquired}{refers}<Pixels ID="Pixels:0" DimensionOrder="{image.order}" Type="{image.kind}"{sizes}{more}>'
        f'{channels}<TiffData IFD="0" PlaneCount="{image.planes}"/></Pixels></Image></OME>'
    )
    return text.replace("µ", "&#181;")


def _children(element: Any, name: str) -> list[Any]:
    return [child for child in element if str(child.tag).rpartition("}")[2] == name]


def _whole(element: Any, name: str) -> int:
    value = element.get(name, "")
    return int(value) if value.isdigit() and value.isascii() and len(value) < 9 else 0


def _begins_first(pixels: Any) -> bool:
    """Whether the pixels begin on the first page; without `TiffData`, those of the first image do."""
    data = _children(pixels, "TiffData")
    return not data or any(_whole(item, "IFD") == 0 for item in data)


def _check_order(pixels: Any, image: OmeImage) -> None:
    """Raise where `TiffData` sends planes to other pages than those in their order."""
    lengths = {"Z": image.sizes["Z"], "C": max(1, image.sizes["C"] // image.samples), "T": image.sizes["T"]}
    if image.planes > 4096:
        raise CannotRewrite
    axes = image.order[:1:-1]  # the slowest first
    places = {place: n for n, place in enumerate(product(*(range(lengths[axis]) for axis in axes)))}
    for item in _children(pixels, "TiffData"):
        first = {axis: _whole(item, f"First{axis}") for axis in "ZCT"}
        first["C"] //= image.samples if lengths["C"] * image.samples == image.sizes["C"] > lengths["C"] else 1
        if places.get(tuple(first[axis] for axis in axes)) != _whole(item, "IFD"):
            raise CannotRewrite


def _measures(pixels: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for axis in "XYZ":
        value, unit = pixels.get(f"PhysicalSize{axis}", ""), pixels.get(f"PhysicalSize{axis}Unit", "µm")
        unit = unit.replace("μ", "µ")
        if _is_real(value) and unit in _UNITS:
            found |= {f"PhysicalSize{axis}": value, f"PhysicalSize{axis}Unit": unit}
    bits = _whole(pixels, "SignificantBits")
    if 1 <= bits <= 64:
        found["SignificantBits"] = str(bits)
    if pixels.get("Interleaved") in ("true", "false"):
        found["Interleaved"] = pixels.get("Interleaved")
    return found


def _objective(root: Any, image: Any) -> dict[str, str]:
    """Numbers of the objective that the image names."""
    settings = _children(image, "ObjectiveSettings") + _children(image, "ObjectiveRef")
    wanted = settings[0].get("ID") if settings else None
    objectives = [o for instrument in _children(root, "Instrument") for o in _children(instrument, "Objective")]
    chosen = next((o for o in objectives if o.get("ID") == wanted), objectives[0] if len(objectives) == 1 else None)
    if chosen is None:
        return {}
    limits = {"NominalMagnification": 250.0, "CalibratedMagnification": 250.0, "LensNA": 2.0}
    found: dict[str, str] = {
        name: chosen.get(name) for name, high in limits.items() if _is_real(chosen.get(name, ""), 0.01, high)
    }
    if chosen.get("Immersion") in _IMMERSIONS:
        found["Immersion"] = chosen.get("Immersion")
    return found


def _is_real(value: str, low: float = 1e-9, high: float = 1e5) -> bool:
    return bool(_REAL.fullmatch(value)) and low <= float(value) <= high


def _acquired(image: Any) -> str:
    found = _children(image, "AcquisitionDate")
    return str(found[0].text or "").strip() if found else ""


def _shift(value: str, days: int) -> str:
    """Move an ISO 8601 time by whole days, and cut it to the hour; empty where it is none."""
    try:
        time = datetime.fromisoformat(value)
        moved = time.replace(minute=0, second=0, microsecond=0, tzinfo=None) + timedelta(days=days)
        return moved.strftime("%Y-%m-%dT%H:%M:%S") if re.match(r"\d{4}-\d\d-\d\dT", value) else ""
    except (ValueError, OverflowError):
        return ""
