"""Munich's scale: from raw scans of 945 patients to de-duplicated crops of 171,374 cells in Delta, stage by stage.

    $ python benchmarks/munich_scale.py [--patients 945] [--cells 171374] [--copies 1000] [--seed 11] [--json]

A hospital is drawn, each cell from its own seed: slides in SVS and DICOM, fields, and copies of fields, encoded again,
turned or flipped, so that at least `--copies` cells are shown twice. Then ingest, deidentify, crop and deduplicate run
in one lake. For each: seconds, crops/s, bytes written, greatest memory of driver (Python and JVM) and workers.

The codec loop does the bare work of the crop stage with as many processes, before it and after it in the same run: it
decodes each tile that a crop shows once, with the fastest exact decoder, and encodes as many crops with the fastest
lossless encoder. `ratios`: `crop_to_codec_loop`, seconds of the crop stage to that; `one_patient_to_full`, all four
stages for one more patient to those for everybody. Meanwhile the old scans are put aside: none of them can be read.

With `--skew` half of all cells are on one slide: the crop stage should take at most 1.2 times as long.

It fails when less than 99 % of the planted pairs are found, or when distinct cells are merged.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from crop import DECODERS, frame_places
from scale_hospital import FIRST, LATER, Delivery, deliver
from scale_watch import Reads, Watch

from jobs import pipeline
from jobs.hospital.plan import Scan
from jobs.lake import Lake
from jobs.pixels.crop import crops
from jobs.pixels.encode import ENCODERS
from jobs.pixels.open import open_slide
from jobs.settings import load_settings
from jobs.store import local_path
from schemas.stages import CROP, DEDUPLICATE, DEIDENTIFY, INGEST

STAGES = (INGEST, DEIDENTIFY, CROP, DEDUPLICATE)
SIZE, RECALL, MEMORY_MOST = 250, 0.99, 8 << 30
LOSSLESS = ("png", "jxl")
SETTINGS = """\
[places]
lake = "lake"
landing = "landing"
key = "@pseudonym.key"
[sources.helsinki]
identity_columns = {{ patient_number = "https://helsinki.example/pathology" }}
[sources.munich]
identity_columns = {{ patient_number = "https://munich.example/pathology" }}
[deidentify]
look_for_text = "none"
[crop]
size = {size}
encoding = "{encoding}"
[spark]
master = "local[{cores}]"
driver_memory = "{memory}"
shuffle_partitions = {cores}
[spark.conf]
"spark.eventLog.enabled" = "true"
"spark.eventLog.dir" = "{events}"
"spark.eventLog.rolling.enabled" = "false"
"spark.eventLog.compress" = "false"
"""


@dataclass(frozen=True)
class Measured:
    """What one run of a stage took."""

    stage: str
    seconds: float
    bytes: int
    """Written to the lake."""
    driver: int
    """Greatest memory of the driver, in bytes."""
    workers: int
    """Greatest memory of all Python workers together."""
    rows_read: int
    files_read: int
    inserted: int
    """Rows, in all tables."""
    crops: int


def main() -> None:
    """Generate, run, measure, print; exit 1 where recall or precision is missed."""
    options = arguments()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="munich-"))
    try:
        sys.exit(0 if run(folder, options) else 1)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=945, help="how many; at most 990")
    parser.add_argument("--cells", type=int, default=171_374, help="of all patients together")
    parser.add_argument("--copies", type=int, help="cells that are shown twice; default: 1,000, less for fewer cells")
    parser.add_argument("--seed", type=int, default=11, help="another seed, another hospital")
    parser.add_argument("--skew", action="store_true", help="half of all cells are on one slide")
    parser.add_argument("--cores", type=int, default=2, help="cores of Spark and processes of the codec loop")
    parser.add_argument("--encoding", choices=LOSSLESS, default="png", help="of the crops in the lake")
    parser.add_argument("--memory", default="3g", help="heap of the driver")
    parser.add_argument("--folder", type=Path, help="where hospital and lake are made and stay; new or empty")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    return parser.parse_args()


def run(folder: Path, options: argparse.Namespace) -> bool:
    """Everything; whether recall and precision hold."""
    copies = options.copies or max(20, round(1000 * options.cells / 171_374))
    started = time.perf_counter()
    numbers = range(1, options.patients + 1)
    given = deliver(
        folder / "landing", numbers, options.cells, copies, FIRST, options.cores, skewed=options.skew, seed=options.seed
    )
    lake = prepared(folder, options)
    print(
        f"{options.patients} patients, {len(given.images)} scans, {sum(map(len, given.places.values()))} cells, ",
        end="",
    )
    print(f"{len(given.copies)} of them on copies; drawn in {time.perf_counter() - started:.0f} s")
    work = codec_work([image.scan for image in given.images], given, folder / "landing")
    bits = bits_per_pixel(work)
    print(f"tiles of {bits:.2f} bits per pixel")
    loops = [codec_loop(work, options.cores)]
    full = [measured(lake, stage, folder) for stage in STAGES]
    loops.append(codec_loop(work, options.cores))
    loop = sum(each["seconds"] for each in loops) / len(loops)
    show(full)
    found = score(lake, given)
    size = (options.cells // options.patients) or 1
    newcomer = range(options.patients + 1, options.patients + 2)
    later = deliver(folder / "landing", newcomer, size, 0, LATER, 1, seed=options.seed)
    with old_scans_put_aside(lake):
        more = [measured(lake, stage, folder) for stage in STAGES]
    print(f"one more patient, {sum(map(len, later.places.values()))} cells; the old scans cannot be read meanwhile")
    show(more)
    ratios = {
        "crop_to_codec_loop": next(each.seconds for each in full if each.stage == "crop") / loop,
        "one_patient_to_full": sum(each.seconds for each in more) / sum(each.seconds for each in full),
    }
    peak = max(each.driver + each.workers for each in full + more)
    held = lake.read("restricted.quarantine").where("resolved_by IS NULL AND stage = 'crop'").count()
    print(f"codec loop: {loop:.1f} s, {loops[0]['decoder']} and {loops[0]['encoder']}, {options.cores} processes")
    print(f"planted pairs found: {found['recall']:.4f} {found['recall_by_kind']}")
    print(
        f"distinct cells merged: {found['merged']}; scans that de-identification holds back: {found['scans_held_back']}"
    )
    print(f"memory {peak / 1e9:.2f} GB at most; crops held back: {held}")
    print(" ".join(f"{name} {value:.2f}" for name, value in ratios.items()))
    good = found["recall"] >= RECALL and not found["merged"] and not held
    if options.json:
        stages = {"full": [vars(each) for each in full], "one_patient": [vars(each) for each in more]}
        print(json.dumps({"ratios": ratios, "duplicates": found, "peak_bytes": peak, "stages": stages, "loops": loops}))
    return good and peak < MEMORY_MOST


def prepared(folder: Path, options: argparse.Namespace) -> Lake:
    """An empty lake."""
    (folder / "events").mkdir(parents=True)
    (folder / "pseudonym.key").write_bytes(bytes(range(32)))
    (folder / "pseudonym.key").chmod(0o600)
    filled = SETTINGS.format(
        size=SIZE, encoding=options.encoding, cores=options.cores, memory=options.memory,
        events=(folder / "events").as_uri(),
    )  # fmt: skip
    (folder / "hemalake.toml").write_text(filled)
    return Lake(load_settings(folder / "hemalake.toml"))


def measured(lake: Lake, stage: pipeline.Stage, folder: Path) -> Measured:
    """Run a stage, and watch it."""
    _ = lake.spark  # starts here, so that its start is no part of what is measured
    reads, before = Reads(folder / "events"), lake_bytes(lake)
    with Watch() as watch:
        outcome = pipeline.run_stage(lake, stage)
    rows, files = reads.since()
    crops_written = sum(each.inserted for each in outcome.written if each.table == "curated.crops")
    return Measured(
        stage.name, outcome.seconds, lake_bytes(lake) - before, watch.driver, watch.workers, rows, files,
        outcome.changed, crops_written,
    )  # fmt: skip


def lake_bytes(lake: Lake) -> int:
    """How many bytes all files of the lake have."""
    return sum(
        entry.bytes for zone in ("restricted", "curated") for entry in lake.store.list(lake.settings.zone_root(zone))
    )


def show(stages: list[Measured]) -> None:
    """One line a stage."""
    columns = {"stage": -13, "seconds": 9, "crops/s": 9, "MB": 9, "driver MB": 11, "workers MB": 12, "rows": 10}
    columns |= {"files": 7, "new rows": 10}
    print("".join(name.ljust(-width) if width < 0 else name.rjust(width) for name, width in columns.items()))
    for each in stages:
        speed = f"{each.crops / each.seconds:.0f}" if each.crops else ""
        print(
            f"{each.stage:<13}{each.seconds:9.1f}{speed:>9}{each.bytes / 1e6:9.0f}{each.driver / 1e6:11.0f}"
            f"{each.workers / 1e6:12.0f}{each.rows_read:10d}{each.files_read:7d}{each.inserted:10d}"
        )


class old_scans_put_aside:
    """A context in which the curated files of all scans that are there are not."""

    def __init__(self, lake: Lake) -> None:
        root = local_path(lake.settings.zone_root("curated"))
        self._files = [
            root / uri for row in lake.read("curated.scans").select("uri").collect() for uri in row.uri.split(" ")
        ]

    def __enter__(self) -> None:
        for file in self._files:
            file.rename(file.with_name(f"{file.name}.aside"))

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.with_name(f"{file.name}.aside").rename(file)


@dataclass(frozen=True)
class CodecWork:
    """The bare work for one scan."""

    path: Path
    spans: list[tuple[int, int]]
    """Offset and length of each JPEG that a crop shows; empty: the whole file is one."""
    points: list[tuple[float, float]]
    """The centre of each crop."""
    pixels: int
    """Of one JPEG."""


def codec_work(scans: list[Scan], given: Delivery, landing: Path) -> list[CodecWork]:
    """Which tiles the crops of each scan show."""
    found = []
    for scan in scans:
        path, points = landing / scan.files[0], sorted(given.places[scan.name])
        if scan.is_field:
            found.append(CodecWork(path, [], points, scan.width * scan.height))
            continue
        offsets, lengths = frame_places(path)
        across, tile = -(-scan.width // scan.tile), scan.tile
        needed = set()
        for x, y in points:
            left, top = int(np.floor(x - SIZE / 2)), int(np.floor(y - SIZE / 2))
            columns = range(max(left, 0) // tile, (min(left + SIZE, scan.width) - 1) // tile + 1)
            rows = range(max(top, 0) // tile, (min(top + SIZE, scan.height) - 1) // tile + 1)
            needed |= {row * across + column for row in rows for column in columns}
        spans = [(offsets[n], lengths[n]) for n in sorted(needed)]
        found.append(CodecWork(path, spans, points, tile * tile))
    return found


def bits_per_pixel(work: list[CodecWork]) -> float:
    """Of the tiles that are decoded."""
    tiles = [(length, each.pixels) for each in work for _, length in each.spans]
    return 8 * sum(length for length, _ in tiles) / sum(pixels for _, pixels in tiles)


def codec_loop(work: list[CodecWork], processes: int) -> dict[str, object]:
    """Seconds of the bare loop over all scans, and the codecs that it used."""
    data = next(each for each in work if not each.spans).path.read_bytes()
    exact = {name: each for name, each in DECODERS.items() if np.array_equal(each(data), DECODERS["simplejpeg"](data))}
    decoder = min(exact, key=lambda name: timed(lambda: exact[name](data)))
    sample = sample_crops(work)
    encoder = min(LOSSLESS, key=lambda name: timed(lambda: [ENCODERS[name](each) for each in sample]))
    shares = [(work[n :: processes * 4], decoder, encoder, sample) for n in range(processes * 4)]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        started = time.perf_counter()
        pool.map(_loop, shares, chunksize=1)
        return {"seconds": time.perf_counter() - started, "decoder": decoder, "encoder": encoder}


def sample_crops(work: list[CodecWork]) -> list[np.ndarray]:
    """Some crops of slides and fields, of all that the crop stage cuts."""
    shown, found = [each for each in work if each.points], []
    for each in shown[:: -(-len(shown) // 32)]:
        with open_slide(each.path) as slide:
            some = each.points[:: -(-len(each.points) // 4)]
            found += [crop.pixels for _, crop in crops(slide, np.array(some), SIZE)]
    return found


def timed(work: object) -> float:
    """Least seconds of some tries."""
    found = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def _loop(task: tuple[list[CodecWork], str, str, list[np.ndarray]]) -> None:
    """Decode and encode, and nothing else."""
    work, decoder, encoder, sample = task
    decode, encode, turn = DECODERS[decoder], ENCODERS[encoder], 0
    for each in work:
        with each.path.open("rb") as file:
            for offset, length in each.spans:
                file.seek(offset)
                decode(file.read(length))
            if not each.spans:
                decode(file.read())
        for _ in each.points:
            encode(sample[turn % len(sample)])
            turn += 1


def score(lake: Lake, given: Delivery) -> dict[str, object]:
    """How many of the planted pairs were found, and how many pairs of distinct cells were merged."""
    cells = lake.read("curated.cells").select("cell_id", "scan_id", "center_x", "center_y").collect()
    shown: dict[str, dict[tuple[float, float], str]] = {}
    for cell in cells:
        shown.setdefault(cell.scan_id, {})[cell.center_x, cell.center_y] = cell.cell_id
    by_points = {frozenset(own): own for own in shown.values()}
    of_scan = {name: by_points[points] for name, points in given.places.items() if points in by_points}
    same: dict[str, set[str]] = {}
    planted: dict[str, list[frozenset[str]]] = {}
    for copy in given.copies:
        if copy.field in of_scan and copy.other_field in of_scan:
            a, b = of_scan[copy.field][copy.cell], of_scan[copy.other_field][copy.other_cell]
            planted.setdefault(copy.kind, []).append(frozenset((a, b)))
            same.setdefault(a, {a}).add(b)
    true = {frozenset((a, b)) for group in same.values() for a in group for b in group if a != b}
    rows = lake.read("curated.duplicates").where("unit_kind = 'cell'").select("unit_a", "unit_b").collect()
    merged = {frozenset((row.unit_a, row.unit_b)) for row in rows}
    hits = {kind: sum(pair in merged for pair in pairs) / len(pairs) for kind, pairs in planted.items()}
    count = sum(map(len, planted.values()))
    recall = sum(pair in merged for pairs in planted.values() for pair in pairs) / count
    return {
        "recall": recall, "recall_by_kind": hits, "planted": count, "merged": len(merged - true),
        "scans_held_back": len(given.places) - len(of_scan),
    }  # fmt: skip


if __name__ == "__main__":
    main()
