"""COCO: boxes are x, y, width, height in continuous pixels from the first pixel's corner; kept.

A segmentation of one part is a polygon; one of several parts, or a run-length mask, counts as its box. Key points
without a box or segmentation are points. A bare list is a list of results: shapes that a model drew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.annotations.names import Notes
from jobs.annotations.rle import mask_box
from jobs.annotations.shape import NO_FACTS, Shape, bounds, malformed, numbers, ring_of, words
from jobs.annotations.text import Elements, bare_list, members, skip

LISTS = ("annotations", "images", "categories")
_GEOMETRY = ("bbox", "segmentation", "keypoints")
_ANNOTATOR_KEYS = ("annotator", "creator", "created_by", "examiner")
Drawn = tuple[str, tuple[float, ...]]


def is_result(value: object) -> bool:
    """Whether a JSON value is an annotation of COCO."""
    return isinstance(value, dict) and "image_id" in value and any(key in value for key in _GEOMETRY)


def read_coco(text: str, notes: Notes) -> Iterator[Shape]:
    """The shapes of a file; names of images and classes may stand behind them, so it is gone through twice.

    Raises:
        BadInput: the text ends too early, or is no JSON.
    """
    images, classes = _names(text, notes)
    position = 0
    for annotation in _annotations(text):
        for shape in _shapes(annotation, position, images, classes):
            yield shape
            position += 1


def _names(text: str, notes: Notes) -> tuple[dict[str, str], dict[str, str]]:
    """File name of each image and name of each class, by id."""
    images: dict[str, str] = {}
    classes: dict[str, str] = {}
    if text.startswith("[", skip(text)):
        return images, classes
    for name, value in members(text, LISTS):
        if name == "info" and isinstance(value, dict):
            notes.persons.append(words(value.get("contributor")))
        if not isinstance(value, Elements) or name == "annotations":
            continue
        for item in value:
            item = item if isinstance(item, dict) else {}
            if name == "categories":
                classes[words(item.get("id"))] = words(item.get("name"))
                continue
            images[words(item.get("id"))] = words(item.get("file_name"))
            for key in ("file_name", "path", "coco_url"):
                notes.note_path(words(item.get(key)))
    notes.images.update(name for name in images.values() if name)
    return images, classes


def _annotations(text: str) -> Iterator[Any]:
    listed = bare_list(text)
    if listed is not None:
        yield from listed
        return
    for name, value in members(text, LISTS):
        if name == "annotations" and isinstance(value, Elements):
            yield from value


def _shapes(item: Any, position: int, images: Mapping[str, str], classes: Mapping[str, str]) -> list[Shape]:
    if not isinstance(item, dict):
        return [malformed(position)]
    image_id, class_id, own = (words(item.get(key)) for key in ("image_id", "category_id", "id"))
    if images and image_id not in images:
        return [malformed(position, own=own)]
    image, label = images.get(image_id) or image_id, classes.get(class_id) or class_id
    annotator = next((found for key in _ANNOTATOR_KEYS if (found := words(item.get(key)))), "")
    facts = {"confidence": item["score"], "annotator_kind": "model"} if "score" in item else NO_FACTS
    try:
        drawn = _drawn(item)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):
        return [malformed(position, image, own=own)]
    several = len(drawn) > 1
    return [
        Shape(
            (f"{own}.{part}" if several else own) or str(position + part),
            kind, coordinates, label, annotator, image, position=position + part, facts=facts,
        )
        for part, (kind, coordinates) in enumerate(drawn)
    ]  # fmt: skip


def _drawn(item: Mapping[str, Any]) -> list[Drawn]:
    segmentation, box = item.get("segmentation"), item.get("bbox")
    if isinstance(segmentation, list) and len(segmentation) == 1 and len(segmentation[0]) >= 6:
        return [("polygon", ring_of(_pairs(segmentation[0])))]
    if box and (any(box) or not item.get("keypoints")):
        x, y, width, height = numbers(list(box))
        return [("box", (x, y, x + width, y + height))]
    if isinstance(segmentation, dict):
        return [("box", mask_box(segmentation))]
    if segmentation:
        return [("box", bounds([value for part in segmentation for value in _pairs(part)]))]
    points = numbers(list(item["keypoints"]))
    drawn: list[Drawn] = [("point", (x, y)) for x, y, seen in zip(*[iter(points)] * 3, strict=True) if seen > 0]
    if not drawn:
        raise ValueError("nothing drawn")
    return drawn


def _pairs(values: list[Any]) -> list[float]:
    if len(values) % 2:
        raise ValueError("an x without y")
    return numbers(values)
