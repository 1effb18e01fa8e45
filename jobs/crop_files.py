"""Cut the cells of one scan out of it, without Spark or a lake: every annotation gets its line in an index.

Scans, shapes and crops are the same as those of the stage; what cannot be cut costs its own line and nothing else.
"""

from __future__ import annotations

import csv
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from jobs.annotations import Shape, read_shapes
from jobs.annotations.names import IMAGE_SUFFIXES, meant
from jobs.crop.plan import CONTEXT, Options, Plan, plan, sides
from jobs.errors import BadInput, UsageError
from jobs.pixels.crop import Crop, Ints, cut, spans
from jobs.pixels.encode import ENCODERS
from jobs.pixels.open import open_slide
from jobs.pixels.reader import PIXELS_MOST, Level, Mpp, Reader
from schemas.reasons import Reason

COLUMNS = ("file", "annotation", "x", "y", "width", "height", "status", "reason")
_ABSENT = "Part of it has no tile in the file and shows the background."
_ANOTHER = "the annotations name another image than this scan"
_NOT_WRITTEN = "The crop cannot be written."
_LOST = "The process that decoded it ended."
_CRASHES_MOST = 64
"""After so many, the crops that are left are given up."""
_LEAST = 256
"""Fewer crops are not worth another process."""


@dataclass(frozen=True)
class _Work:
    """What a process needs to cut some of the crops."""

    scan: Path
    out: Path
    options: Options
    plan: Plan


@dataclass
class Outcome:
    """What a run did."""

    counts: Counter[str] = field(default_factory=Counter)
    """Annotations by status."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Those that were skipped or failed, by reason."""
    mpp: Mpp | None = None
    """µm per pixel of the scan, with its source."""
    mpp_missing: str | None = None
    notes: tuple[str, ...] = ()
    """What was chosen or changed on the way to RGB."""


def run(scan: Path, annotations: Path, out: Path, options: Options) -> Outcome:
    """Cut a crop for each annotation and write `index.csv`.

    Args:
        scan: a file, or the folder of a DICOM series.
        annotations: a file of any format of `jobs.annotations`.
        out: a folder, new or empty.
        options: how.

    Raises:
        UsageError: a path or an option cannot be used; nothing was written.
        BadInput: the annotation file cannot be read; the index holds its header only.
    """
    _check(scan, annotations, out, options)
    before = _signature(scan)
    outcome, size, problem = Outcome(), None, ""
    try:
        with _opened(scan, options) as reader:
            size, level, outcome.notes = reader.size, reader.levels[0], reader.info.notes
            outcome.mpp, outcome.mpp_missing = _mpp(reader, options)
    except BadInput as bad:
        level, problem = Level(1, 1, 1.0, 1, 1), bad.reason.sentence
    side = sides(options, outcome.mpp, outcome.mpp_missing) if not problem else (options.size, options.size)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_index(out, [])
    except OSError:
        raise UsageError("the output folder cannot be made, or not be written to.") from None
    shapes = read_shapes(annotations, scan=scan.resolve().as_posix(), size=size, image=scan)
    if _of_another(shapes, scan):
        outcome.notes += (_ANOTHER,)
    plans = [plan(shapes, side, level, options, problem)]
    if options.context:
        scale = options.context / options.size
        wider = (round(side[0] * scale), round(side[1] * scale))
        plans.append(plan(shapes, wider, level, options, problem, CONTEXT))
        (out / CONTEXT).mkdir(exist_ok=True)
    whole = _joined(plans)
    for index, status, reason in _cut_all(_Work(scan, out, options, whole), level):
        whole.status[index], whole.reasons[index] = status, reason
    if _signature(scan) != before:
        _undo(whole, out)
    rows = _rows(whole, [shape.annotation for shape in shapes] * len(plans))
    first = rows[: len(shapes)]
    if options.context:
        _write_index(out / CONTEXT, rows[len(shapes) :])
    _write_index(out, first)
    outcome.counts.update(whole.status)
    outcome.reasons.update(
        reason for status, reason in zip(whole.status, whole.reasons, strict=True) if status in ("skipped", "failed")
    )
    return outcome


