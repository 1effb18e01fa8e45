"""Crops per second from SVS and DICOM, beside other readers and the floor: decoding the needed tiles, and nothing else.

    $ python benchmarks/crop.py [--side 8192] [--crops 1250] [--rounds 5] [--json]

Everyone works on the same files in the same run, in turn; the table gives medians, one process, one core. Floor: each
needed tile is read and decoded once by the fastest decoder of this run whose pixels are those of a full decode.
`ratios` hold the worst case over both formats and tile sizes: how many times the floor's time HemaLake takes (1 would
be perfect), and how many times faster it is than OpenSlide and than the fastest of all peers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import openslide
import pydicom
import simplejpeg
import tifffile
import wsidicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, generate_uid

from jobs.pixels.crop import crops
from jobs.pixels.encode import ENCODERS
from jobs.pixels.open import open_slide

TILES, SIZE = (240, 512), 250
Way = Callable[[Path, np.ndarray], int]


def plane(side: int) -> np.ndarray:
    """A textured plane whose tiles cost what stained tissue costs to decode: about 2 bits a pixel."""
    gen = np.random.default_rng(1)
    coarse = gen.normal(0, 40, (side // 16 + 1, side // 16 + 1, 3)).astype(np.float32)
    pixels = np.empty((side, side, 3), np.uint8)
    for top in range(0, side, 1024):
        band = coarse[top // 16 : top // 16 + 64].repeat(16, 0).repeat(16, 1)[: side - top, :side]
        noise = gen.standard_normal(band.shape, dtype=np.float32)
        pixels[top : top + 1024] = np.clip(180 + band + 12 * noise, 0, 255)
    return pixels


def streams(pixels: np.ndarray, tile: int) -> Iterator[bytes]:
    """JPEGs of the tiles in raster order, colours subsampled as scanners do."""
    side = len(pixels)
    for y in range(0, side, tile):
        for x in range(0, side, tile):
            part = pixels[y : y + tile, x : x + tile]
            full = np.pad(part, [(0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0)], mode="edge")
            yield simplejpeg.encode_jpeg(np.ascontiguousarray(full), quality=85, colorsubsampling="420")


def write_svs(path: Path, pixels: np.ndarray, tile: int) -> None:
    """A slide as Aperio writes it."""
    side = len(pixels)
    text = f"Aperio Image Library v12\r\n{side}x{side} ({tile}x{tile}) JPEG/RGB Q=85|AppMag = 40|MPP = 0.25"
    tifffile.imwrite(
        path, streams(pixels, tile), shape=pixels.shape, dtype=pixels.dtype, tile=(tile, tile), photometric="ycbcr",
        compression="jpeg", description=text, metadata=None, subsampling=(2, 2),
    )  # fmt: skip


def write_dicom(path: Path, pixels: np.ndarray, tile: int) -> None:
    """A slide in VL Whole Slide Microscopy."""
    side, across = len(pixels), -(-len(pixels) // tile)
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    file.StudyInstanceUID, file.SeriesInstanceUID, file.FrameOfReferenceUID = (generate_uid() for _ in range(3))
    file.Modality, file.ImageType = "SM", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    file.TotalPixelMatrixColumns = file.TotalPixelMatrixRows = side
    file.Rows = file.Columns = tile
    file.NumberOfFrames, file.DimensionOrganizationType = across * across, "TILED_FULL"
    file.TotalPixelMatrixFocalPlanes = file.NumberOfOpticalPaths = 1
    file.ImagedVolumeWidth = file.ImagedVolumeHeight = side * 0.00025
    file.ImagedVolumeDepth, file.ImageOrientationSlide = 0.001, [0, -1, 0, -1, 0, 0]
    file.FocusMethod, file.ExtendedDepthOfField, file.BurnedInAnnotation = "AUTO", "NO", "NO"
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PlanarConfiguration = 3, "YBR_FULL_422", 0
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.LossyImageCompression, file.LossyImageCompressionMethod = "01", "ISO_10918_1"
    origin, optics, measures, shared = Dataset(), Dataset(), Dataset(), Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = 0
    file.TotalPixelMatrixOriginSequence = [origin]
    optics.OpticalPathIdentifier = "0"
    file.OpticalPathSequence = [optics]
    measures.PixelSpacing, measures.SliceThickness = [0.00025, 0.00025], 0.001
    shared.PixelMeasuresSequence = [measures]
    file.SharedFunctionalGroupsSequence = [shared]
    file.PixelData = encapsulate(list(streams(pixels, tile)), has_bot=True)
    file["PixelData"].VR = "OB"
    file.save_as(path, enforce_file_format=True)


def corners(centers: np.ndarray) -> list[list[int]]:
    """x and y of each crop's upper left pixel."""
    return np.floor(centers - SIZE / 2).astype(int).tolist()


