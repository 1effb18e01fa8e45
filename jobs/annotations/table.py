"""Points and boxes of tables with a header: continuous pixels from the first pixel's corner, boxes half-open.

Names of columns are compared without case, blanks and signs, so `X_min`, `x min` and `xmin` are one. Where no
number of any box or point exceeds one, the table states fractions of the image's width and height.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from jobs.annotations.shape import NO_FACTS, Shape, malformed, number, words
from jobs.annotations.text import skip
from jobs.delimited import rows_of
from jobs.errors import BadInput
from schemas.reasons import Reason

CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
    ("minx", "miny", "maxx", "maxy"),
    ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"),
    ("xtl", "ytl", "xbr", "ybr"),
)
"""Left, top, right and bottom side of a box."""
MIDDLES = (
    *(("xcenter", "ycenter"), ("xcentre", "ycentre"), ("centerx", "centery"), ("centrex", "centrey")),
    *(("cx", "cy"), ("xc", "yc")),
)
"""Centre of a box."""
CENTRES = tuple((*middle, *size) for middle in MIDDLES for size in (("width", "height"), ("w", "h")))
"""Centre, width and height of a box."""
SIZES = (
    ("bx", "by", "width", "height"),
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("xmin", "ymin", "width", "height"),
    ("left", "top", "width", "height"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("bbx", "bby", "bbw", "bbh"),
)
"""Left and top side, width and height of a box."""
POINTS = (
    ("x", "y"),
    *MIDDLES,
    *(("centroidx", "centroidy"), ("xcoord", "ycoord"), ("xcoordinate", "ycoordinate"), ("coordx", "coordy")),
    *(("pointx", "pointy"), ("pixelx", "pixely"), ("posx", "posy"), ("positionx", "positiony"), ("column", "row")),
)
"""A point."""
IMAGES = ("image", "filename", "imagename", "scan", "imagefile", "imagepath", "slide", "slidename", "file", "imageid")
LABELS = ("label", "class", "category", "classname", "labelname", "categoryname", "celltype", "classification",
          "type", "name", "cellclass", "celllabel", "classid", "labelid", "categoryid")  # fmt: skip
ANNOTATORS = ("examiner", "annotator", "annotatedby", "reader", "rater")
IDS = ("annotation", "annotationid", "id", "objectid", "shapeid")
FACTS = {"confidence": "confidence", "score": "confidence", "round": "round", "annotatedat": "annotated_at",
         "annotatorkind": "annotator_kind"}  # fmt: skip
_SIGNS = re.compile(r"[\W_]+")
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,(?!\d{3}\s*$)\d+\s*")
"""With three digits behind it, a comma could as well stand between thousands: that is not guessed."""
_HINT = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""First line by which Excel is told the delimiter."""
_BEYOND = 0.5
"""By how much a fraction may lie outside the image."""
_PIXELS = re.compile(r"(?:px|pixels?)$")

Maker = Callable[[float, float, float, float], tuple[float, ...]]


@dataclass(frozen=True)
class Layout:
    """Which columns of a table say what, as indices."""

    kind: str
    numbers: tuple[int, ...]
    make: Maker
    image: int | None
    label: int | None
    annotator: int | None
    id: int | None
    facts: Mapping[str, int]
    width: int
    """Number of columns."""
    decimal_comma: bool


def _corners(x0: float, y0: float, x1: float, y1: float) -> tuple[float, ...]:
    return x0, y0, x1, y1


def _sized(x: float, y: float, width: float, height: float) -> tuple[float, ...]:
    return x, y, x + width, y + height


def _centred(x: float, y: float, width: float, height: float) -> tuple[float, ...]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def layout_of(header: Sequence[str], delimiter: str = ",") -> Layout | None:
    """What the columns of a header mean; None where it names neither point nor box."""
    names = [_SIGNS.sub("", name.casefold()) for name in header]
    names = [_PIXELS.sub("", name) or name for name in names]
    place = {name: index for index, name in reversed(list(enumerate(names)))}
    families: tuple[tuple[str, Sequence[tuple[str, ...]], Maker], ...] = (
        ("box", CORNERS, _corners),
        ("box", CENTRES, _centred),
        ("box", SIZES, _sized),
        ("point", POINTS, _corners),
    )
    for kind, choices, make in families:
        for columns in choices:
            if place.keys() >= set(columns):
                return Layout(
                    kind=kind,
                    numbers=tuple(place[column] for column in columns),
                    make=make,
                    image=_first(place, IMAGES),
                    label=_first(place, LABELS),
                    annotator=_first(place, ANNOTATORS),
                    id=_first(place, IDS),
                    facts={fact: place[name] for name, fact in FACTS.items() if name in place},
                    width=len(header),
                    decimal_comma=delimiter != ",",
                )
    return None


