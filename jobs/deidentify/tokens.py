"""What the searches of outputs agree on: how long a token must be, and what a range of bytes is."""

from __future__ import annotations

from typing import NamedTuple

SHORTEST = 4
"""Tokens of fewer characters are not searched."""
LONG = 8
"""Patterns of this many characters are searched everywhere, and inside longer words too."""


class Range(NamedTuple):
    """Bytes of a file, half open."""

    start: int
    stop: int
