"""Whose number is it: joins the ids that name one person in DICOM, FHIR and CSV to one stable patient.

A source says that ids belong together by naming them in one breath: a FHIR Patient lists its identifiers, a
laboratory row gives its own number and the national one. Sets that share an id are one person. When two patients
that were known apart turn out to be one, the rows of the later are moved and say where from: every stage that
depends on them sees the change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

Id = tuple[str, str]
"""(system, id)"""


def patient_of(ids: Iterable[Id]) -> str:
    """A stable name for a new patient: a hash of the first of its ids."""
    return hashlib.sha256("\0".join(min(ids)).encode()).hexdigest()[:32]


def resolve(links: Iterable[Iterable[Id]], known: Mapping[Id, str]) -> dict[Id, tuple[str, str | None]]:
    """Assign every id of the links, and every known id that a merge moves, to a patient.

    Args:
        links: sets of ids that name one person.
        known: ids that have a patient already.

    Returns:
        Id to (patient, the patient it was moved from or None), for ids that are new or moved.
    """
    groups = _components(links, known)
    found: dict[Id, tuple[str, str | None]] = {}
    for ids in groups:
        owners = sorted({known[i] for i in ids if i in known})
        patient = owners[0] if owners else patient_of(ids)
        for i in ids:
            if i not in known:
                found[i] = (patient, None)
            elif known[i] != patient:
                found[i] = (patient, known[i])
    return found


def _components(links: Iterable[Iterable[Id]], known: Mapping[Id, str]) -> list[list[Id]]:
    """Sets of ids that hang together, by union-find over the links and over what is known already."""
    parent: dict[Id, Id] = {}

    def root(i: Id) -> Id:
        parent.setdefault(i, i)
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first_of: dict[str, Id] = {}
    for i, patient in known.items():
        parent[root(i)] = root(first_of.setdefault(patient, i))
    for link in links:
        ids = list(link)
        for i in ids:
            parent[root(i)] = root(ids[0])
    groups: dict[Id, list[Id]] = {}
    for i in sorted(parent):
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())
