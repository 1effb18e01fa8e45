"""A hospital of any size for `munich_scale.py`: smear slides in SVS and DICOM, fields, and copies of some fields.

Every cell is drawn from its own seed; where a field was copied, the truth says which cells show the same.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from jobs.hospital.cases import chart_of, one_case
from jobs.hospital.deliver import write, write_manifest, write_scan
from jobs.hospital.diseases import DISEASES
from jobs.hospital.formats import POINT_COLUMNS, point, table
from jobs.hospital.people import SOURCES, make_person
from jobs.hospital.plan import Case, Scan, Vote
from jobs.hospital.records import RESOURCES, ndjson, resources
from jobs.hospital.smear import paint_smear
from jobs.hospital.tables import SCAN_COLUMNS, scan_row
from jobs.hospital.votes import examiners_of, read_scan

QUALITY = {True: 95, False: 88}
"""JPEG quality of fields and of slides, for at least 1.5 bits per pixel."""
COPY_QUALITY = 85
FIRST, LATER = "2024-03-04_001", "2024-04-08_002"
Point = tuple[float, float]
Pixels = np.ndarray


@dataclass(frozen=True)
class Change:
    """What was done to a field's copy."""

    pixels: Callable[[Pixels], Pixels]
    place: Callable[[float, float, int, int], Point]
    """Where a point of a field of some width and height comes to lie."""


CHANGES = {
    "re-encoded": Change(lambda pixels: pixels, lambda x, y, width, height: (x, y)),
    "turned": Change(np.rot90, lambda x, y, width, height: (y, width - x)),
    "flipped": Change(np.fliplr, lambda x, y, width, height: (width - x, y)),
}


@dataclass(frozen=True)
class Image:
    """A scan, and what it was copied from."""

    scan: Scan
    original: Scan
    change: str = ""


@dataclass(frozen=True)
class Copy:
    """A cell on a field and on its copy."""

    kind: str
    field: str
    cell: Point
    other_field: str
    other_cell: Point


@dataclass(frozen=True)
class Delivery:
    """What was written, by annotated points: the lake knows scans by other names."""

    images: list[Image]
    places: dict[str, frozenset[Point]]
    """Name of a scan to the points that mark its cells."""
    copies: list[Copy]


def deliver(
    landing: Path,
    numbers: range,
    cells: int,
    copies: int,
    folder: str,
    processes: int,
    *,
    skewed: bool = False,
    seed: int = 11,
) -> Delivery:
    """Write the deliveries of some patients.

    Args:
        landing: the landing zone.
        numbers: of the patients.
        cells: of all of them together, those on copies not counted.
        copies: how many cells are shown on a copy of their field as well.
        folder: name of the delivery at each site.
        processes: how many draw at once.
        skewed: whether half of all cells are on the slide of the first patient.
        seed: another seed, another hospital.
    """
    edges = np.linspace(0, cells, len(numbers) + 1).astype(int)
    if skewed:
        edges = np.r_[0, np.linspace(cells // 2, cells, len(numbers)).astype(int)]
    cases = [_case(seed, number, int(own), folder) for number, own in zip(numbers, np.diff(edges), strict=True)]
    images = [Image(scan, scan) for case in cases for scan in case.scans]
    images += _copies(images, copies)
    votes = {image.scan.name: _votes(seed, image) for image in images}
    for source in SOURCES:
        own_cases = [case for case in cases if case.person.source == source]
        if own_cases:
            shown = [image.scan for image in images if image.scan.source == source]
            _write_tables(seed, landing / source / folder, own_cases, shown, votes)
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for _ in pool.imap_unordered(_draw, [(image, landing) for image in images], chunksize=4):
            pass
    for source in SOURCES:
        if (landing / source / folder).is_dir():
            write_manifest(landing / source / folder)
    places = {name: frozenset((vote.x, vote.y) for vote in own) for name, own in votes.items()}
    return Delivery(images, places, list(_planted(images, votes)))


def _case(seed: int, number: int, cells: int, folder: str) -> Case:
    source = SOURCES[(number + 1) % 2]
    person, first = make_person(seed, number, source), datetime(2024, 1, 8, tzinfo=UTC)
    chart = chart_of(seed, person, DISEASES[number % len(DISEASES)], f"{source}/{folder}", first)
    case = one_case(chart, cells)
    return replace(case, scans=tuple(replace(scan, quality=QUALITY[scan.is_field]) for scan in case.scans))


def _copies(images: list[Image], wanted: int) -> Iterator[Image]:
    """Copies of fields, a kind of change after another, until so many cells are shown twice."""
    fields = [image.scan for image in images if image.scan.is_field]
    count = 0
    for number, scan in enumerate(fields):
        if count >= wanted:
            return
        kind = list(CHANGES)[number % len(CHANGES)]
        change = CHANGES[kind]
        cells = tuple(
            replace(cell, x=x, y=y)
            for cell in scan.cells
            for x, y in [change.place(cell.x, cell.y, scan.width, scan.height)]
        )
        name = f"{scan.specimen}_export_{number}"
        width, height = (scan.height, scan.width) if kind == "turned" else (scan.width, scan.height)
        path = f"{scan.path.rsplit('/', 1)[0]}/{name}.jpg"
        copy = replace(
            scan, name=name, path=path, quality=COPY_QUALITY, width=width, height=height, cells=cells, comment=""
        )
        count += len(cells)
        yield Image(copy, scan, kind)


def _votes(seed: int, image: Image) -> list[Vote]:
    """One examiner's vote for every cell."""
    scan = image.scan
    return read_scan(seed, scan, examiners_of(seed, scan)[0], scan.scanned + timedelta(days=2), 1.0)


def _planted(images: list[Image], votes: dict[str, list[Vote]]) -> Iterator[Copy]:
    for image in images:
        if image.change:
            name, other = image.original.name, image.scan.name
            for a, b in zip(votes[name], votes[other], strict=True):
                yield Copy(image.change, name, (a.x, a.y), other, (b.x, b.y))


def _write_tables(seed: int, place: Path, cases: list[Case], scans: list[Scan], votes: dict[str, list[Vote]]) -> None:
    """Everything but the images: records, scan sheet, annotations."""
    found = [resources(seed, case) for case in cases]
    for name in RESOURCES:
        write(place / "fhir" / f"{name}.ndjson", ndjson([item for own in found for item in own[name]]))
    rows = [scan_row(scan) for scan in scans if scan.format != "dicom"]
    write(place / "scans.csv", table(SCAN_COLUMNS, rows))
    points = [point(vote) for scan in scans for vote in votes[scan.name]]
    write(place / "annotations" / "points.csv", table(POINT_COLUMNS, points))


def _draw(task: tuple[Image, Path]) -> None:
    image, landing = task
    pixels = paint_smear(image.original)
    if image.change:
        pixels = np.ascontiguousarray(CHANGES[image.change].pixels(pixels))
    write_scan(image.scan, pixels, landing)
