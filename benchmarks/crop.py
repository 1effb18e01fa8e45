"""Crops per second from one SVS, beside OpenSlide and the floor: decoding the tiles that are needed, and nothing else.

    $ python benchmarks/crop.py [--side 6144] [--crops 700] [--json]

All three work on the same file in the same run, in turn, five times; the table gives medians, and `ratios` says how
many times the floor's time HemaLake takes (1 would be perfect) and how many times faster than OpenSlide it is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openslide
import simplejpeg
import tifffile

from jobs.pixels.crop import crops
from jobs.pixels.open import open_scan

TILE, SIZE, ROUNDS = 240, 250, 5


def slide(path: Path, side: int) -> None:
    """An SVS of a textured plane, so that tiles cost what stained tissue costs to decode."""
    gen = np.random.default_rng(1)
    coarse = gen.normal(0, 40, (side // 16 + 1, side // 16 + 1, 3)).repeat(16, 0).repeat(16, 1)[:side, :side]
    plane = np.clip(180 + coarse + gen.normal(0, 12, (side, side, 3)), 0, 255).astype(np.uint8)
    description = f"Aperio Image Library v12\r\n{side}x{side}|AppMag = 40|MPP = 0.25"
    tifffile.imwrite(
        path, plane, tile=(TILE, TILE), photometric="ycbcr", compression="jpeg", compressionargs={"level": 85},
        description=description, metadata=None, subsampling=(2, 2),
    )  # fmt: skip


def hemalake(path: Path, centers: np.ndarray) -> int:
    """Every crop, by this project's reader."""
    with path.open("rb") as file:
        return sum(1 for _ in crops(open_scan([file]), centers, SIZE))


def open_slide(path: Path, centers: np.ndarray) -> int:
    """Every crop, by OpenSlide, in the order given."""
    with openslide.OpenSlide(path) as slide:
        for x, y in np.floor(centers - SIZE / 2).astype(int):
            np.asarray(slide.read_region((int(x), int(y)), 0, (SIZE, SIZE)).convert("RGB"))
    return len(centers)


def floor(path: Path, centers: np.ndarray) -> int:
    """Decode each tile that a crop touches, once."""
    corners = np.floor(centers - SIZE / 2).astype(int)
    with tifffile.TiffFile(path) as tiff, path.open("rb") as file:
        page = tiff.pages[0]
        across = -(-page.imagewidth // TILE)
        tables = page.jpegtables or b""
        needed = {
            row * across + column
            for x, y in corners
            for row in range(max(y, 0) // TILE, min(y + SIZE - 1, page.imagelength - 1) // TILE + 1)
            for column in range(max(x, 0) // TILE, min(x + SIZE - 1, page.imagewidth - 1) // TILE + 1)
        }
        for number in sorted(needed):
            file.seek(page.dataoffsets[number])
            data = file.read(page.databytecounts[number])
            simplejpeg.decode_jpeg(tables[:-2] + data[2:] if tables else data)
    return len(centers)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=6144, help="side of the slide, in pixels")
    parser.add_argument("--crops", type=int, default=700, help="how many crops")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    ways: dict[str, Callable[[Path, np.ndarray], int]] = {"floor": floor, "HemaLake": hemalake, "OpenSlide": open_slide}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.svs"
        slide(path, options.side)
        centers = np.random.default_rng(2).uniform(0, options.side, (options.crops, 2))
        for _ in range(ROUNDS):
            for name, way in ways.items():
                started = time.perf_counter()
                way(path, centers)
                seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"{options.crops} crops of {SIZE} px from {options.side}² px in tiles of {TILE}, median of {ROUNDS}")
    for name, median in medians.items():
        print(f"{name:<10} {options.crops / median:8.0f} crops/s   {median / medians['floor']:6.2f} x floor")
    ratios = {
        "to_floor": medians["HemaLake"] / medians["floor"],
        "to_openslide": medians["OpenSlide"] / medians["HemaLake"],
    }
    if options.json:
        print(json.dumps({"ratios": ratios, "seconds": seconds}))


if __name__ == "__main__":
    main()
