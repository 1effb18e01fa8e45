"""Small scans of every format, and what another reader says of their pixels."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import highdicom
import imagecodecs
import numpy as np
import openslide
import pytest
import tifffile
import wsidicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from jobs.pixels.open import open_scan
from jobs.pixels.reader import Reader

SERIES = generate_uid(entropy_srcs=["series"])
SVS_DESCRIPTION = (
    "Aperio Image Library v12.0.15 \r\n101x70 [0,0 101x70] (32x32) JPEG/RGB Q=90"
    "|AppMag = 40|MPP = 0.2500|ScanScope ID = SS1234|Date = 03/04/24"
)


def picture(width: int = 101, height: int = 70, seed: int = 1) -> np.ndarray:
    """RGB with edges, gradients and a little noise."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 7 + 2, width // 7 + 2, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    return np.clip(smooth + rng.integers(-9, 10, smooth.shape), 0, 255).astype(np.uint8)


def jpeg(pixels: np.ndarray, **options) -> bytes:
    """A JPEG of pixels, by Pillow."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=90, **options)
    return target.getvalue()


def tiles_of(pixels: np.ndarray, side: int) -> list[np.ndarray]:
    """Full tiles in raster order; those at the edge are filled up with grey."""
    height, width = pixels.shape[:2]
    fill = [(0, -height % side), (0, -width % side)] + [(0, 0)] * (pixels.ndim - 2)
    padded = np.pad(pixels, fill, constant_values=128)
    return [padded[y : y + side, x : x + side] for y in range(0, height, side) for x in range(0, width, side)]


def slide_dataset(pixels: np.ndarray, side: int, syntax: UID, photometric: str) -> Dataset:
    """A VL Whole Slide Microscopy instance without its pixel data."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = SERIES
    dataset.StudyInstanceUID = dataset.FrameOfReferenceUID = dataset.DimensionOrganizationUID = SERIES
    dataset.Modality = "SM"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.Manufacturer, dataset.ManufacturerModelName = "Vendor", "Model 1"
    dataset.DimensionOrganizationType = "TILED_FULL"
    dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns = pixels.shape[:2]
    dataset.Rows = dataset.Columns = side
    dataset.NumberOfFrames = len(tiles_of(pixels, side))
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    dataset.LossyImageCompression = "01" if syntax == JPEGBaseline8Bit else "00"
    dataset.TotalPixelMatrixFocalPlanes = dataset.NumberOfOpticalPaths = 1
    dataset.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    dataset.ImagedVolumeWidth, dataset.ImagedVolumeHeight = pixels.shape[1] * 0.00026, pixels.shape[0] * 0.00025
    dataset.ImagedVolumeDepth, dataset.FocusMethod, dataset.ExtendedDepthOfField = 0.001, "AUTO", "NO"
    dataset.BurnedInAnnotation = "NO"
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = "0"
    dataset.TotalPixelMatrixOriginSequence = [origin]
    path = Dataset()
    path.OpticalPathIdentifier, path.ObjectiveLensPower = "1", "40"
    path.ICCProfile = b"profile "
    dataset.OpticalPathSequence = [path]
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = ["0.00025", "0.00026"], "0.001"
    shared = Dataset()
    shared.PixelMeasuresSequence = [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    return dataset


def write_slide(
    path: Path,
    pixels: np.ndarray,
    *,
    side: int = 32,
    syntax: UID = JPEGBaseline8Bit,
    photometric: str = "YBR_FULL_422",
    encode: Callable[[np.ndarray], bytes] = jpeg,
    table: str = "basic",
    change: Callable[[Dataset], None] = lambda dataset: None,
) -> Path:
    """Write one level as DICOM.

    Args:
        encode: makes the bytes of a frame, where the syntax is compressed.
        table: `basic`, `extended` or `none`; `fragments`: no table, and frames in fragments.
        change: changes the dataset before it is written.
    """
    dataset = slide_dataset(pixels, side, syntax, photometric)
    tiles = tiles_of(pixels, side)
    if not syntax.is_compressed:
        dataset.PixelData = b"".join(tile.tobytes() for tile in tiles)
        dataset["PixelData"].VR = "OW" if pixels.dtype == np.uint16 else "OB"
    elif table == "extended":
        data, offsets, lengths = encapsulate_extended([encode(tile) for tile in tiles])
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = (
            data,
            offsets,
            lengths,
        )
    else:
        count = 3 if table == "fragments" else 1
        dataset.PixelData = encapsulate(
            [encode(tile) for tile in tiles], fragments_per_frame=count, has_bot=table == "basic"
        )
    if syntax.is_compressed:
        dataset["PixelData"].VR = "OB"
    change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_pyramid(path: Path, levels: Sequence[np.ndarray], *, big: bool = False, **options) -> Path:
    """Write a tiled TIFF; the pages are as Aperio has them: levels, with a thumbnail and a label in strips."""
    with tifffile.TiffWriter(path, bigtiff=big) as target:
        for number, level in enumerate(levels):
            target.write(level, tile=(32, 32), photometric="rgb", metadata=None, **options)
            if number == 0:
                target.write(level[::3, ::3], photometric="rgb", metadata=None, description="Aperio thumbnail")
        target.write(picture(40, 40), photometric="rgb", metadata=None, description="Aperio \r\nlabel 40x40")
    return path


@dataclass(frozen=True)
class Scan:
    """Files of a scan, and its pixels by someone else's reader."""

    paths: list[Path]
    reference: Callable[[], np.ndarray]
    levels: int = 1
    mpp: tuple[float, float] | None = None
    facts: dict[str, object] = field(default_factory=dict)
    tolerance: int = 0


def by_openslide(path: Path) -> np.ndarray:
    """Level 0 as OpenSlide reads it."""
    with openslide.OpenSlide(path) as slide:
        return np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))


