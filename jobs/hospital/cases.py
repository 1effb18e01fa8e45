"""Plan the hospital: patients, their diseases and specimens, which scan shows which cells, which fields are doubles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from jobs.hospital.diseases import DISEASES, Disease, deal
from jobs.hospital.layout import lay_out
from jobs.hospital.people import SOURCES, Person, make_person
from jobs.hospital.plan import Canvas, Case, Cell, Duplicate, Hospital, Scan
from jobs.hospital.section import CLASSES, SCALE
from jobs.hospital.seeds import at_random_time, pick, rng

FIRST = {"helsinki": "helsinki/2024-03-04_001", "munich": "munich/2024-03-04_001"}
LATE = "helsinki/2024-04-08_002"
SLIDE_UM = {"helsinki": 0.22, "munich": 0.25}
FIELD_UM = {"helsinki": 0.12, "munich": 0.13}
TILE = {"helsinki": 256, "munich": 240}
SLIDE_SIDES = (1536, 1640, 1792, 1900, 2048, 2304)
FIELD_SIZES = ((640, 480), (800, 600), (1000, 750))
QUALITY = {"helsinki": 85, "munich": 76}
SECTION_CELLS = 12
FEWEST = 40
"""Patients with at least so many cells have slides of full size and three fields."""


@dataclass(frozen=True)
class _Chart:
    """What all scans of a patient share."""

    seed: int
    person: Person
    disease: Disease
    taken: datetime
    specimen: str
    delivery: str


def plan(patients: int, seed: int, cells: int) -> Hospital:
    """Plan everything.

    Args:
        patients: number of patients, at least 4.
        seed: decides everything else.
        cells: distinct cells to draw and annotate.
    """
    people = [make_person(seed, n, SOURCES[(n + 1) % 2]) for n in range(1, patients + 1)]
    diseases = [DISEASES[int(rng(seed, "disease", n).permutation(len(DISEASES))[0])] for n in range(1, patients + 1)]
    withdrawn = withdrawn_number(patients)
    codes = deal(seed, cells, diseases, _shares(seed, patients, cells))
    sections = {1, 2, 5} if patients >= 12 else {1, 2}
    cases = []
    for person, disease, own in zip(people, diseases, codes, strict=True):
        chart = chart_of(seed, person, disease, FIRST[person.source], datetime(2024, 1, 8, tzinfo=UTC))
        scans = _scans(chart, own, person.number in sections)
        cases.append(Case(person, disease, chart.taken, chart.specimen, tuple(scans), person.number == withdrawn))
    hospital = Hospital(seed, cases, distinct_cells=sum(len(scan.cells) for case in cases for scan in case.scans))
    _add_duplicates(hospital)
    return hospital


def withdrawn_number(patients: int) -> int:
    """Number of the patient who withdrew consent: the last of Helsinki."""
    return patients if patients % 2 else patients - 1


def chart_of(seed: int, person: Person, disease: Disease, delivery: str, first: datetime) -> _Chart:
    """The specimen of a patient: taken within 40 days from `first`."""
    gen = rng(seed, "chart", person.number)
    taken = at_random_time(gen, first + timedelta(days=int(gen.integers(40))))
    prefix = "24BM" if person.source == "helsinki" else "KM24-"
    return _Chart(seed, person, disease, taken, f"{prefix}{person.number * 37 % 1000 + 5000:05d}", delivery)


def one_case(chart: _Chart, cells: int) -> Case:
    """A case of one more patient, with about `cells` cells."""
    shares = [cells]
    codes = deal(chart.seed, cells, [chart.disease], shares)[0]
    return Case(chart.person, chart.disease, chart.taken, chart.specimen, tuple(_scans(chart, codes, False)))


def _shares(seed: int, patients: int, cells: int) -> list[int]:
    """Cells of each patient: unequal, and summing up to `cells`."""
    weights = rng(seed, "shares").uniform(0.8, 1.2, patients)
    edges = np.round(np.cumsum(weights) / weights.sum() * cells).astype(int)
    return np.diff(edges, prepend=0).tolist()  # type: ignore[no-any-return]


def _scans(chart: _Chart, codes: list[str], section: bool) -> list[Scan]:
    """Fields, a smear slide, and for some a section; all cells find a place on one of them."""
    gen = rng(chart.seed, "scans", chart.person.number)
    rest, scans = list(codes), []
    full = len(codes) >= FEWEST
    if section:
        told = [code for code in rest if code in CLASSES][: SECTION_CELLS if full else 3]
        for code in told:
            rest.remove(code)
        side = 1640 if full else 640
        scans.append(_slide(chart, "section", 2, told, (side, side - 104)))
    for number in range(3 if full else 2):
        size = pick(gen, FIELD_SIZES) if full else FIELD_SIZES[0]
        own = rest[: max(size[0] * size[1] // 42_000, 1) if full else 2]
        field, left = _field(chart, number + 1, own, size)
        rest = left + rest[len(own) :]
        scans.append(field)
    size = (pick(gen, SLIDE_SIDES), pick(gen, SLIDE_SIDES)) if full else (768, 700)
    scans.append(_slide(chart, "smear", 1, rest, size))
    return scans


def _slide(chart: _Chart, kind: str, number: int, codes: list[str], size: tuple[int, int]) -> Scan:
    """A slide; it grows until all its cells have a place."""
    person = chart.person
    container = f"{chart.specimen}-{'AB'[number - 1]}{number}"
    name = container if person.source == "helsinki" else slide_name(person, container, number)
    um = SLIDE_UM[person.source]
    while True:
        scale = SCALE if kind == "section" else 1.0
        cells, left = lay_out(chart.seed, name, codes, size, um, scale, all_or_none=True)
        if not left:
            break
        more = max(256, min(size) // 16)
        size = (size[0] + more, size[1] + more)
    path = f"{chart.delivery}/slides/{name}" + ("" if person.source == "helsinki" else ".svs")
    return _scan(chart, name, path, kind, size, um, cells, container)


def slide_name(person: Person, container: str, number: int) -> str:
    """File stem of an SVS: some scanners are told to name files after the patient."""
    return f"{person.family}_{container}" if person.number % 4 == 2 and number == 1 else container


def _field(chart: _Chart, number: int, codes: list[str], size: tuple[int, int]) -> tuple[Scan, list[str]]:
    """A field with as many of the cells as fit."""
    person = chart.person
    um = FIELD_UM[person.source]
    owner = {1: person.family, 2: person.pathology}.get(number, chart.specimen)
    name = f"{owner}_{chart.specimen}_{number}" if person.number % 3 == 1 else f"{chart.specimen}_{number:02d}"
    cells, left = lay_out(chart.seed, name, codes, size, um)
    path = f"{chart.delivery}/fields/{name}.jpg"
    return _scan(chart, name, path, "field", size, um, cells, f"{chart.specimen}-A1"), left


def _scan(
    chart: _Chart,
    name: str,
    path: str,
    kind: str,
    size: tuple[int, int],
    um: float,
    cells: tuple[Cell, ...],
    container: str,
) -> Scan:
    person, gen = chart.person, rng(chart.seed, "scan", name)
    scanned = at_random_time(gen, chart.taken + timedelta(days=int(gen.integers(1, 6))))
    named = person.number % 3 == 1 or (kind != "field" and person.number % 4 == 0)
    return Scan(
        name=name,
        path=path,
        person=person,
        kind=kind,
        width=size[0],
        height=size[1],
        um=um,
        seed=int(gen.integers(1 << 62)),
        cells=cells,
        specimen=chart.specimen,
        container=container,
        batch=f"{'HE' if kind == 'section' else 'MGG'}-{person.source[:1].upper()}{1 + person.number % 4}",
        taken=chart.taken,
        scanned=scanned,
        rbc=chart.disease.rbc,
        quality=QUALITY[person.source],
        tile=TILE[person.source],
        comment=f"{person.full_name} {person.pathology}" if named else "",
    )


def _add_duplicates(hospital: Hospital) -> None:
    """Two pairs each of exact, re-encoded and overlapping fields, of patients who did not withdraw."""
    usable = [n for n, case in enumerate(hospital.cases) if not case.withdrawn]
    for turn, kind in enumerate(("exact", "re-encoded", "overlapping") * 2):
        index = usable[turn % len(usable)]
        case = hospital.cases[index]
        fields = [scan for scan in case.scans if scan.is_field and scan.cut_from is None]
        taken = {id(d.a) for d in hospital.duplicates} | {id(d.b) for d in hospital.duplicates}
        first = next(scan for scan in fields if id(scan) not in taken)
        pair = _overlapping(hospital, first) if kind == "overlapping" else (first, _copy(first, kind))
        scans = [pair[0] if scan is first else scan for scan in case.scans] + [pair[1]]
        hospital.cases[index] = replace(case, scans=tuple(scans))
        share = _shared_area(*pair) if kind == "overlapping" else 1.0
        hospital.duplicates.append(Duplicate(kind, *pair, share))


def _copy(scan: Scan, kind: str) -> Scan:
    """The same field under another name."""
    name = f"{scan.specimen}_{'copy' if kind == 'exact' else 'export'}_{scan.name[-1]}"
    path = scan.path.replace(f"{scan.name}.jpg", f"{name}.jpg")
    quality = scan.quality if kind == "exact" else scan.quality - 14
    return replace(scan, name=name, path=path, quality=quality)


def _overlapping(hospital: Hospital, scan: Scan) -> tuple[Scan, Scan]:
    """Two fields cut from one larger canvas, which has cells of its own beside those of `scan`."""
    gen = rng(hospital.seed, "overlap", scan.name)
    step = (
        round(scan.width * float(gen.uniform(0.36, 0.5))),
        round(scan.height * float(gen.uniform(0.04, 0.12))),
    )
    size = (scan.width + step[0], scan.height + step[1])
    codes = [cell.code for cell in scan.cells]
    more = codes[: max(len(codes) * step[0] // scan.width, 1)]
    cells, _ = lay_out(hospital.seed, f"{scan.name} canvas", codes + more, size, scan.um)
    canvas = Canvas(*size, cells)
    first = replace(scan, cut_from=canvas, cells=_within(cells, scan, (0, 0)))
    name = f"{scan.specimen}_next_{scan.name[-1]}"
    second = replace(
        scan,
        name=name,
        path=scan.path.replace(f"{scan.name}.jpg", f"{name}.jpg"),
        cut_from=replace(canvas, left=step[0], top=step[1]),
        cells=_within(cells, scan, step),
    )
    both = {cell.seed for cell in first.cells} | {cell.seed for cell in second.cells}
    hospital.distinct_cells += len(both) - len(scan.cells)
    return first, second


def _within(cells: tuple[Cell, ...], scan: Scan, corner: tuple[int, int], margin: float = 12.0) -> tuple[Cell, ...]:
    """Cells whose centres lie within a window of the scan's size, in its own pixels."""
    moved = (replace(cell, x=round(cell.x - corner[0], 1), y=round(cell.y - corner[1], 1)) for cell in cells)
    return tuple(
        cell for cell in moved if margin <= cell.x <= scan.width - margin and margin <= cell.y <= scan.height - margin
    )


def _shared_area(a: Scan, b: Scan) -> float:
    width = a.width - abs(a.canvas.left - b.canvas.left)
    height = a.height - abs(a.canvas.top - b.canvas.top)
    return round(width * height / (a.width * a.height), 4)
