"""Slides of every format, made with tifffile, with a token in every tag and key that can hold text."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

TOKEN = "Zyxwvut"
"""Every planted token begins so; no format holds it."""
_TEXT_TAGS = (
    269, 285, 305, 315, 316, 333, 337, 33432, 33550, 37724, 40091, 40092, 40093, 40094, 40095, 42112, 42113, 50706,
    50838, 51023, 65000, 65001, 65535,
)  # fmt: skip
_BYTE_TAGS = (286, 287, 529, 532, 700, 33723, 34377, 34853, 34665, 37510, 50839, 51123, 64999)
"""Among them tags of numbers, here of a type that they never have."""


class Tokens:
    """Counts tokens, so that each is told from the others."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"{TOKEN}{self.count:04d}"

    def tags(self, *without: int) -> list[tuple]:
        """A token in every tag that can hold bytes."""
        text = [(tag, "s", 0, self(), False) for tag in _TEXT_TAGS if tag not in without]
        raw = []
        for tag in _BYTE_TAGS:
            value = self().encode()
            raw.append((tag, "B", len(value), value, False))
        spelt = tuple(np.frombuffer(self().encode().ljust(8, b"!")[:8], "<u4").tolist())
        return [*text, *raw, (64998, "2I", 1, spelt, False)]


def picture(width: int, height: int, seed: int = 1) -> np.ndarray:
    """RGB like a smear: dark cells on a light ground, with a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    pixels = np.full((height, width, 3), 230.0)
    for _ in range(max(8, width * height // 1500)):
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(4, 18)
        pixels[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.uniform(60, 200, 3)
    return np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)


def smaller(pixels: np.ndarray, factor: int = 2) -> np.ndarray:
    """Pixels averaged; what is left over at the edges is cut off."""
    height, width = (side // factor * factor for side in pixels.shape[:2])
    blocks = pixels[:height, :width].reshape(height // factor, factor, width // factor, factor, -1)
    return blocks.mean((1, 3)).astype(pixels.dtype).reshape(height // factor, width // factor, *pixels.shape[2:])


def label(width: int = 128, height: int = 128) -> np.ndarray:
    """A white paper with dark lines, as a label is."""
    pixels = np.full((height, width, 3), 250, np.uint8)
    rng = np.random.default_rng(9)
    for top in range(8, height - 12, 20):
        for left in range(6, width - 10, 9):
            if rng.random() < 0.8:
                pixels[top : top + 12, left : left + 6] = 20
    return pixels


@dataclass(frozen=True)
class Slide:
    """A slide's bytes, and what of it is to come out."""

    data: bytes
    levels: list[str]
    """Path of each level's page: `0` is the first page, `0.1` its second sub-page."""
    openslide: int = 3
    """Levels that OpenSlide sees; 0 where it does not read the format."""
    suffix: str = ".tif"


def aperio_text(tokens: Tokens, width: int, height: int) -> str:
    keys = [
        "AppMag = 40", "MPP = 0.2501", "Date = 03/01/24", "Time = 10:11:12", "StripeWidth = 2040", "Gamma = 2.2",
        "Left = 33.4", "Exposure Time = 45", f"OriginalWidth = {width}",
    ]  # fmt: skip
    for key in ("User", "Filename", "Title", "ScanScope ID", "Barcode", "Parmset", "ICC Profile", "ScannerType",
                "Slide", "Time Zone", "Focus Offset", "DisplayColor", "Patient", tokens()):  # fmt: skip
        keys.append(f"{key} = {tokens()}")
    head = f"Aperio Image Library v12.0.15 {tokens()}\r\n{width}x{height} [0,0 {width}x{height}] (128x128) {tokens()}"
    return f"{head} JPEG/{tokens()} JPEG/RGB Q=70|" + "|".join(keys)


TILED = {"tile": (128, 128), "photometric": "rgb", "metadata": None, "software": False}


