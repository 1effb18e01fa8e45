"""One slide, annotated in every format, in the lake: the shapes of `curated.annotations` agree within half a pixel."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jobs import pipeline
from jobs.lake import Lake
from jobs.settings import Source
from schemas.stages import STAGES
from tests.jobs.annotations import writers
from tests.jobs.annotations.writers import Drawn

SIZE = (600, 400)
LABELS = ("BLA", "EBO")
BOXES = [Drawn("box", (40, 50, 90, 110), "BLA"), Drawn("box", (300, 200, 371, 268), "EBO")]
POINTS = [Drawn("point", shape.box[:2], shape.label) for shape in BOXES]
BAD = [Drawn("box", (5, 5, 5, 5), "BLA"), Drawn("box", (590, 390, 700, 460), "BLA"), BOXES[0]]
NAMELESS = Drawn("box", (200, 20, 260, 90), "")
HELD = ["box_without_area", "duplicate_shape", "label_unknown", "outside_scan"]
FILES = {
    "voc/s.xml": writers.voc([*BOXES, *BAD, NAMELESS], SIZE, "s.png"),
    "coco/s.json": writers.coco([*BOXES, *BAD], SIZE, "s.png"),
    "yolo/s.txt": writers.yolo([*BOXES, *BAD], SIZE, LABELS),
    "boxes/s.csv": writers.boxes([*BOXES, *BAD, NAMELESS], delimiter=";", image="s.png"),
    "points/s.csv": writers.points(POINTS, image="s.png"),
    "qupath/s.geojson": writers.geojson([*BOXES, *BAD, NAMELESS]),
    "asap/s.xml": writers.asap([*BOXES, *BAD, NAMELESS]),
    "ann/s.dcm": writers.ann([*BOXES, *BAD]).replace(b"scan", b"s   "),
}


def picture(size: tuple[int, int]) -> bytes:
    """A field of noise."""
    image = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (size[1] // 20, size[0] // 20, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(image, "PNG")
    return image.getvalue()


@pytest.fixture
def arrived(lake, tmp_path) -> Callable[[dict[str, bytes]], Lake]:
    """Deliver files by their names: the lake after ingest and de-identification."""

    def deliver(files: dict[str, bytes]) -> Lake:
        for name, data in files.items():
            path = tmp_path / "landing" / "public" / "d1" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        source = Source(patients="none", labels={"0": "BLA", "1": "EBO"}, settle_seconds=0.0)
        settled = Lake(replace(lake.settings, sources={"public": source}), lake.spark)
        pipeline.run(settled, [stage for stage in STAGES if stage.name in ("ingest", "deidentify")])
        return settled

    return deliver


def test_scans_of_one_name_keep_their_own_shapes(arrived):
    """A shape belongs to the scan in the folder that it names or lies in; one that says neither is held back."""
    wide, narrow, box = (600, 400), (500, 400), Drawn("box", (40, 50, 90, 110), "BLA")
    settled = arrived({
        "a/s.png": picture(wide),
        "b/s.png": picture(narrow),
        "b/s.json": writers.coco([box], narrow, "s.png"),
        "named.json": writers.coco([box._replace(label="EBO")], wide, "a/s.png"),
        "silent.json": writers.coco([box], wide, "s.png"),
    })  # fmt: skip
    rows = settled.read("curated.annotations").join(settled.read("curated.scans"), "scan_id").collect()
    assert {(row.label_code, row.width_px) for row in rows} == {("EBO", 600), ("BLA", 500)}
    held = settled.read("restricted.quarantine").where("unit_kind = 'annotation'").collect()
    assert [(row.reason, row.unit_id) for row in held] == [("scan_ambiguous", "public/d1/silent.json#0")]


def test_every_format_comes_to_the_same_shapes(arrived):
    annotated = arrived({"s.png": picture(SIZE), **FILES})
    rows = annotated.read("curated.annotations").collect()
    found: dict[str, list[tuple[str, list[float]]]] = {}
    for row in rows:
        x, y = row.coordinates[0::2], row.coordinates[1::2]
        found.setdefault(row.source_key, []).append((row.label_code, [min(x), min(y), max(x), max(y)]))
    assert len(found) == len(FILES)
    for shapes in found.values():
        expected = POINTS if shapes[0][1][0] == shapes[0][1][2] else BOXES
        assert sorted(label for label, _ in shapes) == ["BLA", "EBO"]
        for shape, (_, box) in zip(expected, sorted(shapes), strict=True):
            assert box == pytest.approx(list(shape.box), abs=0.5)
    held = annotated.read("restricted.quarantine").where("unit_kind = 'annotation'").collect()
    reasons = {row.reason for row in held}
    assert reasons == set(HELD), reasons
    assert len(held) == 3 * 7 + 4
