"""The demo: a synthetic hospital, a lake beside it, the whole pipeline, and a release that a demo officer signs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

SETTINGS = """\
# Settings of the demo. Every field is explained in jobs/settings.py.

[places]
lake = "lake"
landing = "hospital/landing"
key = "@pseudonym.key"

[sources.helsinki]
vocabulary = "munich_bmc"
[sources.helsinki.identity_columns]
patient_number = "https://helsinki.example/pathology"
lab_number = "https://helsinki.example/laboratory"
national_id = "urn:oid:1.2.246.21"

[sources.munich]
vocabulary = "munich_bmc"
[sources.munich.identity_columns]
patient_number = "https://munich.example/pathology"
lab_number = "https://munich.example/laboratory"
national_id = "http://fhir.de/sid/gkv/kvid-10"

[tiles]
size = 512

[release]
title = "HemaLake demo: synthetic blood and marrow cells"
licence = "CC0-1.0"
citation = "Synthetic data, made by `hemalake demo`."
"""

OFFICER = "Demo Officer (signs by itself; a real release waits for a person)"


def prepare(folder: Path, patients: int, seed: int, progress: Callable[[str, int, int], None] | None = None) -> Path:
    """Make hospital, key and settings below the folder, unless they are there; the path of the settings."""
    from jobs.hospital.build import build

    folder.mkdir(parents=True, exist_ok=True)
    hospital = folder / "hospital"
    if not (hospital / "truth.json").exists():
        build(hospital, patients=patients, seed=seed, progress=progress)
    key = folder / "pseudonym.key"
    if not key.exists():
        # Derived from the seed so that the demo is the same everywhere; a real key is drawn at random.
        key.write_bytes(hashlib.sha256(f"demo {seed}".encode()).digest())
        key.chmod(0o600)
    settings = folder / "hemalake.toml"
    if not settings.exists():
        settings.write_text(SETTINGS)
    return settings