def by_highdicom(path: Path) -> np.ndarray:
    """Level 0 as highdicom reads it, without its colour management."""
    image = highdicom.imread(path)
    return image.get_total_pixel_matrix(apply_icc_profile=False, dtype=np.int64).astype(np.uint8)


def by_wsidicom(folder: Path, **which) -> np.ndarray:
    """Level 0 of a folder as wsidicom reads it."""
    with wsidicom.WsiDicom.open(folder) as slide:
        size = slide.size
        return np.asarray(slide.read_region((0, 0), 0, (size.width, size.height), **which))


def by_pillow(path: Path) -> np.ndarray:
    """A picture as Pillow reads it."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def opened():
    """Opens files as a scan, and closes them behind the test."""
    with ExitStack() as stack:

        def function(*paths: Path) -> Reader:
            return open_scan([stack.enter_context(path.open("rb")) for path in paths])

        yield function


@pytest.fixture
def whole():
    """Puts a level together from its tiles."""

    def function(reader: Reader, number: int = 0) -> np.ndarray:
        level = reader.levels[number]
        pixels = np.zeros((level.height, level.width, 3), dtype=np.uint8)
        for tile in reader.tiles(number):
            decoded = reader.decode(tile)
            assert decoded.shape == (tile.height, tile.width, 3)
            assert decoded.dtype == np.uint8
            pixels[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = decoded
        return pixels

    return function


DICOM_FACTS = {"objective": 40.0, "vendor": "Vendor", "model": "Model 1", "optical_path": "1"}
DICOM_MPP = (0.26, 0.25)


def _dicom(folder: Path, **options) -> Scan:
    fine = write_slide(folder / "a.dcm", picture(), **options)
    coarse = write_slide(folder / "b.dcm", picture(51, 35), **options)
    syntax = options.get("syntax", JPEGBaseline8Bit)
    reference = by_openslide if syntax == JPEGBaseline8Bit else by_highdicom
    return Scan([coarse, fine], lambda: reference(fine), 2, DICOM_MPP, DICOM_FACTS)


def _fragments(folder: Path) -> Scan:
    path = write_slide(folder / "a.dcm", picture(), table="fragments")
    (folder / "whole").mkdir()
    # OpenSlide reads one fragment a frame only.
    same = write_slide(folder / "whole" / "a.dcm", picture())
    return Scan([path], lambda: by_openslide(same), 1, DICOM_MPP, DICOM_FACTS)


def _rgb_dicom(folder: Path) -> Scan:
    return _dicom(folder, photometric="RGB", encode=lambda tile: jpeg(tile, keep_rgb=True))


def _jpeg2000(pixels: np.ndarray) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG2000", no_jp2=True, irreversible=False, mct=1)
    return target.getvalue()


def _lossless(folder: Path, **options) -> Scan:
    """A slide whose pixels are known, because nothing is lost."""
    path = write_slide(folder / "a.dcm", picture(), photometric="RGB", **options)
    return Scan([path], picture, 1, DICOM_MPP, DICOM_FACTS | {"lossy": False})


def _rle(tile: np.ndarray) -> bytes:
    rows, columns, samples = tile.shape
    facts = {"rows": rows, "columns": columns, "samples_per_pixel": samples, "photometric_interpretation": "RGB"}
    depth = {"bits_allocated": 8, "bits_stored": 8, "pixel_representation": 0, "number_of_frames": 1}
    return RLELosslessEncoder.encode(tile.tobytes(), planar_configuration=0, **facts, **depth)


def sparse(missing: Sequence[int] = (), side: int = 32) -> Callable[[Dataset], None]:
    """Makes a slide TILED_SPARSE: its frames lie backwards, and some of them are left out."""

    def change(dataset: Dataset) -> None:
        across = -(-dataset.TotalPixelMatrixColumns // side)
        kept = [tile for tile in reversed(range(dataset.NumberOfFrames)) if tile not in missing]
        length = side * side * 3
        dataset.PixelData = b"".join(dataset.PixelData[tile * length : (tile + 1) * length] for tile in kept)
        dataset.NumberOfFrames, dataset.DimensionOrganizationType = len(kept), "TILED_SPARSE"
        groups = []
        for tile in kept:
            place, group, content, path = Dataset(), Dataset(), Dataset(), Dataset()
            place.ColumnPositionInTotalImagePixelMatrix = tile % across * side + 1
            place.RowPositionInTotalImagePixelMatrix = tile // across * side + 1
            place.XOffsetInSlideCoordinateSystem = place.YOffsetInSlideCoordinateSystem = "0"
            place.ZOffsetInSlideCoordinateSystem = "0"
            content.DimensionIndexValues = [tile // across + 1, tile % across + 1]
            path.OpticalPathIdentifier = "1"
            group.PlanePositionSlideSequence, group.FrameContentSequence = [place], [content]
            group.OpticalPathIdentificationSequence = [path]
            groups.append(group)
        dataset.PerFrameFunctionalGroupsSequence = groups

    return change


def _sparse(folder: Path, missing: Sequence[int] = ()) -> Scan:
    native = {"syntax": ExplicitVRLittleEndian, "photometric": "RGB"}
    path = write_slide(folder / "a.dcm", picture(), change=sparse(missing), **native)

    def expected() -> np.ndarray:
        if not missing:
            return by_wsidicom(folder)
        pixels = picture()
        for tile in missing:
            pixels[tile // 4 * 32 :, tile % 4 * 32 :][:32, :32] = 255
        return pixels

    return Scan([path], expected, 1, DICOM_MPP, DICOM_FACTS)


def _concatenation(folder: Path) -> Scan:
    """One level in two files, of which the second begins in the middle of a row (PS3.3 C.7.6.16.2.2.4)."""
    whole, split, length = generate_uid(), 5, 32 * 32 * 3

    def part(number: int, first: int, end: int) -> Callable[[Dataset], None]:
        def change(dataset: Dataset) -> None:
            dataset.PixelData = dataset.PixelData[first * length : end * length]
            dataset.NumberOfFrames = end - first
            dataset.ConcatenationUID, dataset.InConcatenationNumber = whole, number
            dataset.InConcatenationTotalNumber, dataset.ConcatenationFrameOffsetNumber = 2, first
            dataset.SOPInstanceUIDOfConcatenationSource = whole

        return change

    native = {"syntax": ExplicitVRLittleEndian, "photometric": "RGB"}
    paths = [
        write_slide(folder / "b.dcm", picture(), change=part(2, split, 12), **native),
        write_slide(folder / "a.dcm", picture(), change=part(1, 0, split), **native),
    ]
    return Scan(paths, lambda: by_wsidicom(folder), 1, DICOM_MPP, DICOM_FACTS)


def stack(planes: int, paths: int) -> tuple[Callable[[Dataset], None], list[np.ndarray]]:
    """Makes a slide of several focal planes and optical paths; its pictures, in the order of its frames."""
    pictures = [picture(seed=number) for number in range(1, planes * paths + 1)]

    def change(dataset: Dataset) -> None:
        dataset.PixelData = b"".join(tile.tobytes() for each in pictures for tile in tiles_of(each, 32))
        dataset.NumberOfFrames = planes * paths * len(tiles_of(pictures[0], 32))
        dataset.TotalPixelMatrixFocalPlanes, dataset.NumberOfOpticalPaths = planes, paths
        measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        measures.SpacingBetweenSlices = "0.001"
        sequence = []
        for number in range(paths):
            path = Dataset()
            path.OpticalPathIdentifier, path.ObjectiveLensPower = str(number + 1), "40"
            sequence.append(path)
        dataset.OpticalPathSequence = sequence

    return change, pictures


def _stack(folder: Path) -> Scan:
    change, _ = stack(3, 2)
    path = write_slide(folder / "a.dcm", picture(), change=change, syntax=ExplicitVRLittleEndian, photometric="RGB")
    return Scan([path], lambda: by_wsidicom(folder), 1, DICOM_MPP, DICOM_FACTS | {"focal_plane": 1.0})


def _plain_tiff(folder: Path, pixels: np.ndarray, expected: np.ndarray | None = None, **options) -> Scan:
    path = folder / "a.tif"
    tifffile.imwrite(path, pixels, **({"metadata": None, "tile": (32, 32)} | options))
    return Scan([path], lambda: by_pillow(path) if expected is None else expected)


def _ome(folder: Path) -> Scan:
    """Levels in SubIFDs, as Bio-Formats writes them."""
    path = folder / "a.ome.tif"
    with tifffile.TiffWriter(path) as target:
        facts = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
        shared = {"tile": (32, 32), "photometric": "rgb", "compression": "deflate"}
        target.write(picture(), subifds=2, metadata=facts, **shared)
        target.write(picture(51, 35), subfiletype=1, **shared)
        target.write(picture(26, 18), subfiletype=1, **shared)
    return Scan([path], lambda: tifffile.imread(path), 3, (0.25, 0.25))


def _palette_tiff(folder: Path) -> Scan:
    image = Image.fromarray(picture()).quantize(200)
    table = np.zeros((3, 256), np.uint16)
    colours = np.array(image.getpalette(), np.uint16).reshape(-1, 3)
    table[:, : len(colours)] = colours.T * 257
    return _plain_tiff(folder, np.asarray(image), photometric="palette", colormap=table)


def _turned_tiff(folder: Path) -> Scan:
    turn = [(274, "H", 1, 6, True)]
    return _plain_tiff(folder, picture(), np.rot90(picture(), -1), photometric="rgb", tile=None, extratags=turn)


def _tiff(folder: Path, name: str, reference=by_openslide, facts=None, mpp=None, **options) -> Scan:
    path = write_pyramid(folder / name, [picture(), picture(51, 35)], **options)
    return Scan([path], lambda: reference(path), 2, mpp, facts or {})


def _svs(folder: Path, **args) -> Scan:
    facts = {"objective": 40.0, "vendor": "Aperio", "codec": "jpeg", "lossy": True}
    return _tiff(
        folder,
        "a.svs",
        facts=facts,
        mpp=(0.25, 0.25),
        compression="jpeg",
        description=SVS_DESCRIPTION,
        **args,
    )


def _strips(folder: Path) -> Scan:
    path = folder / "a.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", rowsperstrip=16, compression="lzw", predictor=True)
    return Scan([path], lambda: tifffile.imread(path), facts={"codec": "lzw", "lossy": False})


def _field(folder: Path, name: str, image: Image.Image, expected: Callable | None = None, **options) -> Scan:
    path = folder / name
    image.save(path, **options)
    return Scan([path], lambda: expected() if expected else by_pillow(path))


def _turned(folder: Path) -> Scan:
    image = Image.fromarray(picture())
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: to be shown as its rotation clockwise
    stored = np.asarray(Image.open(io.BytesIO(jpeg(picture()))))
    return _field(folder, "a.jpg", image, lambda: np.rot90(stored, -1), quality=90, exif=exif)


def _alpha(folder: Path) -> Scan:
    alpha = np.tile(np.linspace(0, 255, 101).astype(np.uint8), (70, 1))
    rgba = np.dstack([picture(), alpha])
    share = alpha[..., None] / 255
    expected = np.rint(picture() * share + 255 * (1 - share)).astype(np.uint8)
    return Scan(_field(folder, "a.png", Image.fromarray(rgba)).paths, lambda: expected, tolerance=1)


def _deep(folder: Path) -> Scan:
    grey = np.arange(101 * 70, dtype=np.uint16).reshape(70, 101) * 9
    expected = np.dstack([grey >> 8] * 3).astype(np.uint8)
    return _field(folder, "a.png", Image.fromarray(grey), lambda: expected)


def _deep_dicom(folder: Path) -> Scan:
    grey = (np.arange(101 * 70, dtype=np.uint16).reshape(70, 101) * 9).astype(np.uint16)
    path = write_slide(folder / "a.dcm", grey, syntax=ExplicitVRLittleEndian, photometric="MONOCHROME2")
    expected = np.dstack([grey >> 8] * 3).astype(np.uint8)
    return Scan([path], lambda: expected, 1, DICOM_MPP, DICOM_FACTS)


SCANS: dict[str, Callable[[Path], Scan]] = {
    "dicom jpeg 4:2:0": lambda folder: _dicom(folder, encode=lambda tile: jpeg(tile, subsampling=2)),
    "dicom jpeg 4:2:2": lambda folder: _dicom(folder, encode=lambda tile: jpeg(tile, subsampling=1)),
    "dicom jpeg RGB": _rgb_dicom,
    "dicom jpeg extended table": lambda folder: _dicom(folder, table="extended"),
    "dicom jpeg no table": lambda folder: _dicom(folder, table="none"),
    "dicom jpeg fragments": _fragments,
    "dicom native": lambda folder: _dicom(folder, syntax=ExplicitVRLittleEndian, photometric="RGB"),
    "dicom native implicit": lambda folder: _dicom(folder, syntax=ImplicitVRLittleEndian, photometric="RGB"),
    "dicom native 16 bits": _deep_dicom,
    "dicom jpeg 2000": lambda folder: _dicom(folder, syntax=JPEG2000Lossless, photometric="YBR_RCT", encode=_jpeg2000),
    "dicom jpeg-ls": lambda folder: _dicom(
        folder, syntax=JPEGLSLossless, photometric="RGB", encode=imagecodecs.jpegls_encode
    ),
    "dicom rle": lambda folder: _dicom(folder, syntax=RLELossless, photometric="RGB", encode=_rle),
    "dicom lossless jpeg": lambda folder: _lossless(
        folder, syntax=JPEGLosslessSV1, encode=lambda tile: imagecodecs.jpeg8_encode(tile, lossless=True)
    ),
    "dicom htj2k": lambda folder: _lossless(
        folder, syntax=HTJ2KLossless, encode=lambda tile: imagecodecs.htj2k_encode(tile, reversible=True)
    ),
    "dicom jpeg xl": lambda folder: _lossless(
        folder,
        syntax=UID("1.2.840.10008.1.2.4.110"),
        encode=lambda tile: imagecodecs.jpegxl_encode(tile, lossless=True),
    ),
    "dicom sparse": _sparse,
    "dicom sparse with gaps": lambda folder: _sparse(folder, (0, 6, 11)),
    "dicom concatenation": _concatenation,
    "dicom focal planes and optical paths": _stack,
    "ome-tiff": _ome,
    "tiff big-endian": lambda folder: _plain_tiff(folder, picture(), photometric="rgb", byteorder=">"),
    "tiff planes": lambda folder: _plain_tiff(
        folder, np.moveaxis(picture(), 2, 0), picture(), photometric="rgb", planarconfig="separate"
    ),
    "tiff palette": _palette_tiff,
    "tiff white is zero": lambda folder: _plain_tiff(folder, picture()[..., 0], photometric="miniswhite"),
    "tiff alpha": lambda folder: _plain_tiff(
        folder,
        np.dstack([picture(), np.full((70, 101), 255, np.uint8)]),
        picture(),
        photometric="rgb",
        extrasamples=["unassalpha"],
    ),
    "tiff 16 bits": lambda folder: _plain_tiff(
        folder, picture().astype(np.uint16) * 257, picture(), photometric="rgb", compression="zstd"
    ),
    "tiff jpeg 2000": lambda folder: _plain_tiff(
        folder, picture(), picture(), photometric="rgb", compression="jpeg2000", compressionargs={"reversible": True}
    ),
    "tiff cmyk by pillow": lambda folder: _field(
        folder, "a.tif", Image.fromarray(picture()).convert("CMYK"), compression="tiff_lzw"
    ),
    "tiff turned": _turned_tiff,
    "svs YCbCr": _svs,
    "svs RGB": lambda folder: _svs(folder, compressionargs={"outcolorspace": "rgb"}),
    "svs 4:2:0": lambda folder: _svs(folder, subsampling=(2, 2)),
    "tiff deflate": lambda folder: _tiff(folder, "a.tif", compression="deflate", predictor=True),
    "bigtiff": lambda folder: _tiff(folder, "a.tif", reference=tifffile.imread, big=True),
    "tiff strips": _strips,
    "jpeg": lambda folder: _field(folder, "a.jpg", Image.fromarray(picture()), quality=90),
    "jpeg progressive grey": lambda folder: _field(
        folder, "a.jpg", Image.fromarray(picture()).convert("L"), progressive=True
    ),
    "jpeg turned": _turned,
    "png": lambda folder: _field(folder, "a.png", Image.fromarray(picture())),
    "png palette": lambda folder: _field(folder, "a.png", Image.fromarray(picture()).quantize(50)),
    "png alpha": _alpha,
    "png 16 bits": _deep,
    "bmp": lambda folder: _field(folder, "a.bmp", Image.fromarray(picture())),
}


@pytest.fixture(params=list(SCANS))
def scan(request, tmp_path: Path) -> Scan:
    """A scan of each format in turn."""
    return SCANS[request.param](tmp_path)


@pytest.fixture
def make():
    """The builders, for tests that need a scan of their own."""

    class Make:
        picture = staticmethod(picture)
        jpeg = staticmethod(jpeg)
        slide = staticmethod(write_slide)
        pyramid = staticmethod(write_pyramid)
        by_openslide = staticmethod(by_openslide)
        by_highdicom = staticmethod(by_highdicom)
        by_pillow = staticmethod(by_pillow)

    return Make
