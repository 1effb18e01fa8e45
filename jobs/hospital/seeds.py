"""Random generators from names: the same name gives the same numbers in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import numpy as np

Generator = np.random.Generator
T = TypeVar("T")


def digest(*parts: object) -> bytes:
    """SHA-256 over the parts, 32 bytes."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()


def rng(*parts: object) -> np.random.Generator:
    """A generator whose seed is the hash of the parts."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest(*parts)[:16], "big")))


def uuid(*parts: object) -> str:
    """A UUID made of the hash of the parts."""
    return str(UUID(bytes=digest("uuid", *parts)[:16], version=4))


def uid(*parts: object) -> str:
    """A DICOM UID made of the hash of the parts (PS3.5 annex B.2)."""
    return f"2.25.{UUID(bytes=digest('uid', *parts)[:16], version=4).int}"


def pick(gen: np.random.Generator, items: Sequence[T]) -> T:
    """One of the items, all equally likely."""
    return items[int(gen.integers(len(items)))]


def at_random_time(gen: np.random.Generator, day: datetime) -> datetime:
    """A moment of that day within working hours, to the second."""
    return day.replace(hour=int(gen.integers(7, 17)), minute=int(gen.integers(60)), second=int(gen.integers(60)))
