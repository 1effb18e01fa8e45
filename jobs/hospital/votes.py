"""What examiners make of cells: who looks at which scan, where they click, how they err."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from jobs.hospital.looks import CONFUSED
from jobs.hospital.people import EXAMINERS, Examiner
from jobs.hospital.plan import Cell, Scan, Vote
from jobs.hospital.seeds import pick, rng

AGREEMENT = 0.87
"""How often an examiner says the true class."""
FARTHEST = 4.0
"""How far from a cell's centre a shape is centred at most, in pixels."""


def examiners_of(seed: int, scan: Scan) -> list[Examiner]:
    """One to three examiners, the first from the scan's own site."""
    gen = rng(seed, "examiners", scan.path)
    home = [examiner for examiner in EXAMINERS if examiner.source == scan.source]
    first = pick(gen, home)
    others = [examiner for examiner in EXAMINERS if examiner is not first]
    extra = int(gen.choice(3, p=(0.3, 0.4, 0.3)))
    return [first, *(others[int(i)] for i in gen.permutation(len(others))[:extra])]


def votes_of(seed: int, scan: Scan) -> list[Vote]:
    """The votes for a scan: the first examiner's for every cell, the others' for some."""
    result = []
    for turn, examiner in enumerate(examiners_of(seed, scan)):
        started = scan.scanned + timedelta(days=2 + turn, minutes=13 * turn)
        result += read_scan(seed, scan, examiner, started, 0.55 if turn else 1.0)
    return result


def read_scan(seed: int, scan: Scan, examiner: Examiner, started: datetime, share: float, turn: int = 1) -> list[Vote]:
    """One examiner's reading of a share of a scan's cells."""
    gen = rng(seed, "reading", scan.path, examiner.name, turn)
    votes = []
    for index, cell in enumerate(scan.cells):
        chosen, angle, reach = (
            gen.random() < share,
            gen.uniform(0, 2 * math.pi),
            FARTHEST * math.sqrt(gen.random()),
        )
        label, seconds = _label(cell, gen.random(), int(gen.integers(16))), int(gen.integers(4, 20))
        if not chosen:
            continue
        started += timedelta(seconds=seconds)
        x, y = round(cell.x + reach * math.cos(angle), 1), round(cell.y + reach * math.sin(angle), 1)
        votes.append(Vote(scan, index, x, y, label, examiner, started, turn))
    return votes


def _label(cell: Cell, luck: float, which: int) -> str:
    mistaken = CONFUSED[cell.code].split()
    return cell.code if luck < AGREEMENT else mistaken[which % len(mistaken)]
