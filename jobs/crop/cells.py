"""From annotations to cells: shapes of several examiners on one spot are one cell.

Annotations of one scan whose centres lie within a set distance, or whose boxes overlap by a set share, are one cell, at
most one an examiner and round; that the windows of two crops overlap says nothing. The
first annotation founds the cell and gives it its id, so that a later vote never changes it; who comes first is
decided by the time of annotation, so that a lake built in one go has the same cells as one that grew.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in level-0 pixels."""


@dataclass(frozen=True)
class Rule:
    """When two examiners' shapes are one cell."""

    distance: float
    """How far apart, in pixels, centres may lie."""
    iou: float = 0.0
    """Intersection over union from which two boxes are one cell, whatever their distance; 0: the distance decides."""


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
    box: Box | None = None
    """None for a point."""


@dataclass
class Cell:
    """A cell and the annotations that mean it."""

    cell_id: str
    x: float
    y: float
    box: Box | None = None
    """Of the annotation that founded the cell; None for a point, or one that is gone."""
    marks: list[Mark] = field(default_factory=list)

    def takes(self, mark: Mark, rule: Rule) -> bool:
        """Whether a mark means this cell, and nobody of the same name and round has marked it."""
        if any((m.examiner_key, m.round) == (mark.examiner_key, mark.round) for m in self.marks):
            return False
        if rule.iou and self.box and mark.box:
            return self.shared(mark, rule) >= rule.iou
        return self.distance(mark) <= rule.distance

    def shared(self, mark: Mark, rule: Rule) -> float:
        """Intersection over union with the mark's box; 0 where it does not count."""
        return iou(self.box, mark.box) if rule.iou and self.box and mark.box else 0.0

    def distance(self, mark: Mark) -> float:
        """From the cell's centre to the mark's, in pixels."""
        return math.hypot(self.x - mark.x, self.y - mark.y)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / (areas - shared) if areas > shared else 0.0


def cell_id(annotation_id: str) -> str:
    """The id of the cell that an annotation founds: depends on no label, crop or encoding."""
    return hashlib.sha256(f"cell of {annotation_id}".encode()).hexdigest()[:32]


def group(marks: Iterable[Mark], known: Sequence[Cell], voted: Mapping[str, str], rule: Rule) -> list[Cell]:
    """Assign every mark to a cell.

    Args:
        marks: all annotations of one scan.
        known: cells that the scan has already, without marks.
        voted: annotation_id to cell_id, as assigned before; kept while the mark still means it.
        rule: when two shapes are one cell.

    Returns:
        The cells that have a mark, known ones under their old id.
    """
    ordered = sorted(marks, key=lambda m: (m.annotated_at, m.annotation_id))
    boxes = {cell_id(mark.annotation_id): mark.box for mark in ordered}
    grid = _Grid(rule)
    cells = {cell.cell_id: Cell(cell.cell_id, cell.x, cell.y, boxes.get(cell.cell_id)) for cell in known}
    for cell in cells.values():
        grid.add(cell)
    new = []
    for mark in ordered:
        old = cells.get(voted.get(mark.annotation_id, ""))
        if old is not None and old.takes(mark, rule):
            old.marks.append(mark)
        else:
            new.append(mark)
    for mark in new:
        near = [cell for cell in grid.near(mark) if cell.takes(mark, rule)]
        if not near:
            near = [Cell(cell_id(mark.annotation_id), mark.x, mark.y, mark.box)]
            grid.add(near[0])
            cells[near[0].cell_id] = near[0]
        best = min(near, key=lambda cell: (-cell.shared(mark, rule), cell.distance(mark), cell.cell_id))
        best.marks.append(mark)
    return [cell for cell in cells.values() if cell.marks]


class _Grid:
    """Cells by the square that they lie in, so that looking around costs the same however many there are.

    Boxes also lie in a grid of their own size: those that share enough differ in size by no more than they share.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._squares: dict[tuple[float, int, int], list[Cell]] = defaultdict(list)

    def add(self, cell: Cell) -> None:
        """Note where a cell lies."""
        self._squares[self._square(cell.x, cell.y, self._side)].append(cell)
        if self._rule.iou and cell.box:
            self._squares[self._square(cell.x, cell.y, _power_of_two(_longest(cell.box)))].append(cell)

    def near(self, mark: Mark) -> Iterator[Cell]:
        """All cells that the mark may mean, and others around."""
        yield from self._around(mark, self._side, 1)
        if self._rule.iou and mark.box:
            own = _longest(mark.box)
            side, most = _power_of_two(own * self._rule.iou), _power_of_two(own / self._rule.iou)
            while side <= most:
                yield from self._around(mark, side, math.ceil((own + side) / (2 * side)))
                side *= 2

    @property
    def _side(self) -> float:
        # No power of two, so that no square is of both kinds.
        return max(self._rule.distance, 1.0) * 1.000001

    def _around(self, mark: Mark, side: float, reach: int) -> Iterator[Cell]:
        _, column, row = self._square(mark.x, mark.y, side)
        for dx in range(-reach, reach + 1):
            for dy in range(-reach, reach + 1):
                yield from self._squares.get((side, column + dx, row + dy), ())

    @staticmethod
    def _square(x: float, y: float, side: float) -> tuple[float, int, int]:
        return side, int(x // side), int(y // side)


def _longest(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _power_of_two(side: float) -> float:
    """The next one that is no smaller, 1 at least."""
    return 2.0 ** max(0, math.ceil(math.log2(max(side, 1.0))))
