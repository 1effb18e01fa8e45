"""Label and overview pictures, with the patient's name burned in."""

from __future__ import annotations

import unicodedata

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jobs.hospital.canvas import Pixels
from jobs.hospital.plan import Scan

LABEL_SIZE = (320, 320)
OVERVIEW_SIZE = (640, 256)


def label_lines(scan: Scan) -> list[str]:
    """What is written on the label."""
    person = scan.person
    return [person.full_name, f"{person.born:%d.%m.%Y}", person.national_id, person.pathology, scan.specimen]


def label(scan: Scan) -> Pixels:
    """The paper label: RGB [320, 320, 3]."""
    return np.asarray(_paper(scan, LABEL_SIZE))


def overview(scan: Scan, thumbnail: Pixels) -> Pixels:
    """The whole glass with its label and the tissue: RGB [256, 640, 3]."""
    glass = Image.new("RGB", OVERVIEW_SIZE, (226, 230, 228))
    paper = _paper(scan, LABEL_SIZE).resize((220, 220), Image.Resampling.BILINEAR)
    glass.paste(paper, (14, 18))
    glass.paste(Image.fromarray(thumbnail).resize((330, 190), Image.Resampling.BILINEAR), (276, 33))
    ImageDraw.Draw(glass).rectangle(
        (0, 0, OVERVIEW_SIZE[0] - 1, OVERVIEW_SIZE[1] - 1), outline=(120, 126, 124), width=3
    )
    return np.asarray(glass)


def _paper(scan: Scan, size: tuple[int, int]) -> Image.Image:
    paper = Image.new("RGB", size, (252, 251, 246))
    pen = ImageDraw.Draw(paper)
    for row, text in enumerate(label_lines(scan)):
        _write(pen, 14, 14 + 38 * row, text)
    bars = np.frombuffer(scan.container.encode(), dtype=np.uint8)
    for place, value in enumerate(bars[:20]):
        for bit in range(4):
            if value >> bit & 1:
                left = 20 + place * 14 + bit * 3
                pen.rectangle((left, 222, left + 1, 296), fill=(0, 0, 0))
    return paper


def _write(pen: ImageDraw.ImageDraw, x: float, y: float, text: str) -> None:
    """Write a line. The font that comes with Pillow has no letters with two dots, so the dots are drawn."""
    font, ink = ImageFont.load_default(23), (24, 24, 30)
    for letter in text:
        parts = unicodedata.normalize("NFD", letter)
        bare = parts[0]
        pen.text((x, y), bare, fill=ink, font=font)
        left, top, right, _ = pen.textbbox((x, y), bare, font=font)
        if len(parts) > 1:
            middle = (left + right) / 2
            for dot in (middle - 4, middle + 2):
                pen.rectangle((dot, top - 5, dot + 2, top - 3), fill=ink)
        x += font.getlength(bare)
