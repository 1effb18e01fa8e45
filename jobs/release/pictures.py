"""The pictures of the compliance report: small copies of crops, spread over classes and sides, as data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import pyarrow as pa
from PIL import Image

from jobs.release.shards import image_path
from jobs.store import Store

SAMPLES = 48
SAMPLE_PX = 144
STRIP = 16
"""Cells of one class on the contact sheet."""
STRIP_PX = 72
Cell = tuple[str, str, str]
"""Side, label and cell_id."""


@dataclass(frozen=True)
class Sample:
    """One crop."""

    label: str
    side: str
    uri: str


@dataclass(frozen=True)
class Strip:
    """A row of crops of one class, as one image."""

    label: str
    cells: int
    uri: str


def samples(store: Store, root: str, cells: pa.Table) -> list[Sample]:
    """About 48 crops: from every class and side one, then a second, and so on."""
    chosen = sorted(_spread(cells, by_side=True)[:SAMPLES], key=lambda cell: (cell[1], cell[0], cell[2]))
    return [Sample(cell[1], cell[0], data_uri(_opened(store, root, cell, SAMPLE_PX))) for cell in chosen]


def contact_sheet(store: Store, root: str, cells: pa.Table) -> list[Strip]:
    """One strip a class."""
    by_label: dict[str, list[Cell]] = {}
    for cell in _spread(cells, by_side=False):
        by_label.setdefault(cell[1], []).append(cell)
    strips = []
    for label, found in sorted(by_label.items()):
        strip = Image.new("RGB", (STRIP * (STRIP_PX + 2), STRIP_PX), "white")
        for place, cell in enumerate(found[:STRIP]):
            strip.paste(_opened(store, root, cell, STRIP_PX), (place * (STRIP_PX + 2), 0))
        strips.append(Strip(label, len(found), data_uri(strip)))
    return strips


def _spread(cells: pa.Table, *, by_side: bool) -> list[Cell]:
    """Every cell, those of all classes in turn; within a class the pixel hash shuffles them, always alike."""
    columns = [cells[name].to_pylist() for name in ("pixel_sha256", "side", "label_code", "cell_id")]
    taken: dict[tuple[str, ...], int] = {}
    ranked: list[tuple[int, Cell]] = []
    for _, side, label, cell_id in sorted(zip(*columns, strict=True)):
        group = (label, side) if by_side else (label,)
        taken[group] = taken.get(group, 0) + 1
        ranked.append((taken[group], (side, label, cell_id)))
    ranked.sort(key=lambda one: (one[0], one[1][1], one[1][0]))
    return [cell for _, cell in ranked]


def _opened(store: Store, root: str, cell: Cell, side: int) -> Image.Image:
    with store.open(f"{root}/{image_path(*cell)}") as stream, Image.open(io.BytesIO(stream.read())) as image:
        return image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)


def data_uri(image: Image.Image) -> str:
    """A picture as JPEG within the page."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