def _first(place: Mapping[str, int], known: Sequence[str]) -> int | None:
    return next((place[name] for name in known if name in place), None)


def open_table(text: str) -> tuple[list[str], str, Iterator[list[str]]]:
    """Header, delimiter and rows of a table; blank rows do not count."""
    hint = _HINT.match(text)
    at = hint.end() if hint else 0
    while text.startswith("#", at):
        at = text.find("\n", at) + 1 or len(text)
    first = text[at : text.find("\n", skip(text, at)) + 1 or len(text)].strip("\r\n")
    delimiter = hint[1] if hint else max(",;\t|", key=first.count)
    if delimiter not in first:
        delimiter = " "
    rows = rows_of(text, delimiter, at)
    return next(rows, []), delimiter, rows


def read_table(text: str) -> Iterator[Shape]:
    """The points or boxes of a table.

    Raises:
        BadInput: no header names a point or a box.
    """
    header, delimiter, rows = open_table(text)
    layout = layout_of(header, delimiter)
    if layout is None:
        raise BadInput(Reason.HEADER_MISSING)
    if _sizes_are_of_the_image(text, layout):
        layout = replace(layout, kind="point", numbers=layout.numbers[:2])
    unit = "fraction" if _in_fractions(text, layout) else "px"
    for position, row in enumerate(rows):
        yield _shape(row, position, layout, unit)


def _sizes_are_of_the_image(text: str, layout: Layout) -> bool:
    """Whether width and height, which stand apart from x and y, are one size that holds all of these points."""
    if layout.make is not _sized or layout.numbers[2] == layout.numbers[1] + 1:
        return False
    sizes = set()
    _, _, rows = open_table(text)
    for row in rows:
        try:
            x, y, width, height = _numbers(row, layout)
        except ValueError:
            continue
        sizes.add((width, height))
        if len(sizes) > 1 or not (0 <= x < width and 0 <= y < height):
            return False
    return bool(sizes)


def _in_fractions(text: str, layout: Layout) -> bool:
    """Whether no number exceeds one by more than shapes reach beyond their image, and some are no integers."""
    broken = False
    _, _, rows = open_table(text)
    for row in rows:
        try:
            numbers = _numbers(row, layout)
        except ValueError:
            continue
        if not all(-_BEYOND <= value <= 1 + _BEYOND for value in numbers):
            return False
        broken = broken or any(value % 1 for value in numbers)
    return broken


def _numbers(row: Sequence[str], layout: Layout) -> list[float]:
    if len(row) != layout.width and (len(row) < layout.width or any(row[layout.width :])):
        raise ValueError("not as many values as columns")
    return [_number(row[index], layout.decimal_comma) for index in layout.numbers]


def _number(text: str, decimal_comma: bool) -> float:
    """A number of a table; between quotes, there may be a decimal comma where the comma is the delimiter as well."""
    if "," in text and (decimal_comma or _DECIMAL_COMMA.fullmatch(text)):
        text = text.replace(",", ".")
    return number(text)


def _shape(row: Sequence[str], position: int, layout: Layout, unit: str) -> Shape:
    def said(index: int | None) -> str:
        return words(row[index]) if index is not None and index < len(row) else ""

    image = said(layout.image)
    try:
        numbers = _numbers(row, layout)
        if layout.image is not None and not image:
            raise ValueError("no image named")
    except ValueError:
        return malformed(position, image, own=said(layout.id))
    coordinates = layout.make(*numbers) if layout.kind == "box" else tuple(numbers)
    facts = {fact: row[index] for fact, index in layout.facts.items()} or NO_FACTS
    own = said(layout.id) or str(position)
    label, annotator = said(layout.label), said(layout.annotator)
    return Shape(own, layout.kind, coordinates, label, annotator, image, "", position, unit, facts)