def svs(*, order: str = "thumbnail first", **options) -> Slide:
    """Three levels, thumbnail, label and macro; a label in tiles whose sides are those of a level."""
    tokens, full = Tokens(), picture(640, 512)
    options = TILED | {"compression": "jpeg"} | options
    byteorder = options.pop("byteorder", "<")
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=options.pop("bigtiff", False), byteorder=byteorder) as tiff:

        def level(pixels: np.ndarray, **more) -> None:
            text = aperio_text(tokens, pixels.shape[1], pixels.shape[0])
            tiff.write(
                pixels, description=text, extratags=tokens.tags(), datetime="2024:03:01 10:11:12", **options, **more
            )

        def strip(pixels: np.ndarray, text: str, **more) -> None:
            tiff.write(pixels, photometric="rgb", description=text, metadata=None, software=False, **more)

        level(full)
        pages = ["0"]
        if order == "thumbnail first":
            strip(smaller(full, 4), f"Aperio {tokens()}")
            pages += ["2", "4"]
        else:
            strip(label(), f"Aperio\r\nlabel 1x1 {tokens()}", subfiletype=1)
            strip(label(300, 100), f"Aperio\r\nmacro 1x1 {tokens()}", subfiletype=9)
            pages += ["3", "5"]
        level(smaller(full))
        tiff.write(label(320, 256), description="Aperio", **options)
        level(smaller(full, 4))
        tiff.write(label(160, 128), description=aperio_text(tokens, 160, 128), subfiletype=1, **options)
        strip(label(), f"Aperio\r\nlabel 1x1 {tokens()}", subfiletype=1)
        strip(label(300, 100), f"Aperio\r\nmacro 1x1 {tokens()}", subfiletype=9)
    behind = tokens().encode()
    return Slide(out.getvalue() + behind, pages, openslide=3 if byteorder == "<" else 0, suffix=".svs")


def generic(*, sides: tuple[int, int] = (600, 500), **options) -> Slide:
    """A pyramid by the reduced-image flag, with a label among it."""
    tokens, full = Tokens(), picture(*sides)
    options = {k: v for k, v in (TILED | options).items() if v is not None}
    byteorder = options.pop("byteorder", "<")
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=options.pop("bigtiff", False), byteorder=byteorder) as tiff:
        scale = {"resolution": (40000 / 1.0004, 40000 / 1.0004), "resolutionunit": "CENTIMETER"}
        more = {"description": tokens(), "datetime": "2024:03:01 10:11:12", **options}
        apart = options.get("planarconfig") == "separate"

        def page(pixels: np.ndarray, **tags) -> None:
            tiff.write(np.ascontiguousarray(np.moveaxis(pixels, 2, 0)) if apart else pixels, **tags, **more)

        page(full, extratags=tokens.tags(), **scale)
        page(smaller(full), subfiletype=1, extratags=tokens.tags())
        page(label(150, 125), subfiletype=1)
        page(smaller(full, 4), subfiletype=1)
    return Slide(out.getvalue(), ["0", "1", "3"], openslide=0 if options.get("compression") == "webp" else 3)


def strips(**options) -> Slide:
    """One image in strips, as a microscope's camera stores it."""
    tokens = Tokens()
    out = io.BytesIO()
    tifffile.imwrite(
        out, picture(301, 203), photometric="rgb", rowsperstrip=50, metadata=None, description=tokens(),
        extratags=tokens.tags(), resolution=(4000, 4000), resolutionunit="CENTIMETER", **options,
    )  # fmt: skip
    return Slide(out.getvalue(), ["0"], openslide=0)


