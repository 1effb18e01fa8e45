"""YOLO: one line a shape, as fractions of the image's width and height; a file is named like its image.

Detection: class, centre x, centre y, width, height, and perhaps a confidence. Segmentation: class, then x and y
in turn, and perhaps a confidence. Classes are numbers; `classes.txt`, `obj.names` or `data.yaml` beside the file
name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from jobs.annotations.shape import NO_FACTS, Shape, malformed, number, ring_of, words
from jobs.annotations.text import decode

CLASS_LISTS = ("classes.txt", "obj.names", "_darknet.labels")
CLASS_FILES = ("data.yaml", "data.yml", "dataset.yaml")
_FURTHEST = 0.5
"""A shape may pass the image's side by this share of it, and the line still reads as YOLO."""
_LOOKED_AT = 20
"""Lines by which the format is known."""
_LEVELS = 3
"""Folders above a file in which its classes are looked for: `data.yaml` lies beside `labels/train/`."""
_MOST_BYTES = 1 << 20
"""Of a file of classes."""


def is_yolo(text: str) -> bool:
    """Whether one of the first lines is a class number and fractions."""
    return any(_is_line(line) for line in islice((line for line in _lines(text) if line.strip()), _LOOKED_AT))


def _lines(text: str) -> Iterator[str]:
    """Lines, whatever they end with; there may be empty ones between."""
    text = text.replace("\r", "\n")
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        yield text[at:end]
        at = end


def _is_line(line: str) -> bool:
    try:
        _, values = _values(line)
    except ValueError:
        return False
    return all(-_FURTHEST <= value <= 1 + _FURTHEST for value in values)


def _values(line: str) -> tuple[str, list[float]]:
    """Class and numbers of a line; ValueError where it is none."""
    first, *rest = line.split()
    values = [number(value) for value in rest]
    name = number(first)
    if name < 0 or name % 1 or len(values) < 4:
        raise ValueError("no shape")
    return str(int(name)), values


def read_yolo(text: str) -> Iterator[Shape]:
    """The shapes of a file in fractions of its image; labels are the numbers of the classes."""
    position = 0
    for line in _lines(text):
        if not line.strip():
            continue
        try:
            yield _shape(*_values(line), position)
        except ValueError:
            yield malformed(position)
        position += 1


def _shape(label: str, values: Sequence[float], position: int) -> Shape:
    odd = len(values) % 2
    facts = {"confidence": values[-1], "annotator_kind": "model"} if odd else NO_FACTS
    if len(values) > 5:
        ring = ring_of(values[: len(values) - odd])
        return Shape(str(position), "polygon", ring, label, position=position, unit="fraction", facts=facts)
    x, y, width, height = values[:4]
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Shape(str(position), "box", box, label, position=position, unit="fraction", facts=facts)


def class_names(path: Path) -> dict[str, str]:
    """Names of the classes by number, from the nearest file beside or above; empty where there is none."""
    for folder in path.resolve().parents[:_LEVELS]:
        for name in CLASS_LISTS:
            if data := _content(folder / name):
                return {str(number): words(line) for number, line in enumerate(decode(data).split("\n"))}
        for name in CLASS_FILES:
            if names := _from_yaml(_content(folder / name)):
                return names
    return {}


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.stat().st_size <= _MOST_BYTES else b""
    except OSError:
        return b""


def _from_yaml(data: bytes) -> dict[str, str]:
    try:
        told = yaml.safe_load(decode(data))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    names: Any = told.get("names") if isinstance(told, dict) else None
    pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    return {words(number): words(name) for number, name in pairs}
