"""What is known of one patient while the records pass by, and the rows that become of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from jobs.deidentify.free_text import scrub
from jobs.deidentify.record_rules import Decision
from jobs.deidentify.record_values import age, items
from jobs.pseudonyms import Pseudonyms
from schemas.reasons import Reason

OLDEST = 89
"""Above this age, in years, no birth year is kept (45 CFR 164.514(b)(2)(i)(C))."""
_STAFF = ("Practitioner", "PractitionerRole")
_REFERENCE = re.compile(r"(?:^|(?<=/))([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?=$|/_history/)")
"""A literal reference to a FHIR resource, relative or at the end of a URL."""
TABLES = ("patients", "specimens", "diagnoses", "measurements", "genetics", "outcomes")


@dataclass(frozen=True)
class Record:
    """A row of `restricted.records`."""

    path: str
    position: int
    source: str
    delivery: str
    kind: str
    body: str


@dataclass
class CleanedRecords:
    """What became of all records of one patient."""

    tables: dict[str, list[dict[str, Any]]]
    """Rows by the name of their curated table, `deid_log` among them."""
    held: list[tuple[str, int, Reason]] = field(default_factory=list)
    """Path and position of what cannot be used, and why."""
    passed: list[tuple[str, int]] = field(default_factory=list)
    """Path and position of all other records: used, or dropped by a rule that the log names."""


class Case:
    """What is gathered about one patient while the records pass by."""

    def __init__(
        self,
        patient_id: str,
        pseudonyms: Pseudonyms,
        materials: Mapping[str, str],
        *,
        texts: Mapping[str, Collection[str]],
        known: Collection[str],
    ) -> None:
        self.pseudonyms, self.materials, self.texts = pseudonyms, materials, texts
        self._known = known
        self.key = pseudonyms.key_for("patient", patient_id)
        self.days = timedelta(days=pseudonyms.shift_days(patient_id))
        self.sex: str | None = None
        self.region: str | None = None
        self.born: date | None = None
        self.birth_year: int | None = None
        self.died: datetime | None = None
        self.dead = False
        self.dated: list[datetime] = []
        self.collected: list[datetime] = []
        self.specimens: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self.log: dict[tuple[str, str, str, str], int] = defaultdict(int)
        self.sources: dict[str, str] = {}
        self.held: list[tuple[str, int, Reason]] = []
        self.passed: list[tuple[str, int]] = []

    def passes(self, record: Record, decisions: list[Decision]) -> None:
        """Count a record as used, and log what was decided about it."""
        self.passed.append((record.path, record.position))
        self.sources[record.path] = record.source
        for decision in decisions:
            self.log[record.path, *decision] += 1

    def shifted(self, moment: datetime) -> datetime:
        """The moment by the patient's days, cut to the hour; it counts as a dated record."""
        moved = moment.replace(minute=0, second=0, microsecond=0) + self.days
        self.dated.append(moment)
        return moved

    def shifted_date(self, moment: datetime | None) -> date | None:
        """The day by the patient's days."""
        return None if moment is None else self.shifted(moment).date()

    def note(self, body: Mapping[str, Any]) -> str | None:
        """The free text that the rules let through, without what identifies anybody."""
        said = [item.get("text") for item in items(body.get("note"))] + [body.get("comment")]
        return "\n".join(scrub(text, self._known) for text in said if isinstance(text, str) and text.strip()) or None

    def staff_key(self, source: str, *people: Any) -> str | None:
        """The pseudonym of the first who is staff: of a FHIR Reference (by its reference, number or name) or a name."""
        told = (name for person in people for one in _listed(person) if (name := _staff(one)))
        found = next(told, None)
        return None if found is None else self.pseudonyms.key_for("examiner", source, found)

    def id_of(self, kind: str, record: Record, *part: str) -> str:
        """The key of a record, or of a part of it."""
        return self.pseudonyms.key_for(kind, record.path, str(record.position), *part)

    def result(self) -> CleanedRecords:
        """All rows, in the order of their keys."""
        rows = self.rows
        patient = {"patient_key": self.key, "sex": self.sex, "birth_year": self._birth_year(), "region": self.region}
        rows["patients"].append(patient)
        rows["specimens"].extend(self.specimens[key] for key in sorted(self.specimens))
        rows["outcomes"].extend(self._outcome())
        log: dict[tuple[str, str], dict[str, Any]] = {}
        for (path, element, action, rule), count in sorted(self.log.items()):
            # A file of records holds many patients, who are cleaned apart: each logs its own part of the file.
            part = self.pseudonyms.key_for("file", path, self.key)
            row = {"file_key": part, "attribute_path": element, "action": action, "rule": rule, "code": None}
            row |= {"site_key": self.pseudonyms.key_for("site", self.sources[path]), "device_key": None}
            log.setdefault((part, element), {**row, "occurrences": 0})["occurrences"] += count
        return CleanedRecords({**rows, "deid_log": list(log.values())}, self.held, self.passed)

    def _birth_year(self) -> int | None:
        """Year of the shifted birth date; none where a dated record finds the patient too old."""
        if self.born is None:
            return None
        last = max([*self.dated, *([self.died] if self.died else [])], default=None)
        if last and age(self.born, last.date()) > OLDEST:
            return None
        return self.birth_year

    def _outcome(self) -> Iterator[dict[str, Any]]:
        """Death, in days from the first specimen, else censored at the last record; never below 0."""
        if not self.collected or (self.dead and not self.died):
            return
        end = self.died or max(self.dated)
        days = (end.date() - min(self.collected).date()).days
        if days >= 0:
            state = "observed" if self.died else "censored"
            yield {"patient_key": self.key, "event": "death", "days": days, "state": state}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _staff(person: Any) -> str | None:
    """What names a member of staff; None where it names nobody, a patient, a relative or an organisation."""
    if isinstance(person, str):
        return person.strip() or None
    if not isinstance(person, dict):
        return None
    reference = str(person.get("reference") or "")
    kind = _REFERENCE.search(reference)
    if (kind[1] if kind else person.get("type") or "Practitioner") not in _STAFF:
        return None
    number = (person.get("identifier") or {}).get("value")
    told = str(kind[0] if kind else reference or number or person.get("display") or "")
    return told.strip() or None