def _of_another(shapes: Iterable[Shape], scan: Path) -> bool:
    """Whether the shapes name a file of an image, and not this one: it may have been renamed, or be another."""
    named = {shape.image for shape in shapes if Path(shape.image).suffix.lower() in IMAGE_SUFFIXES}
    return bool(named) and not meant(named, scan.resolve().as_posix())


def _joined(plans: list[Plan]) -> Plan:
    """Several plans as one, so that each tile is decoded once for all of them."""
    return Plan(
        np.vstack([each.windows for each in plans]),
        [entry for each in plans for entry in each.status],
        [entry for each in plans for entry in each.reasons],
        [entry for each in plans for entry in each.names],
        [entry for each in plans for entry in each.wanted],
        [entry for each in plans for entry in each.known],
    )


def _cut_all(work: _Work, level: Level) -> Iterator[tuple[int, str, str]]:
    """Cut what is wanted, in several processes; each takes a run of neighbouring rows of tiles.

    A run whose process ends is halved and tried again, until the crop is found at which it does.
    """
    indices = np.flatnonzero(work.plan.wanted)
    if not len(indices):
        return
    chunks = _chunks(indices, work, level)
    crashes = 0
    while chunks:
        broken = []
        # Each has its own pool, for one process that ends breaks all of its pool.
        pools = [ProcessPoolExecutor(1, mp_context=get_context("fork")) for _ in chunks]
        running = [pool.submit(_cut_some, work, chunk) for pool, chunk in zip(pools, chunks, strict=True)]
        for pool, chunk, future in zip(pools, chunks, running, strict=True):
            with pool:
                try:
                    yield from future.result()
                except BrokenExecutor:  # a decoder in C brought its process down
                    broken.append(chunk)
        crashes += len(broken)
        chunks = []
        for chunk in broken:
            if len(chunk) == 1 or crashes > _CRASHES_MOST:
                yield from _lost(work, chunk)
            else:
                chunks += np.array_split(chunk, 2)


def _lost(work: _Work, indices: Ints) -> Iterator[tuple[int, str, str]]:
    """Crops at which the process ended; what may be there of them is removed."""
    for index in indices.tolist():
        (work.out / work.plan.names[index]).unlink(missing_ok=True)
        yield index, "failed", _LOST


