"""Recall and false pairs by kind of change, beside imagehash, pdqhash and imagededup, on the fields of BCCD.

    $ python benchmarks/deduplicate.py [--json] [--cells 1000] [--kinds NAME ...] [--half 1] [--distractors 1000,10000]

Cells are cut from every second field (`--half` says which; the thresholds were set on 0). For each kind of change a
folder of all these crops and a changed copy of some of them goes through `deduplicate_files.run` and the peers. The
kind `retake` cuts one spot from two fields that show it, which were photographed twice. Peers are taken at their
usual thresholds, in an environment of their own below `~/.cache/hemalake-peers`.

`--distractors` adds so many drawn cells, and prints how many copies are still candidates of their original: what is no
candidate is never compared.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from multiprocessing import Pool
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from jobs import deduplicate_files
from jobs.hospital import cases
from jobs.hospital.plan import Scan
from jobs.hospital.smear import paint_smear
from jobs.pixels import spectrum
from jobs.pixels.pairs import neighbours_of
from jobs.pixels.square import square_of

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("HEMALAKE_REAL_DATA", HERE.parent / "../shared/data")) / "BCCD" / "BCCD"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hemalake-peers"
PACKAGES = ["imagehash==4.3.2", "pdqhash==0.2.7", "scikit-learn", "matplotlib", "tqdm", "packaging"]
ALONE = ["imagededup==0.3.3.post2"]
THRESHOLDS = {
    "imagehash phash": 10, "imagehash dhash": 10, "imagehash ahash": 5, "pdqhash": 31, "imagededup phash": 10,
}  # fmt: skip
SIDE, MARGIN, APART = 250, 14, 40

Cut = Callable[[int, int], Image.Image]
"""The crop, moved by so many pixels."""


def turned(cut: Cut, n: int) -> Image.Image:
    """Five degrees, to either side, with black corners."""
    return cut(0, 0).rotate(5 * (-1) ** n, Image.Resampling.BICUBIC)


def scaled(cut: Cut, n: int) -> Image.Image:
    """The middle 93 % at full size, or all of it at 93 % in a white frame."""
    side, picture = round(SIDE * 0.93), cut(0, 0)
    edge = (SIDE - side) // 2
    if n % 2:
        return picture.crop((edge, edge, edge + side, edge + side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    framed = Image.new("RGB", (SIDE, SIDE), "white")
    framed.paste(picture.resize((side, side), Image.Resampling.BICUBIC), (edge, edge))
    return framed


def encoded(name: str, quality: int) -> Callable[[Cut, int], Image.Image]:
    """Through a lossy codec."""

    def through(cut: Cut, _: int) -> Image.Image:
        data = io.BytesIO()
        cut(0, 0).save(data, name, quality=quality)
        return Image.open(data).convert("RGB")

    return through


def sign(n: int) -> int:
    """Twelve pixels, to either side."""
    return 12 * (-1) ** n


KINDS: dict[str, Callable[[Cut, int], Image.Image]] = {
    "shift_one_axis": lambda cut, n: cut(sign(n), 0) if n % 4 < 2 else cut(0, sign(n)),
    "shift_both_axes": lambda cut, n: cut(sign(n), sign(n // 2)),
    "right_angle": lambda cut, n: cut(0, 0).transpose(Image.Transpose(2 + n % 3)),
    "flip": lambda cut, n: cut(0, 0).transpose((Image.Transpose(0), Image.Transpose(1), Image.Transpose(5))[n % 3]),
    "jpeg_50": encoded("JPEG", 50),
    "jpeg_95": encoded("JPEG", 95),
    "webp_60": encoded("WEBP", 60),
    "resize": lambda cut, n: cut(0, 0).resize((round(SIDE * (0.5, 0.75, 1.5)[n % 3]),) * 2, Image.Resampling.BICUBIC),
    "brightness": lambda cut, n: cut(0, 0).point(lambda value: value * (0.8, 1.15)[n % 2] + 8),
    "grey": lambda cut, _: cut(0, 0).convert("L"),
    "turn_5_degrees": turned,
    "scale_93": scaled,
}


def spots(half: int) -> list[tuple[Path, int, int]]:
    """Corners of windows around cells of every second field, none within 40 pixels of another."""
    found = []
    for file in sorted((DATA / "JPEGImages").glob("*.jpg"))[half::2]:
        width, height = Image.open(file).size
        taken: list[tuple[int, int]] = []
        for box in ElementTree.parse(DATA / "Annotations" / f"{file.stem}.xml").iter("bndbox"):
            edges = [float(box.findtext(edge, "0")) for edge in ("xmin", "xmax", "ymin", "ymax")]
            x = int(np.clip((edges[0] + edges[1] - SIDE) / 2, MARGIN, width - SIDE - MARGIN))
            y = int(np.clip((edges[2] + edges[3] - SIDE) / 2, MARGIN, height - SIDE - MARGIN))
            if all(abs(x - i) >= APART or abs(y - j) >= APART for i, j in taken):
                taken.append((x, y))
        found += [(file, x, y) for x, y in taken]
    return found


def plant(kind: str, places: list[tuple[Path, int, int]], copies: int, out: Path) -> int:
    """Write all crops, and copies of some, spread over the fields; how many."""
    chosen = set(np.linspace(0, len(places) - 1, min(copies, len(places))).astype(int).tolist())
    for n, (file, x, y) in enumerate(places):
        with Image.open(file) as field:

            def cut(dx: int, dy: int, field: Image.Image = field, x: int = x, y: int = y) -> Image.Image:
                return field.crop((x + dx, y + dy, x + dx + SIDE, y + dy + SIDE))

            cut(0, 0).save(out / f"{n:05d}.png", compress_level=1)
            if n in chosen:
                KINDS[kind](cut, n).save(out / f"{n:05d}_copy.png", compress_level=1)
    return len(chosen)


def retakes(linked: dict[tuple[str, str], tuple[float, float]], out: Path) -> int:
    """Cut spots that two fields show from both, up to 10 pixels off as two annotators would; how many."""
    count = 0
    for (a, b), (dx, dy) in sorted(linked.items()):
        first, second = (Image.open(DATA / "JPEGImages" / name) for name in (a, b))
        for x in range(0, first.width - SIDE + 1, 130):
            for y in range(0, first.height - SIDE + 1, 115):
                u, v = round(x - dx) + count % 3 * 5 - 5, round(y - dy) - count % 3 * 5 + 5
                if 0 <= u <= second.width - SIDE and 0 <= v <= second.height - SIDE:
                    first.crop((x, y, x + SIDE, y + SIDE)).save(out / f"{count:05d}.png", compress_level=1)
                    second.crop((u, v, u + SIDE, v + SIDE)).save(out / f"{count:05d}_copy.png", compress_level=1)
                    count += 1
    return count


def drawn(scan: Scan) -> np.ndarray:
    """Squares (n, 64, 64) of the cells of a drawn scan that lie wholly on it."""
    picture, found = paint_smear(scan), []
    for cell in scan.cells:
        x, y = int(cell.x) - SIDE // 2, int(cell.y) - SIDE // 2
        if min(x, y, scan.width - x - SIDE, scan.height - y - SIDE) >= 0:
            found.append(square_of(picture[y : y + SIDE, x : x + SIDE]))
    return np.array(found, dtype=np.uint8).reshape(-1, 64, 64)


def distractors(count: int) -> np.ndarray:
    """Squares of so many distinct drawn cells; half of the drawn ones lie too near an edge."""
    hospital = cases.plan(max(4, count // 90), 3, max(400, 2 * count))
    scans = [scan for case in hospital.cases for scan in case.scans if scan.kind != "section" and not scan.cut_from]
    distinct = (scan for scan in scans if "_copy_" not in scan.name and "_export_" not in scan.name)
    found, total = [], 0
    with Pool() as pool:
        for some in pool.imap(drawn, distinct):
            found.append(some)
            total += len(some)
            if total >= count:
                break
    return np.concatenate(found)[:count]


def vectors(squares: np.ndarray) -> np.ndarray:
    """Vectors of many squares."""
    return np.concatenate([spectrum.vectors(squares[n : n + 2048]) for n in range(0, len(squares), 2048)])


def among(places: list[tuple[Path, int, int]], kinds: list[str], copies: int, counts: list[int]) -> dict[str, float]:
    """Share of the copies that are candidates of their original among drawn cells, by kind and number of these."""
    chosen = np.linspace(0, len(places) - 1, min(copies, len(places))).astype(int)
    squares: dict[str, list[np.ndarray]] = {"": [], **{kind: [] for kind in kinds}}
    for n, (file, x, y) in enumerate(places):
        with Image.open(file) as field:

            def cut(dx: int, dy: int, field: Image.Image = field, x: int = x, y: int = y) -> Image.Image:
                return field.crop((x + dx, y + dy, x + dx + SIDE, y + dy + SIDE))

            squares[""].append(square_of(np.asarray(cut(0, 0))))
            for kind in kinds if n in set(chosen.tolist()) else ():
                squares[kind].append(square_of(np.asarray(KINDS[kind](cut, n).convert("RGB"))))
    others, ratios = distractors(max(counts)), {}
    own, raw = np.array(squares[""]), vectors(others)
    changed = {kind: vectors(np.array(squares[kind])) for kind in kinds}
    for count in counts:
        print(f"candidates among {count} drawn and {len(own)} real cells")
        for kind in kinds:
            pool = np.concatenate([own, np.array(squares[kind]), others[:count]])
            points = np.concatenate([vectors(own), changed[kind], raw[:count]])
            points = points @ spectrum.learned_metric(pool, points)
            copied = len(own) + np.arange(len(chosen))
            asked = np.concatenate([chosen, copied])
            pairs = np.concatenate(list(neighbours_of(points, asked, len(points))))
            found = {(min(a, b), max(a, b)) for a, b in pairs.tolist()}
            ratios[f"candidates_{kind}_{count}"] = float(
                np.mean([pair in found for pair in zip(chosen, copied, strict=True)])
            )
            print(f"  {kind:<17} recall {ratios[f'candidates_{kind}_{count}']:7.2%}", flush=True)
    return ratios


def peers(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Pairs that each peer finds, at its usual threshold."""
    home = CACHE / "deduplicate"
    if not (home / ".ready").exists():
        venv.create(home, with_pip=True, clear=True)
        for packages in (PACKAGES, ["--no-deps", *ALONE]):
            subprocess.run(
                [home / "bin/python", "-m", "pip", "install", "-q", *packages], check=True, stdout=sys.stderr
            )
        (home / ".ready").touch()
    ran = subprocess.run([home / "bin/python", HERE / "dedup_peers.py", folder], check=True, stdout=subprocess.PIPE)
    found = {}
    for tool, hashes in json.loads(ran.stdout).items():
        names = list(hashes)
        bits = np.stack([np.unpackbits(np.frombuffer(bytes.fromhex(hashes[name]), np.uint8)) for name in names])
        signs = bits.astype(np.float32) * 2 - 1
        distances = (bits.shape[1] - signs @ signs.T) / 2
        near = np.argwhere(np.triu(distances <= THRESHOLDS[tool], 1))
        found[tool] = [(names[a], names[b]) for a, b in near]
    return found


