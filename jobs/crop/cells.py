"""From annotations to cells: shapes of several examiners on one spot are one cell.

Annotations of one scan whose centres lie within a set distance are one cell, at most one an examiner and round. The
first annotation founds the cell and gives it its id, so that a later vote never changes it; who comes first is
decided by the time of annotation, so that a lake built in one go has the same cells as one that grew.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mark:
    """One annotation: where its centre is, in level-0 pixels, and whose it is."""

    annotation_id: str
    x: float
    y: float
    examiner_key: str
    round: int
    annotated_at: float
    """Seconds since 1970; 0 where unknown."""


@dataclass
class Cell:
    """A cell and the annotations that mean it."""

    cell_id: str
    x: float
    y: float
    marks: list[Mark] = field(default_factory=list)

    def takes(self, mark: Mark) -> bool:
        """Whether nobody of the same name and round has marked the cell."""
        return all((m.examiner_key, m.round) != (mark.examiner_key, mark.round) for m in self.marks)

    def distance(self, mark: Mark) -> float:
        """From the cell's centre to the mark's, in pixels."""
        return math.hypot(self.x - mark.x, self.y - mark.y)


def cell_id(annotation_id: str) -> str:
    """The id of the cell that an annotation founds: depends on no label, crop or encoding."""
    return hashlib.sha256(f"cell of {annotation_id}".encode()).hexdigest()[:32]


def group(marks: Iterable[Mark], known: Sequence[Cell], voted: Mapping[str, str], distance: float) -> list[Cell]:
    """Assign every mark to a cell.

    Args:
        marks: all annotations of one scan.
        known: cells that the scan has already, without marks.
        voted: annotation_id to cell_id, as assigned before; kept while the mark still lies near its cell.
        distance: how far apart, in pixels, centres of one cell may lie.

    Returns:
        The cells that have a mark, known ones under their old id.
    """
    grid = _Grid(distance)
    cells = {cell.cell_id: Cell(cell.cell_id, cell.x, cell.y) for cell in known}
    for cell in cells.values():
        grid.add(cell)
    new = []
    for mark in sorted(marks, key=lambda m: (m.annotated_at, m.annotation_id)):
        old = cells.get(voted.get(mark.annotation_id, ""))
        if old is not None and old.distance(mark) <= distance and old.takes(mark):
            old.marks.append(mark)
        else:
            new.append(mark)
    for mark in new:
        near = [cell for cell in grid.near(mark) if cell.distance(mark) <= distance and cell.takes(mark)]
        if not near:
            near = [Cell(cell_id(mark.annotation_id), mark.x, mark.y)]
            grid.add(near[0])
            cells[near[0].cell_id] = near[0]
        nearest = min(near, key=lambda cell: (cell.distance(mark), cell.cell_id))
        nearest.marks.append(mark)
    return [cell for cell in cells.values() if cell.marks]


class _Grid:
    """Cells by the square that they lie in, so that looking around costs the same however many there are."""

    def __init__(self, side: float) -> None:
        self._side = max(side, 1.0)
        self._squares: dict[tuple[int, int], list[Cell]] = defaultdict(list)

    def add(self, cell: Cell) -> None:
        self._squares[self._square(cell.x, cell.y)].append(cell)

    def near(self, mark: Mark) -> Iterator[Cell]:
        column, row = self._square(mark.x, mark.y)
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                yield from self._squares.get((column + dx, row + dy), ())

    def _square(self, x: float, y: float) -> tuple[int, int]:
        return int(x // self._side), int(y // self._side)