def ome_xml(tokens: Tokens, width: int, height: int, *, channels: int = 1, samples: int = 3, planes: int = 1) -> str:
    """OME-XML with names, dates, files, annotations and regions."""
    channel = "".join(
        f'<Channel ID="Channel:0:{n}" Name="{tokens()}" Fluor="{tokens()}" SamplesPerPixel="{samples}"/>'
        for n in range(channels)
    )
    data = "".join(
        f'<TiffData IFD="{n}" FirstC="{n * samples}" PlaneCount="1"><UUID FileName="{tokens()}">urn:uuid:{tokens()}'
        "</UUID></TiffData>"
        for n in range(channels)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><!-- {tokens()} -->'
        f'<OME UUID="urn:uuid:{tokens()}" Creator="{tokens()}" '
        'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Experimenter ID="Experimenter:0" FirstName="{tokens()}" LastName="{tokens()}" UserName="{tokens()}" '
        f'Email="{tokens()}@x.fi" Institution="{tokens()}"/>'
        f'<Instrument ID="Instrument:0"><Microscope Manufacturer="{tokens()}" SerialNumber="{tokens()}"/>'
        f'<Objective ID="Objective:1" Model="{tokens()}" SerialNumber="{tokens()}" NominalMagnification="40.0" '
        f'LensNA="0.75" Immersion="{tokens()}"/></Instrument>'
        f'<Image ID="Image:0" Name="{tokens()}"><AcquisitionDate>2024-03-01T10:11:12</AcquisitionDate>'
        f'<Description>{tokens()}</Description><ExperimenterRef ID="Experimenter:0"/>'
        '<ObjectiveSettings ID="Objective:1"/>'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="{width}" SizeY="{height}" '
        f'SizeC="{channels * samples}" SizeZ="1" SizeT="1" PhysicalSizeX="0.25" PhysicalSizeXUnit="µm" '
        f'PhysicalSizeY="0.25" PhysicalSizeYUnit="µm" PhysicalSizeZ="{tokens()}">{channel}{data}</Pixels></Image>'
        f'<Image ID="Image:1" Name="label image {tokens()}"><Pixels ID="Pixels:1" DimensionOrder="XYCZT" Type="uint8" '
        f'SizeX="128" SizeY="128" SizeC="3" SizeZ="1" SizeT="1"><Channel ID="Channel:1:0" SamplesPerPixel="3"/>'
        f'<TiffData IFD="{channels}" PlaneCount="1"/></Pixels></Image>'
        f'<StructuredAnnotations><CommentAnnotation ID="Annotation:0" Namespace="{tokens()}"><Value>{tokens()}</Value>'
        f'</CommentAnnotation><XMLAnnotation ID="Annotation:1"><Value><{tokens()}>{tokens()}</{tokens()}></Value>'
        f'</XMLAnnotation></StructuredAnnotations><ROI ID="ROI:0" Name="{tokens()}"><Union><Label Text="{tokens()}"/>'
        "</Union></ROI></OME>"
    ).replace(f"</{TOKEN}{tokens.count - 2:04d}>", f"</{TOKEN}{tokens.count - 4:04d}>")


def ome(*, channels: int = 1, **options) -> Slide:
    """Sub-directories hold the smaller levels; another image is the label."""
    tokens, full = Tokens(), picture(640, 512)
    samples = 3 if channels == 1 else 1
    out = io.BytesIO()
    bigtiff, byteorder = options.pop("bigtiff", True), options.pop("byteorder", "<")
    with tifffile.TiffWriter(out, bigtiff=bigtiff, byteorder=byteorder) as tiff:
        tiled = {"tile": (128, 128), "metadata": None, "software": False, "compression": "deflate", **options}
        tiled["photometric"] = "rgb" if samples == 3 else "minisblack"
        text = ome_xml(tokens, 640, 512, channels=channels, samples=samples)
        for n in range(channels):
            plane = full if samples == 3 else np.ascontiguousarray(full[..., n])
            more = {"description": text.encode()} if n == 0 else {}
            tiff.write(plane, subifds=3, extratags=tokens.tags(), **more, **tiled)
            tiff.write(smaller(plane), subfiletype=1, extratags=tokens.tags(), **tiled)
            tiff.write(smaller(plane, 4), subfiletype=1, **tiled)
            other = label(160, 128) if samples == 3 else np.ascontiguousarray(label(160, 128)[..., 0])
            tiff.write(other, subfiletype=1, **tiled)
        tiff.write(label(), **(tiled | {"photometric": "rgb"}))
    levels = [path for n in range(channels) for path in (f"{n}", f"{n}.0", f"{n}.1")]
    return Slide(out.getvalue(), levels, openslide=int(channels == 1), suffix=".ome.tif")


