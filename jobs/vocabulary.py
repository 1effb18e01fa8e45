"""Vocabularies of cell classes: the codes that a source's labels stand for."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import SettingsError
from jobs.settings import Settings, Source

FOLDER = Path(__file__).resolve().parent.parent / "schemas" / "vocabularies"


@dataclass(frozen=True)
class Vocabulary:
    """A vocabulary, and how one source writes its codes."""

    name: str
    version: str
    """First 12 digits of the SHA-256 of the file."""
    codes: frozenset[str]
    labels: dict[str, str]
    """Label as written to code, where they differ."""

    def code(self, label: str | None) -> str | None:
        """The code of a label as written; None where the vocabulary has none."""
        if label is None:
            return None
        found = self.labels.get(label.strip(), label.strip())
        return found if found in self.codes else None


def vocabularies(settings: Settings) -> dict[str, Vocabulary]:
    """The vocabulary of each source.

    Raises:
        SettingsError: a vocabulary's file is missing or has no column `code`, or a label map names an unknown code.
    """
    return {name: _load(name, source) for name, source in settings.sources.items()}


def _load(name: str, source: Source) -> Vocabulary:
    told = source.vocabulary
    file = Path(told) if told.endswith(".csv") else FOLDER / f"{told}.csv"
    try:
        content = file.read_bytes()
    except OSError:
        raise SettingsError(f"sources.{name}.vocabulary: there is no file {file.name} in {file.parent}.") from None
    rows = list(csv.DictReader(content.decode().splitlines()))
    if not rows or "code" not in rows[0]:
        raise SettingsError(f"sources.{name}.vocabulary: {file.name} needs a column `code`.")
    codes = frozenset(row["code"] for row in rows)
    wrong = sorted(set(source.labels.values()) - codes)
    if wrong:
        raise SettingsError(f"sources.{name}.labels: {', '.join(wrong)} are no codes of {file.name}.")
    return Vocabulary(file.stem, hashlib.sha256(content).hexdigest()[:12], codes, dict(source.labels))
