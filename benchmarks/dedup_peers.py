"""Hashes of every picture of a folder by other tools, in their own Python: `python dedup_peers.py DIR`.

Prints one JSON object: tool to file name to hash, in hexadecimal. imagededup's package needs a deep-learning
framework that its hashes do not use, so empty modules stand in for it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest import mock

import imagehash
import numpy as np
import pdqhash
from PIL import Image

for name in ("torch", "torch.nn", "torch.utils", "torch.utils.data", "torchvision", "torchvision.transforms"):
    sys.modules[name] = mock.MagicMock()
try:
    from imagededup.methods import PHash

    _IMAGEDEDUP = PHash(verbose=False)
except Exception:  # another release of it may need more than its hashes do
    _IMAGEDEDUP = None


def hashes(path: Path) -> dict[str, str]:
    """One picture's hashes, as each tool makes them by default."""
    picture = Image.open(path).convert("RGB")
    bits, _ = pdqhash.compute(np.asarray(picture))
    found = {
        "imagehash phash": str(imagehash.phash(picture)),
        "imagehash dhash": str(imagehash.dhash(picture)),
        "imagehash ahash": str(imagehash.average_hash(picture)),
        "pdqhash": np.packbits(bits).tobytes().hex(),
    }
    if _IMAGEDEDUP is not None:
        found["imagededup phash"] = _IMAGEDEDUP.encode_image(image_array=np.asarray(picture))
    return found


if __name__ == "__main__":
    told: dict[str, dict[str, str]] = {}
    for file in sorted(Path(sys.argv[1]).iterdir()):
        for tool, value in hashes(file).items():
            told.setdefault(tool, {})[file.name] = value
    print(json.dumps(told))
