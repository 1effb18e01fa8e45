"""How often text burned into a smear field is found, by its size, contrast and rotation, and what is taken for text.

    $ python benchmarks/burned_in_text.py [--fields 12] [--json]

Names, numbers and dates are drawn at random places over fields of the synthetic hospital and, where they are at hand,
of the public sets below `$HEMALAKE_REAL_DATA`, in Pillow's own font, and saved as JPEG. `Size` is the height of
capitals in pixels, `contrast` the distance from the mean of the ground beneath in grey levels, `rotation`
counter-clockwise in degrees; what is not varied is 16 px, 120 levels and 0 degrees. False alarms are fields as they
came in which text is found. Needs tesseract.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from jobs.deidentify import ocr
from jobs.deidentify.burned_in import holds_text
from jobs.hospital.build import build

Picture = NDArray[np.uint8]
TEXTS = (
    "Lehtonen Aino", "Virtanen", "Müller Jürgen 1961", "H-471123", "KM24-05148", "12.03.1974", "Patient: Smith, J",
    "010174-123A", "T24-042001", "DOB 03/12/1974",
)  # fmt: skip
REAL = {
    "BCCD": "BCCD/BCCD/JPEGImages/*.jpg",
    "Chula": "Chula_RBC12_subset/Dataset/*.jpg",
    "Aslan": "Aslan_BCD/images/*",
}


@dataclass(frozen=True)
class Writing:
    """How text is written."""

    size: int = 16
    contrast: int = 120
    rotation: int = 0


def varied(name: str, values: Sequence[int]) -> list[Writing]:
    """One trait varied, the others as they are by default."""
    return [Writing(**{name: value}) for value in values]


ALL = {
    "size": varied("size", (6, 8, 10, 12, 16, 24, 40)),
    "contrast": varied("contrast", (15, 30, 45, 60, 90, 120)),
    "rotation": varied("rotation", (0, 3, 10, 45, 90, 180, 270)),
}
FEW = {
    "size": varied("size", (8, 16, 24)),
    "contrast": varied("contrast", (30, 60, 120)),
    "rotation": varied("rotation", (5, 90, 180)),
}


def plant(field: Picture, writing: Writing, gen: random.Random) -> Picture | None:
    """The field with a text at a random place, as JPEG of quality 85; None where the text does not fit."""
    text = gen.choice(TEXTS)
    ink = _ink(text, writing)
    height, width = field.shape[:2]
    if ink.width > width or ink.height > height:
        return None
    x, y = gen.randint(0, width - ink.width), gen.randint(0, height - ink.height)
    share = np.asarray(ink, dtype=np.float32)[..., None] / 255
    ground = field[y : y + ink.height, x : x + ink.width].astype(np.float32)
    mean = ground.mean(axis=(0, 1))
    sign = gen.choice([side for side in (-1, 1) if 0 <= mean.mean() + side * writing.contrast <= 255] or [-1])
    colour = np.clip(mean + sign * writing.contrast, 0, 255)
    written = field.copy()
    written[y : y + ink.height, x : x + ink.width] = (ground * (1 - share) + colour * share).round()
    stream = BytesIO()
    Image.fromarray(written).save(stream, "JPEG", quality=85)
    return np.asarray(Image.open(stream))


def _ink(text: str, writing: Writing) -> Image.Image:
    """The text in white on black, turned."""
    capital = ImageFont.load_default(100).getbbox("H")
    font = ImageFont.load_default(100 * writing.size / (capital[3] - capital[1]))
    left, top, right, bottom = (round(side) for side in font.getbbox(text))
    ink = Image.new("L", (right - left + 4, bottom - top + 4))
    ImageDraw.Draw(ink).text((2 - left, 2 - top), text, fill=255, font=font)
    return ink.rotate(writing.rotation, expand=True, resample=Image.Resampling.BICUBIC)


def recall(fields: Sequence[Picture], writing: Writing, seed: int = 1) -> tuple[int, int]:
    """In how many fields planted text is found, and in how many it was planted."""
    gen = random.Random(f"{seed} {writing}")
    planted = [written for field in fields if (written := plant(field, writing, gen)) is not None]
    return sum(holds_text([written]) for written in planted), len(planted)


def measure(fields: Sequence[Picture], grid: dict[str, list[Writing]]) -> dict[str, dict[int, tuple[int, int]]]:
    """Found and planted, by the trait that is varied and its value."""
    cache = {writing: recall(fields, writing) for writing in set(chain(*grid.values()))}
    return {name: {getattr(one, name): cache[one] for one in some} for name, some in grid.items()}


def table(measured: dict[str, dict[int, tuple[int, int]]]) -> Iterator[str]:
    """The figures in lines of text."""
    units = {"size": "px", "contrast": "levels", "rotation": "degrees"}
    for name, by_value in measured.items():
        yield f"{f'{name} ({units[name]})':<20}" + "".join(f"{value:>8}" for value in by_value)
        yield f"{'found':<20}" + "".join(f"{found / max(planted, 1):>8.0%}" for found, planted in by_value.values())


def pictures(folder: Path, pattern: str, most: int) -> list[Picture]:
    """At most so many fields of a folder, evenly spread; those that cannot be read are left out."""
    paths = sorted(folder.glob(pattern))
    found = []
    for path in paths[:: max(1, len(paths) // most)][:most]:
        try:
            found.append(np.asarray(Image.open(path).convert("RGB")))
        except (UnidentifiedImageError, OSError):
            continue
    return found


def sources(most: int) -> dict[str, list[Picture]]:
    """Fields by where they are from."""
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder) / "hospital", patients=6, cells=90, seed=3)
        found = {"hospital": pictures(Path(folder), "hospital/landing/*/*/fields/*.jpg", most)}
    data = Path(os.environ.get("HEMALAKE_REAL_DATA", "../shared/data"))
    found |= {name: pictures(data, pattern, most) for name, pattern in REAL.items()}
    return {name: fields for name, fields in found.items() if fields}


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--fields",
        type=int,
        default=12,
        metavar="N",
        help="fields of each source to write on; ten times as many are searched as they are",
    )
    options.add_argument("--json", action="store_true", help="one line of JSON at the end")
    chosen = options.parse_args()
    if ocr.program() is None:
        print("tesseract is not installed: nothing was looked for.", file=sys.stderr)
        return 0
    clean = sources(10 * chosen.fields)
    false, seconds = {}, time.process_time() + os.times().children_user
    for name, fields in clean.items():
        false[name] = (sum(holds_text([field]) for field in fields), len(fields))
    seconds = time.process_time() + os.times().children_user - seconds
    megapixels = sum(field.size for field in chain(*clean.values())) / 3e6
    spread = [
        field for fields in clean.values() for field in fields[:: max(1, len(fields) // chosen.fields)][: chosen.fields]
    ]
    measured = measure(spread, ALL)
    print(f"Text planted in {len(spread)} fields of {', '.join(clean)}", *table(measured), sep="\n")
    print("false alarms: " + ", ".join(f"{count} of {many} ({name})" for name, (count, many) in false.items()))
    print(f"{seconds / megapixels:.3f} s of processor time a megapixel that holds no text, tesseract included")
    if chosen.json:
        told = {"found": measured, "false_alarms": false, "seconds_per_megapixel": round(seconds / megapixels, 4)}
        print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
