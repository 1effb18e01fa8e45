"""DICOM and image files to de-identify."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.pseudonyms import Pseudonyms


@pytest.fixture(scope="session")
def pseudonyms() -> Pseudonyms:
    """Pseudonyms under a fixed key."""
    return Pseudonyms(bytes(range(32)))


@pytest.fixture(scope="session")
def dicom_files(real_data: Path) -> list[Path]:
    """The DICOM files of highdicom and dcm4che, and those that pydicom brings."""
    from pydicom.data import get_testdata_files

    brought = [Path(name) for name in get_testdata_files() if name.endswith(".dcm")]
    folders = (real_data / "highdicom_sm/data/test_files").glob("*.dcm")
    resources = (real_data / "dcm4che_testdata/dcm4che-test-data/src/main/resources").iterdir()
    return sorted([*brought, *folders, *(path for path in resources if path.is_file() and path.suffix != ".xml")])
