"""Examiners' shapes out of the files that annotation tools write; neither Spark nor a lake is needed.

Example:
    >>> from pathlib import Path
    >>> from jobs.annotations import read_shapes
    >>> for shape in read_shapes(Path("slide.geojson")):  # doctest: +SKIP
    ...     print(shape.label, shape.box, shape.reason)
"""

from jobs.annotations.read import read_shapes
from jobs.annotations.shape import Shape

__all__ = ["Shape", "read_shapes"]
