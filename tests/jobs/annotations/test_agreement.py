"""One slide annotated in every format: the shapes agree within half a pixel."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jobs.annotations import read_shapes
from tests.jobs.annotations import writers
from tests.jobs.annotations.writers import Drawn

SIZE = (40_000, 30_000)
LABELS = ("BLA", "Erythroblast, polychromatic", 'Häm <1> & "2"', "7")


def place(limit: int) -> st.SearchStrategy[float]:
    return st.floats(2, limit - 200).map(lambda value: round(value, 3))


SIDE = st.floats(3, 190).map(lambda value: round(value, 3))


@st.composite
def drawn(draw: st.DrawFn, kind: str) -> Drawn:
    x, y = draw(place(SIZE[0])), draw(place(SIZE[1]))
    label = draw(st.sampled_from(LABELS))
    if kind == "point":
        return Drawn(kind, (x, y), label)
    width, height = draw(SIDE), draw(SIDE)
    if kind == "box":
        return Drawn(kind, (x, y, x + width, y + height), label)
    inner = draw(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8))
    corners = [(0.0, 0.3), (0.6, 0.0), (1.0, 0.8), *inner, (0.1, 1.0)]
    return Drawn(kind, tuple(v for a, b in corners for v in (x + a * width, y + b * height)), label)


def several(*kinds: str) -> st.SearchStrategy[list[Drawn]]:
    return st.lists(st.sampled_from(kinds).flatmap(drawn), min_size=1, max_size=6, unique_by=lambda s: s.coordinates)


def read(name: str, data: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        (Path(folder) / "classes.txt").write_text("\n".join(LABELS))
        return read_shapes(path, "scan.png", SIZE)


def apart(one, other) -> float:
    """Largest distance between the sides of two boxes."""
    return max(abs(a - b) for a, b in zip(one.box, other.box, strict=True))


def check(found, expected: list[Drawn]) -> None:
    assert [shape.reason for shape in found] == [""] * len(expected)
    for truth in expected:
        one = min(found, key=lambda shape: apart(shape, truth))
        found.remove(one)
        assert apart(one, truth) <= 0.5
        assert one.label == truth.label
        if one.kind == truth.kind:
            assert one.coordinates == pytest.approx(truth.coordinates, abs=0.5)


@settings(deadline=None, max_examples=60)
@given(several("box"))
def test_boxes(shapes: list[Drawn]) -> None:
    assume_apart(shapes)
    check(read("a", writers.voc(shapes, SIZE)), shapes)
    for layout in writers.BOX_HEADERS:
        for delimiter in ",;\t|":
            check(read("a", writers.boxes(shapes, layout, delimiter)), shapes)


@settings(deadline=None, max_examples=60)
@given(several("point"))
def test_points(shapes: list[Drawn]) -> None:
    assume_apart(shapes)
    for delimiter in ",;\t|":
        check(read("a", writers.points(shapes, delimiter)), shapes)


@settings(deadline=None, max_examples=60)
@given(several("box", "polygon"))
def test_boxes_and_polygons(shapes: list[Drawn]) -> None:
    assume_apart(shapes)
    check(read("a", writers.yolo(shapes, SIZE, LABELS)), shapes)


@settings(deadline=None, max_examples=100)
@given(several("point", "box", "polygon"))
def test_every_kind(shapes: list[Drawn]) -> None:
    assume_apart(shapes)
    check(read("a", writers.geojson(shapes)), shapes)
    check(read("a", writers.coco(shapes, SIZE)), shapes)
    check(read("a", writers.asap(shapes)), shapes)
    check(read("a", writers.ann(shapes)), shapes)
    check(read("a", writers.ann(shapes, double=True)), shapes)


def assume_apart(shapes: list[Drawn]) -> None:
    """The nearest box is the right one only where no two are nearly the same."""
    assume(all(apart(one, other) > 3 for n, one in enumerate(shapes) for other in shapes[:n]))
