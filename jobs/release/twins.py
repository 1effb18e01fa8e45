"""The report's pages on duplicates: each kind with its counts and some pairs to look at."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from jobs.lake import Lake
from jobs.release.candidate import Candidate
from jobs.release.pictures import data_uri

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn

SHOWN = 6
"""Pairs of which a page shows the pictures."""
PICTURE_PX = 120
PAGES = {
    "exact": ("The same pixels", "kind = 'exact'"),
    "near": ("Changed copies, and the same view taken again", "kind = 'near'"),
    "overlap": ("Fields that share a part", "kind = 'overlap'"),
    "mix-up": ("The same picture of two patients: who is who?", "decision = 'review'"),
    "labels": ("The same pixels under two labels", "kind = 'exact' AND label_a <> label_b"),
}
"""Anchor to title and rows of each page; the last two are findings, which an officer should look at."""
_CHANGE = ("turn", "flip", "dx", "dy")


@dataclass(frozen=True)
class Pair:
    """Two units that show the same."""

    of: str
    """scan or cell."""
    score: float
    change: str
    """What makes the second of the first, in words."""
    labels: str
    """Of two cells; empty for scans."""
    pictures: tuple[str, ...]
    """Data URIs, as far as there are crops."""


@dataclass(frozen=True)
class Page:
    """One kind of duplicates."""

    name: str
    title: str
    scans: int
    cells: int
    pairs: list[Pair]


def pages(lake: Lake, candidate: Candidate) -> list[Page]:
    """All kinds, with pairs of the lowest scores first: where a mistake would be."""
    from pyspark.sql import functions as F

    pairs = lake.read("curated.duplicates", candidate.tables.get("curated.duplicates"))
    samples = lake.read("curated.samples", candidate.tables.get("curated.samples"))
    for side in ("a", "b"):
        labels = samples.select(F.col("cell_id").alias(f"unit_{side}"), F.col("label_code").alias(f"label_{side}"))
        pairs = pairs.join(labels, f"unit_{side}", "left")
    found = {}
    for name, (_, rows) in PAGES.items():
        own = pairs.where(rows)
        counts = {row["unit_kind"]: row["count"] for row in own.groupBy("unit_kind").count().collect()}
        chosen = own.orderBy("score", "unit_kind", "unit_a", "unit_b").limit(SHOWN) if counts else own.limit(0)
        found[name] = (counts, [row.asDict() for row in chosen.collect()])
    shown = _pictures(lake, candidate, {row[side] for _, some in found.values() for row in some for side in _SIDES})
    return [
        Page(
            name,
            PAGES[name][0],
            counts.get("scan", 0),
            counts.get("cell", 0),
            [_pair(row, shown) for row in rows],
        )
        for name, (counts, rows) in found.items()
    ]


_SIDES = ("unit_a", "unit_b")


def _pair(row: dict[str, Any], shown: dict[str, str]) -> Pair:
    labels = [row["label_a"], row["label_b"]] if row["unit_kind"] == "cell" else []
    return Pair(
        row["unit_kind"],
        row["score"],
        ", ".join(_words(row)) or "none",
        " / ".join(label or "?" for label in labels),
        tuple(shown[row[side]] for side in _SIDES if row[side] in shown),
    )


def _words(row: dict[str, Any]) -> Iterator[str]:
    if row["flip"]:
        yield "mirrored"
    if row["turn"]:
        yield f"turned by {row['turn']}°"
    if abs(row["dx"]) >= 0.5 or abs(row["dy"]) >= 0.5:
        yield f"moved by {row['dx']:.0f}, {row['dy']:.0f} px"


def _pictures(lake: Lake, candidate: Candidate, units: set[str]) -> dict[str, str]:
    """Small pictures of cells by their id and of scans by theirs, as data URIs."""
    from pyspark.sql import functions as F

    crops = lake.read("curated.crops", candidate.tables.get("curated.crops"))
    unit: SparkColumn = F.when(F.col("unit_kind") == "region", F.col("scan_id")).otherwise(F.col("unit_id"))
    rows = crops.select(unit.alias("unit"), "image").where(F.col("unit").isin(sorted(units)))
    return {row.unit: _small(row.image) for row in rows.collect()} if units else {}


def _small(image: bytes) -> str:
    with Image.open(io.BytesIO(image)) as picture:
        picture.thumbnail((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
        return data_uri(picture.convert("RGB"))