def _chunks(indices: Ints, work: _Work, level: Level) -> list[Ints]:
    """The crops in as many runs as there are processes, by the rows of tiles in which they begin."""
    first, _ = spans(work.plan.windows[indices], level)
    ordered = indices[np.lexsort((first[:, 0], first[:, 1]))]
    rows = np.sort(first[:, 1])
    jobs = max(1, min(work.options.jobs or os.cpu_count() or 1, len(indices) // _LEAST))
    cuts = {int(np.searchsorted(rows, rows[len(rows) * part // jobs])) for part in range(1, jobs)} - {0}
    return np.split(ordered, sorted(cuts))


def _cut_some(work: _Work, indices: Ints) -> list[tuple[int, str, str]]:
    """Cut, encode and write some crops; what becomes of each."""
    done: dict[int, tuple[str, str]] = {}
    problem = Reason.UNREADABLE.sentence
    try:
        with _opened(work.scan, work.options) as reader:
            for position, found in cut(reader, work.plan.windows[indices], work.options.pad):
                index = int(indices[position])
                done[index] = _written(work, index, found)
    except BadInput as bad:
        problem = bad.reason.sentence
    except UsageError:
        raise
    except Exception:  # a decoder failed in a way of its own; the crops so far are good
        pass
    return [(index, *done.get(index, ("failed", problem))) for index in indices.tolist()]


def _written(work: _Work, index: int, found: Crop | BadInput) -> tuple[str, str]:
    """Write one crop; its status and reason."""
    if isinstance(found, BadInput):
        return "failed", found.reason.sentence
    pixels, plan = found.pixels, work.plan
    if work.options.mpp is not None:
        side = work.options.context if plan.names[index].startswith(f"{CONTEXT}/") else work.options.size
        if pixels.shape[:2] != (side, side):
            pixels = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
    try:
        (work.out / plan.names[index]).write_bytes(ENCODERS[work.options.format](pixels))
    except OSError:
        return "failed", _NOT_WRITTEN
    reasons = (plan.reasons[index], _ABSENT if found.absent_fraction else "")
    return plan.status[index], " ".join(filter(None, reasons))


def _undo(plan: Plan, out: Path) -> None:
    """The scan was replaced: nothing says which of its two contents a crop shows."""
    for index, wanted in enumerate(plan.wanted):
        if wanted:
            (out / plan.names[index]).unlink(missing_ok=True)
            plan.status[index], plan.reasons[index] = "failed", Reason.CHANGED.sentence


def _rows(plan: Plan, annotations: Iterable[str]) -> list[tuple[object, ...]]:
    """The lines of the index, in the order of the annotations."""
    rows = []
    for index, annotation in enumerate(annotations):
        status = plan.status[index]
        written = status not in ("skipped", "failed")
        name = plan.names[index].removeprefix(f"{CONTEXT}/") if written else ""
        x, y, width, height = plan.windows[index].tolist()
        place = (x, y) if plan.known[index] else ("", "")
        rows.append((name, annotation, *place, width, height, status, plan.reasons[index]))
    return rows


def _write_index(folder: Path, rows: Iterable[tuple[object, ...]]) -> None:
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        plain = csv.writer(file, lineterminator="\n")
        # Python quotes no carriage return of its own, and readers take it for the end of a line.
        quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(COLUMNS)
        for row in rows:
            (quoted if any("\r" in str(value) for value in row) else plain).writerow(row)


def _opened(scan: Path, options: Options) -> AbstractContextManager[Reader]:
    return open_slide(scan, focal_plane=options.focal_plane, optical_path=options.optical_path)


def _mpp(reader: Reader, options: Options) -> tuple[Mpp | None, str | None]:
    """Size of a pixel: what the caller says, else what the file says."""
    if options.scan_mpp is not None:
        return Mpp(options.scan_mpp, options.scan_mpp, "as told"), None
    return reader.mpp, reader.mpp_missing


def _signature(scan: Path) -> list[tuple[str, int, int, int]]:
    """What changes when one of the scan's files is written to or replaced."""
    try:
        files = sorted(scan.iterdir()) if scan.is_dir() else [scan]
        facts = [(file.name, file.stat()) for file in files]
    except OSError:
        return []
    return [(name, fact.st_ino, fact.st_size, fact.st_mtime_ns) for name, fact in facts]


def _check(scan: Path, annotations: Path, out: Path, options: Options) -> None:
    if not scan.exists():
        raise UsageError("the scan does not exist.")
    if not annotations.is_file():
        raise UsageError("the annotation file does not exist.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("the output folder must be new or empty: crops of two runs are never mixed.")
    if scan.is_dir() and (scan.resolve() == out.resolve() or scan.resolve() in out.resolve().parents):
        raise UsageError("the output folder must not lie in the folder of the scan.")
    for side in (options.size, options.context or 1):
        if side < 1 or side * side > PIXELS_MOST:
            raise UsageError("the side of a crop must be at least 1 pixel, and at most 9459.")
    if options.context and options.context <= options.size:
        raise UsageError("a context crop must be wider than the crop.")
    if not math.isfinite(options.focal_plane or 0):
        raise UsageError("the focal plane must be a number of µm.")
    for value in (options.mpp, options.scan_mpp):
        if value is not None and not 0 < value < 1000:
            raise UsageError("µm per pixel must be more than 0, and less than 1000.")
