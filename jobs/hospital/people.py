"""Invented people of two countries, with numbers whose check digits are right.

Henkilötunnukset have individual numbers from 900 to 999, which are never given to a person (Digital and Population
Data Services Agency); German phone numbers lie in the block that the Bundesnetzagentur reserves for films.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from jobs.hospital.seeds import pick, rng, uuid

SOURCES = ("helsinki", "munich")
NATIONAL_SYSTEM = {"helsinki": "urn:oid:1.2.246.21", "munich": "http://fhir.de/sid/gkv/kvid-10"}
COUNTRY = {"helsinki": "FI", "munich": "DE"}
_CONTROL = "0123456789ABCDEFHJKLMNPRSTUVWXY"

_NAMES = json.loads((Path(__file__).parent / "names.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Examiner:
    """Someone who annotates."""

    name: str
    source: str
    """Home site."""
    user: str
    """Log-in name, as it stands in file paths."""


EXAMINERS = (
    Examiner("Dr. Aino Lehtonen", "helsinki", "lehtonen"),
    Examiner("Dr. Hannele Rautavaara", "helsinki", "rautavaara"),
    Examiner("Dr. Pekka Salmivalli", "helsinki", "salmivalli"),
    Examiner("Dr. Katrin Oberhauser", "munich", "oberhauser"),
    Examiner("Dr. Florian Steinbach", "munich", "steinbach"),
)
OPERATORS = {"helsinki": "Paasikoski^Eveliina", "munich": "Aschenbrenner^Roland"}
PHYSICIANS = {"helsinki": "Wikström^Gunilla^^Dr.", "munich": "Edelmann^Traudl^^Dr. med."}
INSTITUTIONS = {"helsinki": "Kaivopuiston sairaala", "munich": "Klinikum Isarvorstadt"}


@dataclass(frozen=True)
class Person:
    """A patient; the same person has another number in every system."""

    number: int
    """Number within the synthetic hospital, from 1; 0 of someone who is not its patient. In no file but the truth."""
    source: str
    family: str
    given: str
    sex: str
    """FHIR's administrative gender."""
    born: date
    national_id: str
    fhir_id: str
    pathology: str
    laboratory: str
    street: str
    postal_code: str
    city: str
    phone: str
    email: str

    @property
    def dicom_name(self) -> str:
        """Name as DICOM writes it."""
        return f"{self.family}^{self.given}"

    @property
    def full_name(self) -> str:
        """Name as people write it."""
        return f"{self.given} {self.family}"

    @property
    def address(self) -> str:
        """Address in one line."""
        return f"{self.street}, {self.postal_code} {self.city}"


def make_person(seed: int, number: int, source: str) -> Person:
    """Invent the patient with this number; numbers are unique among the first 999."""
    gen = rng(seed, "person", number)
    sex = pick(gen, ("female", "male"))
    known = _NAMES[source]
    names = known["family"]
    # steps that share no factor with the number of names: no name comes twice before all came once
    family = names[(number // 2 * 7 + seed) % len(names)]
    given = pick(gen, known[sex])
    streets: list[str] = known["street"]
    born = date(1934, 1, 1) + timedelta(days=int(gen.integers(0, 26_000)))
    serial = int(gen.integers(100)) * 1000 + number % 1000
    finnish = source == "helsinki"
    national = hetu(born, 900 + 2 * (number // 2 % 50) + (sex == "male"))
    postal, city = pick(gen, known["city"])
    phone = f"+358 50 555 {number * 37 % 10000:04d}" if finnish else f"+49 89 99998 {number * 37 % 1000:03d}"
    return Person(
        number=number,
        source=source,
        family=family,
        given=given,
        sex=sex,
        born=born,
        national_id=national if finnish else kvnr(family[0], 10_000_000 + serial * 3571 % 89_999_999),
        fhir_id=uuid(seed, "patient", number),
        pathology=f"T24-{10_000 + serial:06d}" if finnish else f"P2024{20_000 + serial:06d}",
        laboratory=f"LAB{3_000_000 + serial}" if finnish else f"{770_000_000 + serial}",
        street=f"{pick(gen, streets)} {int(gen.integers(1, 140))}",
        postal_code=postal,
        city=city,
        phone=phone,
        email=f"{_ascii(given)}.{_ascii(family)}{number}@mail.example",
    )


def hetu(born: date, individual: int) -> str:
    """A Finnish personal identity code: day of birth, century, individual number (odd: male), control character."""
    century = {18: "+", 19: "-", 20: "A"}[born.year // 100]
    day = born.strftime("%d%m%y")
    return f"{day}{century}{individual:03d}{_CONTROL[int(f'{day}{individual:03d}') % 31]}"


def kvnr(letter: str, number: int) -> str:
    """The part of a German health insurance number that never changes: a letter, eight digits, a check digit.

    The letter counts as two digits; every second digit is doubled, and the cross sums are added (annex 1 of the
    guideline on § 290 SGB V).
    """
    letter = _ascii(letter).upper()[0]
    digits = f"{ord(letter) - 64:02d}{number:08d}"
    products = (int(digit) * (1 + place % 2) for place, digit in enumerate(digits))
    return f"{letter}{number:08d}{sum(p // 10 + p % 10 for p in products) % 10}"


def _ascii(text: str) -> str:
    table = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
    return text.translate(table).lower()
