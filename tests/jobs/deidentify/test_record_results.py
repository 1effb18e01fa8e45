"""Results as laboratories write them: what is public stays, what may be a name or a number of a person goes."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.deidentify.nomenclature import karyotype, variant
from jobs.deidentify.record_codes import codes
from jobs.deidentify.record_results import Found, read_text, reference_range
from jobs.deidentify.records import Record, clean_records
from jobs.pseudonyms import Pseudonyms
from schemas.reasons import Reason

SECRETS = Pseudonyms(bytes(range(32)))
LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
LABORATORY = [
    {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
]
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def found_in(body):
    return clean_records([Record("s/d/f", 0, "s", "d", body["resourceType"], json.dumps(body))], "P", SECRETS)


def observed(code="5196-1", **values):
    coding = {"coding": [{"system": LOINC, "code": code}]}
    return found_in(
        {"resourceType": "Observation", "code": coding, "effectiveDateTime": "2024-03-02T08:30:00Z", **values}
    )


def laboratory(**values):
    row = {"resourceType": "laboratory", "analyte": "5196-1", "collected_at": "04.03.2024 08:15", **values}
    return found_in(
        {key: value for key, value in row.items() if key != "resourceType"} | {"resourceType": "laboratory"}
    )


def told(cleaned):
    """Value, comparator, unit and result of the one row."""
    (row,) = cleaned.tables["measurements"]
    return row["value"], row["comparator"], row["unit"], row["result"]


@pytest.mark.parametrize(
    ("text", "value", "comparator", "result", "unit"),
    [
        ("neg", None, None, "negative", None), ("Neg.", None, None, "negative", None),
        ("POSITIV", None, None, "positive", None), ("nicht  nachweisbar", None, None, "not detected", None),
        ("ei todettu", None, None, "not detected", None), ("++", None, None, "++", None), 
        ("2+", None, None, "2+", None),
        ("1:80", None, None, "1:80", None), ("< 1 : 40", None, "<", "1:40", None), ("1:640", None, None, "1:640", None),
        ("<5", 5, "<", None, None), ("≥ 10,5", 10.5, ">=", None, None), ("5.2", 5.2, None, None, None),
        ("1 234", 1234, None, None, None),
        ("< 0,3 mg/l", 0.3, "<", None, "mg/l"),
        ("13.1 g/dL", 13.1, None, None, "g/dL"),
        ("p.V617F", None, None, "p.V617F", None),
        ("46,XX,t(9;22)(q34;q11.2)[20]", None, None,
         "46,XX,t(9;22)(q34;q11.2)[20]", None),
    ],
)  # fmt: skip
def test_public_forms(text, value, comparator, result, unit):
    found = read_text(text)
    assert found is not None
    assert (found.value and float(found.value), *found[1:3], found.unit) == (value, comparator, result, unit)


PRIVATE = [
    "Mäkelä", "Dr. Meier", "neg, Dr. Meier", "negative (Aino)", "131052-308T", "X110411675", "8412345678901",
    "040 123 4567", "12.03.2024", "2024-03-12", "5 Mäkelä", "<5 Mäkelä", "1:8412345678", "81377 München", "Li", "X", "",
    "1952-10-13", "1/1952", "13.1.1952", "10/1952",
    "93 years", "93 a", "B24-17", "aino@posti.fi", None, True, {"a": 1}, ["x"],
]  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_in_no_public_form_goes(text):
    assert read_text(text) is None
    assert observed(valueString=text).tables["measurements"] == []
    assert observed("718-7", valueString=text).tables["measurements"] == []
    assert observed(component=[{"valueString": text}]).tables["measurements"] == []
    assert laboratory(value=text, unit="g/L").held == [("s/d/f", 0, Reason.MALFORMED_RECORD)]


@given(st.text(alphabet=st.characters(categories=["L"]), min_size=1, max_size=12))
def test_a_word_passes_only_from_the_list(word):
    found = read_text(word)
    assert found is None or found.result in {row["becomes"] for row in codes("result word").values()}


@given(st.text(max_size=20))
def test_what_is_told_is_a_number_or_in_a_known_form(text):
    found = read_text(text)
    letters = "" if found is None or found.result is None else "".join(c for c in found.result if c.isalpha())
    public = {row["becomes"] for row in codes("result word").values()}
    assert not letters or found.result in public or variant(found.result) or karyotype(found.result)


def test_comparators_stay():
    quantity = {"value": 5, "comparator": "<", "unit": "mg/L", "system": UCUM, "code": "mg/L"}
    assert told(observed("1988-5", valueQuantity=quantity)) == (5, "<", "mg/L", None)
    assert told(laboratory(value="<5", unit="mg/l")) == (5, "<", "mg/L", None)
    assert told(laboratory(value="5", comparator=">", unit="mg/l")) == (5, ">", "mg/L", None)


@pytest.mark.parametrize(
    ("concept", "result"),
    [
        ({"coding": [{"system": LOINC, "code": "LA6576-8"}]}, "positive"),
        ({"coding": [{"system": SNOMED, "code": "260385009"}]}, "negative"),
        ({"coding": [{"system": SNOMED, "code": "112144000", "display": "Blood group A"}]}, "112144000"),
        ({"coding": [{"system": INTERPRETATION, "code": "POS"}]}, "POS"),
        ({"coding": [{"system": "https://local.example", "code": "17", "display": "negativ"}]}, "negative"),
        ({"text": "schwach positiv"}, "weakly positive"),
        ({"text": "JAK2:p.(Val617Phe)"}, "JAK2:p.(Val617Phe)"),
        ({"text": "seen by Aino"}, None),
        ({"coding": [{"system": SNOMED, "code": "112144001"}]}, None),
        ({"coding": [{"system": "https://local.example", "code": "Mäkelä", "display": "Aino Mäkelä"}]}, None),
    ],
)
def test_coded_results(concept, result):
    rows = observed(valueCodeableConcept=concept, category=LABORATORY).tables["measurements"]
    assert [row["result"] for row in rows] == ([result] if result else [])
    if rows:
        assert rows[0]["result_system"] == {"112144000": SNOMED, "POS": INTERPRETATION}.get(result)


def test_outside_a_laboratory_a_concept_may_be_a_religion():
    concept = {"coding": [{"system": SNOMED, "code": "112144000"}]}
    assert observed(valueCodeableConcept=concept).tables["measurements"] == []
    assert observed("718-7", valueCodeableConcept=concept).tables["measurements"] != []


def test_a_number_without_a_unit_is_told_of_listed_measurements_only():
    assert told(observed("718-7", valueInteger=131)) == (131, None, None, None)
    assert observed("30525-0", valueInteger=93).tables["measurements"] == []
    assert observed("45401-7", valueString="00290").tables["measurements"] == []
    assert observed("718-7", valueString="8412345").tables["measurements"] == []


def test_ratios_and_yes_or_no():
    titre = {"numerator": {"value": 1}, "denominator": {"value": 160}}
    assert told(observed(valueRatio=titre)) == (None, None, None, "1:160")
    assert observed(valueRatio={"numerator": {"value": 8412}, "denominator": {"value": 5}}).tables["measurements"] == []
    assert told(observed(valueBoolean=True))[3] == "yes"


def test_interpretation_and_range_in_the_unit_of_the_value():
    def limit(value, unit="g/dL"):
        return {"value": value, "unit": unit, "system": UCUM, "code": unit}

    body = {
        "valueQuantity": limit(13.1),
        "interpretation": [{"coding": [{"system": INTERPRETATION, "code": "N", "display": "by Aino"}], "text": "Aino"}],
        "referenceRange": [{"low": limit(12), "high": limit(160, "g/L"), "text": "for Aino"}],
    }
    (row,) = observed("718-7", **body).tables["measurements"]
    assert (row["value"], row["interpretation"]) == (131, "N")
    assert (row["reference_low"], row["reference_high"]) == (120, 160)
    (row,) = observed("718-7", **{**body, "referenceRange": [{"low": limit(2, "mmol/L")}]}).tables["measurements"]
    assert (row["reference_low"], row["reference_high"]) == (None, None)


@pytest.mark.parametrize(
    ("columns", "limits"),
    [
        ({"reference_low": "12", "reference_high": "16"}, (120, 160)),
        ({"reference_range": "12,0 - 16,0"}, (120, 160)), ({"reference_range": "<16"}, (None, 160)),
        ({"reference_range": "> 12"}, (120, None)), ({"reference_range": "see Dr. Meier"}, (None, None)),
        ({}, (None, None)),
    ],
)  # fmt: skip
def test_ranges_of_a_table(columns, limits):
    (row,) = laboratory(value="13.1", unit="g/dL", flag="h", **columns).tables["measurements"]
    assert (row["reference_low"], row["reference_high"]) == limits
    assert row["interpretation"] == "H"


def test_a_range_has_an_order_of_its_own():
    assert reference_range("3.5-5.0") == (Found(pytest.approx(3.5)), Found(pytest.approx(5)))
    assert reference_range("normal") == (None, None)


CHANGES = {
    "c": ["NM_004119.3:c.2503G>T", "c.860_863dupTCTG", "c.1802+5G>A", "c.*32G>A", "c.-14G>C", "c.2023_2024delinsTT",
          "FLT3:c.1803_1804insACGT", "NM_004119.3(FLT3):c.67_69del"],
    "p": ["p.Trp288CysfsTer12", "p.W288Cfs*12", "p.(Val617Phe)", "JAK2:p.V617F", "p.Glu598_Tyr599insAspVal", "p.0?"],
    "g": ["NC_000003.11:g.128625063C>T", "m.3243A>G"],
}  # fmt: skip
KARYOTYPES = [
    "46,XX", "46,XY[20]", "47,XY,+8[12]/46,XY[8]", "45,X,-Y[12]/46,XY[8]", "46,XY,inv(16)(p13.1q22)",
    "43~45,XX,-5,-7,+mar,inc[cp5]", "46,XX,der(9)t(9;22)(q34;q11.2)", "92<4n>,XXYY", "46,idem,+8[3]",
    "46,XY,ider(20)(q10)del(20)(q11q13)", "t(8;21)(q22;q22)", "46,XX,t(9;22)(q34;q11)", "46,XX,del(5)(q13q33)",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in CHANGES.items() for text in texts])
def test_variants_stay(kind, text):
    assert variant(text) == variant(text, kind) == text
    assert all(variant(text, other) is None for other in CHANGES if other != kind)


@pytest.mark.parametrize("text", KARYOTYPES)
def test_karyotypes_stay(text):
    assert karyotype(text) == karyotype(f" {text} ") == text


NAMES = ["Mäkelä", "MAKELA", "Aino", "Li", "A", "131052-308T", "8412345678"]


@pytest.mark.parametrize(("text", "name"), product([*CHANGES["c"], *CHANGES["p"], *KARYOTYPES], NAMES))
def test_no_name_hides_in_a_nomenclature(text, name):
    """A name or number at any place makes it none: before, after, or instead of any part in brackets."""
    for hidden in (f"{text} {name}", f"{name}:{text}", f"{text}({name})", f"{text};{name}", f"{name} {text}"):
        assert variant(hidden) is None
        assert karyotype(hidden) is None
    if "(" in text:
        inside = text[: text.index("(") + 1] + name + text[text.index(")") :]
        assert variant(inside) is None or name in ("A",)
        assert karyotype(inside) is None


def test_one_letter_amino_acids_spell_no_name():
    assert variant("p.A1_M2insMAKELA") is None
    assert variant("p.E598_Y599insDVDFREYE") is None


@pytest.mark.parametrize(
    "text", ["46,XX" + ",+8" * 130, "46,XX" + ",del(5)" * 50 + "!", "46,XY[20]/" * 39, "p." + "Ala1" * 90]
)
def test_long_texts_take_no_long(text):
    assert variant(text) is None
    karyotype(text)


def test_genetics_keep_the_variant_by_its_grammar():
    def part(code, text, **more):
        return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueCodeableConcept": {"text": text}, **more}

    gene = {"coding": [{"system": "http://www.genenames.org/geneId", "code": "HGNC:6192", "display": "JAK2"}]}
    body = {
        "valueCodeableConcept": {"coding": [{"system": LOINC, "code": "LA9633-4"}]},
        "component": [
            {"code": {"coding": [{"system": LOINC, "code": "48018-6"}]}, "valueCodeableConcept": gene},
            part("48004-6", "NM_004972.4:c.1849G>T"), part("48005-3", "p.Aino"), part("81291-7", "46,XX Mäkelä"),
        ],
    }  # fmt: skip
    (row,) = observed("69548-6", **body).tables["genetics"]
    assert (row["gene"], row["result"], row["coding_change"]) == ("JAK2", "positive", "NM_004972.4:c.1849G>T")
    assert (row["protein_change"], row["genomic_change"], row["karyotype"]) == (None, None, None)
    body["component"] = [part("81291-7", "t(9;22)(q34;q11)")]
    (row,) = observed("69548-6", **body).tables["genetics"]
    assert (row["gene"], row["karyotype"]) == (None, "t(9;22)(q34;q11)")
    body["component"] = [part("81291-7", "Aino Mäkelä")]
    assert observed("69548-6", **body).tables["genetics"] == []