def restarting(pixels: np.ndarray, blocks: int, **options) -> tuple[bytes, list[int]]:
    """A JPEG with a restart marker every so many blocks, and where each interval starts."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90, restart_marker_blocks=blocks, subsampling="4:2:2", **options)
    data = out.getvalue()
    begin = data.index(b"\xff\xda")
    begin += 2 + int.from_bytes(data[begin + 2 : begin + 4], "big")
    starts = [begin] + [
        at + 2 for at in range(begin, len(data) - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7
    ]
    return data, starts


def ndpi(*, stated: bool = True, lying: bool = False) -> Slide:
    """Levels by their lens, a focal plane, the macro image (lens -1) and the map (lens -2)."""
    tokens, full = Tokens(), picture(1024, 512)
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as tiff:

        def page(pixels: np.ndarray, lens: float, plane: int = 0, comment: str = "") -> None:
            blocks = pixels.shape[1] // 16 // 2
            stream, starts = restarting(pixels, blocks, comment=tokens().encode())
            tags = [
                (65420, "I", 1, 1, False), (65421, "f", 1, lens, False), (65422, "i", 1, -1234567, False),
                (65423, "i", 1, 345678, False), (65424, "i", 1, plane, False), (65427, "s", 0, tokens(), False),
                (271, "s", 0, "Hamamatsu", False), (272, "s", 0, "NanoZoomer", False),
                (65442, "s", 0, tokens(), False), (65449, "s", 0, f"NDP.S/N={tokens()}\r\nCreated=2024/03/01", False),
                (65428, "B", 12, tokens().encode().ljust(12), False), (65443, "I", 3, (1, 2, 3), False),
            ]  # fmt: skip
            if stated and len(starts) > 1:
                tags.append((65426, "I", len(starts), tuple(starts), False))
            tiff.write(
                iter([stream]), shape=pixels.shape, dtype=np.uint8, rowsperstrip=pixels.shape[0], compression="jpeg",
                photometric="ycbcr", metadata=None, software=tokens(), datetime="2024:03:01 10:11:12", extratags=tags,
                resolution=(40000, 40000), resolutionunit="CENTIMETER", subsampling=(2, 1),
            )  # fmt: skip

        page(full, 20.0)
        page(np.roll(full, 1, 0), 20.0, 1500)
        page(smaller(full), 10.0)
        page(smaller(full, 4), 5.0)
        if lying:
            page(label(128, 64), 2.5)
        page(label(256, 128), -1.0)
        page(label(256, 128), -2.0)
    return Slide(out.getvalue(), ["0", "1", "2", "3"], openslide=6)


def philips(*, spacing: float = 0.00025) -> Slide:
    """Levels rounded up to whole tiles; label and macro in base64 and as pages."""
    tokens, full = Tokens(), picture(640, 512)

    def attribute(name: str, value: str) -> str:
        return f'<Attribute Name="{name}" Group="0x1000" Element="0x0001" PMSVR="IString">{value}</Attribute>'

    def padded(pixels: np.ndarray) -> np.ndarray:
        fill = [(0, -side % 128) for side in pixels.shape[:2]]
        return np.pad(pixels, [*fill, (0, 0)], constant_values=255)

    parts = "".join(
        f'<DataObject ObjectType="PixelDataRepresentation">'
        f"{attribute('DICOM_PIXEL_SPACING', f'&quot;{spacing * f}&quot; &quot;{spacing * f}&quot;')}"
        f"{attribute('PIIM_PIXEL_DATA_REPRESENTATION_POSITION', tokens())}</DataObject>"
        for f in (1, 2, 4)
    )
    image = (
        attribute("PIM_DP_IMAGE_TYPE", "WSI") + attribute("DICOM_DERIVATION_DESCRIPTION", tokens())
        + attribute("DICOM_PIXEL_SPACING", f"&quot;{spacing}&quot; &quot;{spacing}&quot;")
        + attribute("PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE", f"<Array>{parts}</Array>")
    )  # fmt: skip
    pictures = "".join(
        f'<DataObject ObjectType="DPScannedImage">{attribute("PIM_DP_IMAGE_TYPE", kind)}'
        f"{attribute('PIM_DP_IMAGE_DATA', tokens() * 40)}</DataObject>"
        for kind in ("LABELIMAGE", "MACROIMAGE")
    )
    scanned = f'<Array><DataObject ObjectType="DPScannedImage">{image}</DataObject>{pictures}</Array>'
    text = (
        '<?xml version="1.0" encoding="UTF-8" ?><DataObject ObjectType="DPUfsImport">'
        + "".join(attribute(name, tokens()) for name in ("PIM_DP_UFS_BARCODE", "DICOM_OPERATORS_NAME", tokens()))
        + attribute("PIM_DP_SCANNED_IMAGES", scanned)
        + "</DataObject>"
    )
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=True) as tiff:
        tiled = TILED | {"compression": "jpeg"}
        tiff.write(
            full, description=text, extratags=tokens.tags(305), **(tiled | {"software": f"Philips DP v1.0 {tokens()}"})
        )
        tiff.write(padded(smaller(full)), subfiletype=1, description=tokens(), extratags=tokens.tags(), **tiled)
        tiff.write(padded(smaller(full, 4)), subfiletype=1, **tiled)
        tiff.write(label(), photometric="rgb", description=f"Label {tokens()}", metadata=None, subfiletype=1)
        tiff.write(label(300, 100), photometric="rgb", description=f"Macro {tokens()}", metadata=None, subfiletype=1)
    return Slide(out.getvalue(), ["0", "1", "2"], suffix=".tiff")


SLIDES: dict[str, Callable[[], Slide]] = {
    "svs": svs,
    "svs label first": lambda: svs(order="label first"),
    "svs big": lambda: svs(bigtiff=True),
    "svs big-endian": lambda: svs(byteorder=">"),
    "svs jpeg 2000": lambda: svs(compression=33005),
    "svs uncompressed": lambda: svs(compression=None),
    "generic jpeg": lambda: generic(compression="jpeg"),
    "generic lzw": lambda: generic(compression="lzw", predictor=True),
    "generic deflate": lambda: generic(compression="deflate", predictor=True),
    "generic deflate big-endian": lambda: generic(compression="deflate", byteorder=">", bigtiff=True),
    "generic packbits": lambda: generic(compression="packbits"),
    "generic zstd": lambda: generic(compression="zstd"),
    "generic webp": lambda: generic(compression="webp"),
    "generic uncompressed": generic,
    "generic planar": lambda: generic(planarconfig="separate"),
    "strips": strips,
    "strips lzw": lambda: strips(compression="lzw", predictor=True),
    "ome": ome,
    "ome classic": lambda: ome(bigtiff=False, compression="jpeg"),
    "ome big-endian": lambda: ome(byteorder=">"),
    "ome channels": lambda: ome(channels=3),
    "ndpi": ndpi,
    "ndpi without MCU starts": lambda: ndpi(stated=False),
    "philips": philips,
}


def pages_of(tiff: tifffile.TiffFile) -> Iterator[tuple[str, tifffile.TiffPage]]:
    """Every page with its path, sub-pages behind their own."""
    for n, page in enumerate(tiff.pages):
        yield f"{n}", page
        for k, sub in enumerate(page.pages or []):
            yield f"{n}.{k}", sub


def saved(slide: Slide, folder: Path, name: str = "slide") -> Path:
    """The slide as a file."""
    path = folder / f"{name}{slide.suffix}"
    path.write_bytes(slide.data)
    return path
