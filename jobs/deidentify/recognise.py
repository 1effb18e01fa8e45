"""Find what identifies a person in free text by its form alone: numbers, addresses, dates.

German, Finnish, Swedish and English. A false alarm costs a word of a comment, a miss costs a patient; so any run
of six digits counts, and check digits only say which kind a number is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stdnum.fi import hetu


class Finding(NamedTuple):
    """Where something stands in a text (half open), and what it is; never the text itself."""

    start: int
    stop: int
    kind: str


_MONTH = (
    "(?:jan(?:uar[yi]?)?|feb(?:ruar[yi]?)?|märz?|mars|mar(?:ch)?|apr(?:il)?|ma[ijy]|jun[ei]?|jul[iy]?|aug(?:usti?)?|"
    "sept?(?:ember)?|o[kc]t(?:ober)?|nov(?:ember)?|de[zc](?:ember)?|"
    r"(?:tammi|helmi|maalis|huhti|touko|kesä|heinä|elo|syys|loka|marras|joulu)kuu\w*)(?!\w)\.?"
)
_STREET = (
    r"stra(?:ß|ss)e|str\.|weg|platz|gasse|allee|ufer|ring|damm|"
    r"katu|kuja|tie|polku|raitti|väylä|kaari|aukio|tori|ranta|rinne|mäki|kadun|tien|gatan|vägen|gränd|"
    r" street| road| avenue| lane"
)
_NUMBER_OF_HOUSE = r"\s*\d{1,4}(?:\s?[a-zA-Z]\b)?(?:\s\d{1,3}\b)?"
_TITLE = (
    "Drs?|Prof|Doz|Mrs?|Ms|Miss|Hr|Fr|Herrn?|Frau|Schwester|Pfleger|Oberarzt|Oberärztin|[Rr]ouva|[Hh]erra|[Tt]ohtori|"
    "[Ll]ääkäri|[Hh]oitaja|[Ll]äkare|[Ss]köterska|[Nn]urse|[Dd]octor"
)
_CAPITAL = r"[A-ZÄÖÅÜÉØÆ][\w'’-]+"
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("e-mail", re.compile(r"[\w.+%'-]+\s?@\s?[\w-]+(?:\.[\w-]+)+")),
    ("web address", re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)),
    ("national id", re.compile(r"(?<!\w)\d{6}[-+A-FU-Ya-fu-y]\d{3}[0-9A-Ya-y](?!\w)")),
    ("health insurance number", re.compile(r"(?<!\w)[A-Za-z]\s?\d{3}\s?\d{3}\s?\d{3}(?!\d)")),
    ("date", re.compile(r"(?<!\d)(?:1[89]|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:3[01]|[12]\d|0?[1-9])(?!\d)"
                        r"(?:[T ]\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?")),
    ("date", re.compile(r"(?<![\d.])(?:3[01]|[12]\d|0?[1-9])[./-]\s?(?:1[0-2]|0?[1-9])[./-]\s?(?:\d{4}|\d{2})(?!\d)")),
    ("date", re.compile(r"(?<![\d.])(?:3[01]|[12]\d|0?[1-9])\.\s?(?:1[0-2]|0?[1-9])\.(?!\d)")),
    ("date", re.compile(rf"(?<!\d)(?:\d{{1,2}}\.?\s+)?(?<!\w){_MONTH}\s+(?:\d{{1,2}},?\s+)?(?:1[89]|20)\d\d(?!\d)",
                        re.I)),
    ("date", re.compile(rf"(?<!\d)\d{{1,2}}\.?\s+{_MONTH}", re.I)),
    ("name", re.compile(rf"(?<!\w)(?:(?:{_TITLE})\b\.?\s*(?:med\.\s*)?)+{_CAPITAL}(?:\s{_CAPITAL})?")),
    ("phone", re.compile(r"(?<![\w.])(?:\+|00)[1-9](?:[ ()/.-]{0,3}\d){6,14}(?!\d)")),
    ("phone", re.compile(r"(?<![\w.,])(?!\(?\d\d[./]\d\d[./]\d\d)\(?0\d{1,4}\)?(?:[ /.-]{1,3}\d{2,}){1,5}(?!\d)")),
    ("address", re.compile(rf"(?<!\w)(?:[A-ZÄÖÅ][\w-]*\s)?[A-ZÄÖÅ][\w-]*?(?:{_STREET}){_NUMBER_OF_HOUSE}")),
    ("address", re.compile(r"(?<!\w)(?:[A-Z]{1,2}-)?\d{5}\s+[A-ZÄÖÅ][\w-]+")),
    ("address", re.compile(r"(?<!\w)(?:Postfach|PL|PB|P\.?\s?O\.? Box)\s+\d[\d ]*", re.IGNORECASE)),
    ("number", re.compile(r"(?<!\d)\d(?:[ ./_-]?\d){5,}(?!\d)")),
)  # fmt: skip


def recognise(text: str) -> list[Finding]:
    """Everything in a text that looks like an identifier, in order and without overlaps."""
    return merged(_matches(text))


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in order; what overlaps is one, of the kind that begins first."""
    found: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (f.start, -f.stop)):
        if found and finding.start < found[-1].stop:
            last = found[-1]
            found[-1] = last._replace(stop=max(last.stop, finding.stop))
        else:
            found.append(finding)
    return found


def is_kvnr(number: str) -> bool:
    """Whether a number is a German health insurance number: a letter, eight digits and a check digit.

    The letter counts as its place in the alphabet, two digits; weights are 1 and 2 in turn, of each product the
    sum of its digits counts, and the whole modulo 10 is the check digit (section 290 SGB V, GKV-Spitzenverband).
    """
    bare = re.sub(r"\s", "", number).upper()
    if not re.fullmatch(r"[A-Z]\d{9}", bare, re.ASCII):
        return False
    digits = f"{ord(bare[0]) - ord('A') + 1:02d}{bare[1:9]}"
    total = sum(sum(divmod(int(digit) * (1 + index % 2), 10)) for index, digit in enumerate(digits))
    return total % 10 == int(bare[9])


def _matches(text: str) -> Iterator[Finding]:
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield Finding(match.start(), match.end(), _checked(kind, match[0]))


def _checked(kind: str, written: str) -> str:
    """The kind, or `number` where the check digit is wrong."""
    if kind == "national id" and not hetu.is_valid(written.upper(), allow_temporary=True):
        return "number"
    if kind == "health insurance number" and not is_kvnr(written):
        return "number"
    return kind
