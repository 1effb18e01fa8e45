"""One slide, annotated in every format, in the lake: the shapes of `curated.annotations` agree within half a pixel."""

from __future__ import annotations

import io
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


@pytest.fixture
def annotated(lake, tmp_path) -> Lake:
    """A lake with one field and its annotations, after ingest and de-identification."""
    folder = tmp_path / "landing" / "public" / "d1"
    image = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (SIZE[1] // 20, SIZE[0] // 20, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC).save(image, "PNG")
    for name, data in {"s.png": image.getvalue(), **FILES}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    source = Source(patients="none", labels={"0": "BLA", "1": "EBO"}, settle_seconds=0.0)
    settled = Lake(replace(lake.settings, sources={"public": source}), lake.spark)
    pipeline.run(settled, [stage for stage in STAGES if stage.name in ("ingest", "deidentify")])
    return settled


def test_every_format_comes_to_the_same_shapes(annotated):
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
