"""Cut a grid of crops out of a slide of any format, without Spark or a lake.

$ python examples/crops.py slide.svs
"""

import sys

import numpy as np

from jobs.pixels.crop import crops
from jobs.pixels.open import open_slide


def grid(path: str, size: int = 250) -> int:
    """Print where each crop lies and its mean colour; returns how many there are."""
    with open_slide(path) as slide:
        x, y = np.meshgrid(*[np.arange(size / 2, side, size) for side in slide.size])
        for _, crop in crops(slide, np.column_stack([x.ravel(), y.ravel()]), size):
            print(crop.x, crop.y, *crop.pixels.mean(axis=(0, 1)).round().astype(int))
    return x.size


if __name__ == "__main__":
    grid(sys.argv[1])
