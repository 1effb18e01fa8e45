"""Damaged scans of every format are read or refused with a reason; mutations know where headers lie."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

from jobs.errors import BadInput
from jobs.pixels.open import open_scan
from tests.jobs.pixels.conftest import SCANS

ODD = (0, 1, 2, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
HEAD, TAIL = 1500, 3000
"""Where the headers of JPEG, PNG and DICOM lie, and the directories of a TIFF."""
CASES = 25


def place_in(data: bytearray, chance: random.Random) -> int:
    """A place in the head, in the tail, or anywhere."""
    last = len(data) - 1
    kind = chance.random()
    if kind < 0.5:
        return chance.randint(0, min(last, HEAD))
    return chance.randint(max(0, last - TAIL) if kind < 0.75 else 0, last)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The same bytes with some changed, left out, put in, repeated or cut off; numbers become odd ones."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if not changed:
            break
        at, count = place_in(changed, chance), chance.randint(1, 30)
        kind = chance.choice(("bit", "byte", "number", "number", "out", "in", "repeat", "cut"))
        if kind == "bit":
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == "byte":
            changed[at] = chance.randrange(256)
        elif kind == "number":
            size = chance.choice((2, 4, 8))
            value = chance.choice(ODD) % (1 << 8 * size)
            changed[at : at + size] = value.to_bytes(size, chance.choice(("little", "big")))
        elif kind == "out":
            del changed[at : at + count]
        elif kind == "in":
            changed[at:at] = chance.randbytes(count)
        elif kind == "repeat":
            other = chance.randrange(len(changed))
            changed[at : at + count] = changed[other : other + count]
        else:
            del changed[at:]
    return bytes(changed)


@pytest.mark.parametrize("name", SCANS)
def test_no_damage_raises_anything_else(tmp_path, name):
    files = [path.read_bytes() for path in SCANS[name](tmp_path).paths]
    for seed in range(CASES):
        chance = random.Random(f"{name} {seed}")
        tried = list(files)
        number = chance.randrange(len(tried))
        tried[number] = damaged(tried[number], chance)
        read_all(tried)


def read_all(files: list[bytes]) -> None:
    """Decode the first tiles of each level; a broken one leaves the others."""
    try:
        reader = open_scan([io.BytesIO(data) for data in files])
    except BadInput:
        return
    for number, level in enumerate(reader.levels):
        for index in range(min(40, -(-level.width // level.tile_width) * -(-level.height // level.tile_height))):
            tile = reader.tile(number, index)
            try:
                pixels = reader.decode(tile)
            except BadInput:
                continue
            assert pixels.shape == (tile.height, tile.width, 3)
            assert pixels.dtype == np.uint8