def hemalake(path: Path, centers: np.ndarray) -> int:
    """Every crop, by this project's reader."""
    with open_slide(path) as slide:
        return sum(1 for _ in crops(slide, centers, SIZE))


def open_slide_given(path: Path, centers: np.ndarray) -> int:
    """Every crop, by OpenSlide, in the order given."""
    with openslide.OpenSlide(path) as slide:
        for x, y in corners(centers):
            np.asarray(slide.read_region((x, y), 0, (SIZE, SIZE)).convert("RGB"))
    return len(centers)


def open_slide_sorted(path: Path, centers: np.ndarray) -> int:
    """The same, in the order of tiles, so that OpenSlide's cache helps."""
    places = np.asarray(corners(centers))
    return open_slide_given(path, centers[np.lexsort((places[:, 0], places[:, 1] // 240))])


def by_tifffile(path: Path, centers: np.ndarray) -> int:
    """Every crop, by tifffile's own decoder, in the order given."""
    with tifffile.TiffFile(path) as tiff, path.open("rb") as file:
        page = tiff.pages[0]
        side, across = page.tilewidth, -(-page.imagewidth // page.tilewidth)
        for x, y in corners(centers):
            crop = np.empty((SIZE, SIZE, 3), np.uint8)
            for row in range(y // side, (y + SIZE - 1) // side + 1):
                for column in range(x // side, (x + SIZE - 1) // side + 1):
                    number = row * across + column
                    file.seek(page.dataoffsets[number])
                    data = file.read(page.databytecounts[number])
                    tile = page.decode(data, number, jpegtables=page.jpegtables)[0][0]
                    paste(crop, x, y, tile, column * side, row * side)
    return len(centers)


def paste(crop: np.ndarray, x: int, y: int, tile: np.ndarray, left: int, top: int) -> None:
    """Copy what crop and tile share."""
    x0, x1 = max(x, left), min(x + SIZE, left + tile.shape[1])
    y0, y1 = max(y, top), min(y + SIZE, top + tile.shape[0])
    crop[y0 - y : y1 - y, x0 - x : x1 - x] = tile[y0 - top : y1 - top, x0 - left : x1 - left]


def by_wsidicom(path: Path, centers: np.ndarray) -> int:
    """Every crop, by wsidicom, in the order given."""
    with wsidicom.WsiDicom.open(path) as slide:
        for x, y in corners(centers):
            np.asarray(slide.read_region((x, y), 0, (SIZE, SIZE)))
    return len(centers)


Decode = Callable[[bytes], np.ndarray]
DECODERS: dict[str, Decode] = {
    "simplejpeg": lambda data: simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False),
    "imagecodecs": imagecodecs.jpeg8_decode,
}


def frame_places(path: Path) -> tuple[list[int], list[int]]:
    """Offset and length of each tile's JPEG."""
    if path.suffix == ".svs":
        with tifffile.TiffFile(path) as tiff:
            return list(tiff.pages[0].dataoffsets), list(tiff.pages[0].databytecounts)
    with path.open("rb") as file:
        pydicom.dcmread(file, stop_before_pixels=True)
        file.seek(file.tell() + 16)
        offsets = np.frombuffer(file.read(struct.unpack("<I", file.read(4))[0]), "<u4")
        first = file.tell()
        lengths = []
        for offset in offsets.tolist():
            file.seek(first + offset + 4)
            lengths.append(struct.unpack("<I", file.read(4))[0])
        return (offsets + first + 8).tolist(), lengths


def floor(path: Path, centers: np.ndarray, places: tuple[list[int], list[int]], tile: int, across: int) -> Way:
    """A way that decodes each tile that a crop touches, once; which ones, and where they lie, it knows already."""
    needed = sorted({
        row * across + column
        for x, y in corners(centers)
        for row in range(y // tile, (y + SIZE - 1) // tile + 1)
        for column in range(x // tile, (x + SIZE - 1) // tile + 1)
    })  # fmt: skip
    with path.open("rb") as file:
        file.seek(places[0][needed[0]])
        sample = file.read(places[1][needed[0]])
    exact = {
        name: each for name, each in DECODERS.items() if np.array_equal(each(sample), DECODERS["simplejpeg"](sample))
    }
    fastest = min(exact.values(), key=lambda decode: min(seconds(lambda: decode(sample)) for _ in range(50)))

    def way(path: Path, centers: np.ndarray) -> int:
        with path.open("rb") as file:
            for number in needed:
                file.seek(places[0][number])
                fastest(file.read(places[1][number]))
        return len(centers)

    return way


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def check(path: Path, centers: np.ndarray) -> None:
    """Raise unless crops are the pixels that OpenSlide reads."""
    with open_slide(path) as ours, openslide.OpenSlide(path) as theirs:
        places = corners(centers[:40])
        for number, crop in crops(ours, centers[:40], SIZE):
            region = theirs.read_region(tuple(places[number]), 0, (SIZE, SIZE)).convert("RGB")
            assert np.array_equal(crop.pixels, np.asarray(region)), "pixels differ from OpenSlide's"


def encoders(path: Path, centers: np.ndarray) -> dict[str, dict[str, float]]:
    """Images per second and mean bytes of each output format."""
    with open_slide(path) as slide:
        sample = [crop.pixels for _, crop in crops(slide, centers[:100], SIZE)]
    found = {}
    for name, encode in ENCODERS.items():
        sizes: list[int] = []
        took = seconds(lambda sizes=sizes, encode=encode: sizes.extend(len(encode(each)) for each in sample))
        found[name] = {"images_per_second": len(sample) / took, "bytes": statistics.mean(sizes)}
    return found


def measure(path: Path, centers: np.ndarray, tile: int, side: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way on one file, a number a round."""
    across = -(-side // tile)
    ways: dict[str, Way] = {
        "floor": floor(path, centers, frame_places(path), tile, across),
        "HemaLake": hemalake,
        "OpenSlide": open_slide_given,
        "OpenSlide, sorted": open_slide_sorted,
    }
    ways |= {"tifffile": by_tifffile} if path.suffix == ".svs" else {"wsidicom": by_wsidicom}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(seconds(lambda way=way: way(path, centers)))
    return times


def ratio(upper: list[float], lower: list[float]) -> float:
    """Median over rounds of how many times longer one way took: what else the machine does weighs on both alike."""
    return statistics.median(one / other for one, other in zip(upper, lower, strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=8192, help="side of the slide, in pixels")
    parser.add_argument("--crops", type=int, default=1250, help="how many crops; 5000 for a side of 16384")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is done")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    margin = SIZE / 2 + 1  # wsidicom refuses what lies outside
    centers = np.random.default_rng(2).uniform(margin, options.side - margin, (options.crops, 2))
    times: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        pixels = plane(options.side)
        for tile in TILES:
            for suffix, write in (("svs", write_svs), ("dcm", write_dicom)):
                (Path(folder) / f"{tile}{suffix}").mkdir()
                path = Path(folder) / f"{tile}{suffix}" / f"slide.{suffix}"
                write(path, pixels, tile)
                check(path, centers)
                times[f"{suffix} {tile}"] = measure(path, centers, tile, options.side, options.rounds)
        written = encoders(path, centers)
    report(times, written, options)


def report(
    measured: dict[str, dict[str, list[float]]], written: dict[str, dict[str, float]], options: argparse.Namespace
) -> None:
    """Print the tables, and the JSON where it is asked for."""
    print(f"{options.crops} crops of {SIZE} px from {options.side}² px, median of {options.rounds}, one core")
    ratios: dict[str, float] = {"to_floor": 0.0, "to_openslide": np.inf, "to_peers": np.inf}
    for case, times in measured.items():
        for name, each in times.items():
            speed, slower = options.crops / statistics.median(each), ratio(each, times["floor"])
            print(f"{case:<9}{name:<18}{speed:8.0f} crops/s{slower:8.2f} x floor")
        ours = times["HemaLake"]
        peers = [ratio(each, ours) for name, each in times.items() if name not in ("floor", "HemaLake")]
        ratios["to_floor"] = max(ratios["to_floor"], ratio(ours, times["floor"]))
        ratios["to_openslide"] = min(ratios["to_openslide"], ratio(times["OpenSlide"], ours))
        ratios["to_peers"] = min(ratios["to_peers"], *peers)
    for name, facts in written.items():
        print(f"{name:<9}{'encoding alone':<18}{facts['images_per_second']:8.0f} images/s{facts['bytes']:8.0f} bytes")
    print(" ".join(f"{name} {value:.2f}" for name, value in ratios.items()))
    if options.json:
        print(json.dumps({"ratios": ratios, "seconds": measured, "encoders": written}))


if __name__ == "__main__":
    main()
