"""Pascal VOC: the first pixel is 1 and the last is inside (2012 devkit), so x0 = xmin - 1 and x1 = xmax.

A box whose corners are one and the same pixel (a click without a drag) so comes out one pixel wide and high.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from jobs.annotations.names import Notes
from jobs.annotations.shape import NO_FACTS, Shape, malformed, number, words
from jobs.annotations.xml import XmlFile

ROOT, OBJECT = "annotation", "object"
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_voc(file: XmlFile, notes: Notes) -> Iterator[Shape]:
    """The boxes of a file; what it says of image and examiner may stand behind them.

    Raises:
        BadInput: not well-formed, or cut off.
    """
    found = [_object(item) for item in file.elements()]
    root = file.root
    notes.note_path(words(root.findtext("path")), always=True)
    image = words(root.findtext("filename"))
    annotator = words(root.findtext("source/annotation"))
    said = {key: root.findtext(key) for key in ("annotated_at", "round")}
    facts = {key: value for key, value in said.items() if value is not None} or NO_FACTS
    for position, (label, box) in enumerate(found):
        if not box:
            yield malformed(position, image)
            continue
        yield Shape(str(position), "box", box, label, annotator, image, position=position, facts=facts)


def _object(item: Element) -> tuple[str, tuple[float, ...]]:
    """Label and box; an empty box where the file's cannot be read."""
    try:
        xmin, ymin, xmax, ymax = (_number(item.findtext(f"bndbox/{side}")) for side in _SIDES)
    except ValueError:
        return "", ()
    return words(item.findtext("name")), (xmin - 1, ymin - 1, xmax, ymax)


def _number(text: str | None) -> float:
    """A number; some tools write a decimal comma where the system's language does."""
    return number(text.replace(",", ".") if text else None)
