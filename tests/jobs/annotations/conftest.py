"""What the tests of annotations share: reading bytes as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.annotations import Shape, read_shapes

Read = Callable[..., list[Shape]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read bytes or text as a file; its name says nothing of its format."""

    def one(data: bytes | str, *args, name: str = "scan.bin", **options) -> list[Shape]:
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read_shapes(path, *args, **options)

    return one
