"""What the tests of ingest share: reading bytes as a landing file."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from jobs.ingest.content import Content, read_content
from jobs.settings import Source

HELSINKI = Source(
    identity_columns={
        "lab_number": "https://helsinki.example/laboratory",
        "national_id": "urn:oid:1.2.246.21",
        "patient_number": "https://helsinki.example/pathology",
    }
)

Read = Callable[..., Content]


@pytest.fixture
def read() -> Read:
    """Read bytes as if they lay at a path within a delivery."""

    def one(inside: str, data: bytes, source: Source = HELSINKI) -> Content:
        return read_content(f"helsinki/d1/{inside}", io.BytesIO(data), len(data), "helsinki", source)

    return one
