"""Width and height of an image that annotations count in fractions of."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image

from jobs.annotations.dicom_slide import open_slide
from jobs.annotations.names import IMAGE_SUFFIXES

Size = tuple[int, int]


def size_of(path: Path) -> Size | None:
    """Width and height in pixels of a field, a TIFF's first page or a DICOM slide; None where they cannot be told."""
    try:
        if path.is_file():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Pillow on large images, of which only the header is read
                with Image.open(path) as image:
                    return image.size
    except Exception:  # Pillow fails in many ways; then it may be a DICOM file
        pass
    return _slide_size(path)


def _slide_size(path: Path) -> Size | None:
    try:
        slide = open_slide(path)
    except OSError:
        return None
    return None if slide is None else slide.size


def size_beside(path: Path) -> Size | None:
    """Size of the image that an annotation file is named like: beside it, or in `images` where it lies in `labels`."""
    folders = [path.parent]
    parts = path.resolve().parent.parts
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "labels":
            folders.append(Path(*parts[:index], "images", *parts[index + 1 :]))
            break
    for folder in folders:
        for suffix in sorted(IMAGE_SUFFIXES):
            for name in (path.stem + suffix, path.stem + suffix.upper()):
                if (folder / name).is_file() and (size := size_of(folder / name)):
                    return size
    return None
