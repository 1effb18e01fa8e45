"""Hashes of every picture of a folder by other tools, in their own Python: `python dedup_peers.py DIR`.

Prints one JSON object: tool to file name to hash, in hexadecimal. imagededup's network, which its
hashes do not use, needs a deep-learning framework; an empty module stands in for it.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import imagehash
import numpy as np
import pdqhash
from PIL import Image


@cache
def imagededup() -> Any:
    """imagededup's hash without its network."""
    for name in ("imagededup.methods.cnn", "imagededup.utils.models"):
        sys.modules[name] = mock.MagicMock()
    from imagededup.methods import PHash

    return PHash(verbose=False)


def hashes(path: Path) -> dict[str, str]:
    """One picture's hashes, as each tool makes them by default."""
    picture = Image.open(path).convert("RGB")
    bits, _ = pdqhash.compute(np.asarray(picture))
    return {
        "imagehash phash": str(imagehash.phash(picture)),
        "imagehash dhash": str(imagehash.dhash(picture)),
        "imagehash ahash": str(imagehash.average_hash(picture)),
        "pdqhash": np.packbits(bits).tobytes().hex(),
        "imagededup phash": imagededup().encode_image(image_array=np.asarray(picture)),
    }


if __name__ == "__main__":
    told: dict[str, dict[str, str]] = {}
    for file in sorted(Path(sys.argv[1]).iterdir()):
        for tool, value in hashes(file).items():
            told.setdefault(tool, {})[file.name] = value
    print(json.dumps(told))
