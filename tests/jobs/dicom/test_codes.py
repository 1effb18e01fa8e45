"""Codes and their public meanings."""

from __future__ import annotations

from jobs.dicom.codes import CODE_MEANINGS, SCHEMES, public_meaning
from tools.code_meanings import rows


def test_the_meanings_are_those_that_pydicom_knows():
    kept = {tuple(line.split("\t")) for line in CODE_MEANINGS.read_text("ascii").splitlines()}
    assert kept == set(rows())
    assert {scheme for scheme, _, _ in kept} <= SCHEMES


def test_a_code_has_the_meaning_of_its_scheme_alone():
    assert public_meaning("121041", "DCM") == "Specimen Identifier"
    assert public_meaning("121041", "SCT") is None
    assert public_meaning("T-04000", "SRT") == public_meaning("76752008", "SCT") == "Breast"