def score(pairs: list[tuple[str, str]], planted: int, same: Callable[[int, int], bool]) -> tuple[float, int]:
    """Recall, and pairs of spots that do not show the same."""
    numbers = {(int(a[:5]), int(b[:5])) for a, b in pairs}
    hits = sum(a == b for a, b in numbers)
    return hits / planted, sum(a != b and not same(a, b) for a, b in numbers)


def main() -> None:
    """Plant, search, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--cells", type=int, default=1000, help="planted copies of each kind")
    parser.add_argument("--pictures", type=int, default=10**6, help="crops of distinct cells at most (default: all)")
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS, "retake"], default=[*KINDS, "retake"], metavar="NAME")
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="which half of the fields (default 1)")
    parser.add_argument("--without-peers", action="store_true", help="HemaLake alone")
    parser.add_argument("--distractors", default="", help="numbers of drawn cells, such as 1000,10000 (default: none)")
    options = parser.parse_args()
    fields = deduplicate_files.run(DATA / "JPEGImages")
    kinds = {kind: sum(pair.kind == kind for pair in fields.pairs) for kind in ("exact", "near", "overlap")}
    print(f"{fields.pictures} fields: {len(fields.pairs)} pairs, {kinds}", flush=True)
    linked = {(pair.a, pair.b): tuple(float(part[3:]) for part in pair.transform.split()[2:]) for pair in fields.pairs}
    places = spots(options.half)
    places = places[:: -(-len(places) // options.pictures)]

    def same(a: int, b: int) -> bool:
        """Whether two spots lie in one field or in two that show each other, so that they may share pixels."""
        first, second = sorted((places[a][0].name, places[b][0].name))
        return first == second or (first, second) in linked

    ratios: dict[str, float] = {"field_pairs": len(fields.pairs), "confirmed_false": 0}
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            of_fields = kind == "retake"
            planted = retakes(linked, folder) if of_fields else plant(kind, places, options.cells, folder)
            started = time.perf_counter()
            ours = deduplicate_files.run(folder)
            seconds = time.perf_counter() - started
            found = {"hemalake": [(pair.a, pair.b) for pair in ours.pairs]}
            if not options.without_peers:
                found |= peers(folder)
            print(f"{kind}: {planted} planted among {ours.pictures} pictures, {ours.pictures / seconds:.0f} pictures/s")
            for tool, pairs in found.items():
                # Spots of fields that were taken several times show the same more often than is known.
                recall, false = score(pairs, planted, (lambda *_: True) if of_fields else same)
                print(
                    f"  {tool:<17} recall {recall:7.2%}   " + ("" if of_fields else f"false pairs {false}"), flush=True
                )
                if tool == "hemalake":
                    ratios[kind] = recall
                    ratios["confirmed_false"] += false
    if options.distractors:
        kinds = [kind for kind in options.kinds if kind in KINDS]
        ratios |= among(places, kinds, options.cells, [int(count) for count in options.distractors.split(",")])
    if options.json:
        print(json.dumps({"ratios": ratios}))


if __name__ == "__main__":
    main()
