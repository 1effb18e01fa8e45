from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from jobs.dicom.walker import clean


class Pseudonymiser:
    """Pseudonyms that a test can read."""

    def key_for(self, kind: str, *parts: str) -> str:
        return f"<{kind}:{':'.join(parts)}>"

    def uid(self, uid: str) -> str:
        return "2.25." + str(len(uid))


def cleaned(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    entries = clean(dataset, Pseudonymiser(), patient_id="p", shift_days=-1, site="s")
    return dataset, {entry.path: entry for entry in entries}


def code(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def test_ids_become_keyed_and_stay_parted_by_site():
    dataset, entries = cleaned(ContainerIdentifier="H-1", AccessionNumber="A1", DeviceSerialNumber="SN 1")
    assert dataset.ContainerIdentifier == "<container:s:H-1>"
    assert dataset.AccessionNumber == "<accession:s:A1>"[:16]
    assert dataset.DeviceSerialNumber == "<device:s:SN 1>"
    assert entries["(0040,0512)"].code == "D"


def test_registered_uids_stay_and_others_are_mapped():
    dataset, _ = cleaned(SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6", FrameOfReferenceUID="1.2.3")
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.77.1.6"
    assert dataset.FrameOfReferenceUID == "2.25.5"


def test_codes_keep_their_public_meaning_and_local_ones_their_equality():
    concept = code("12710003", "SCT", "Lehtonen's stain")
    local = code("X1", "99LEHTONEN", "Lehtonen's stain")
    dataset, _ = cleaned(AnatomicRegionSequence=Sequence([concept, local]))
    public, keyed = dataset.AnatomicRegionSequence
    assert (public.CodeValue, public.CodingSchemeDesignator) == ("12710003", "SCT")
    assert keyed.CodeValue == "<code:99LEHTONEN:X1>"[:16]
    assert "Lehtonen" not in public.CodeMeaning + keyed.CodeMeaning + keyed.CodingSchemeDesignator


def test_the_specimen_named_in_its_preparation_gets_the_same_pseudonym():
    content = Dataset()
    content.ValueType = "TEXT"
    content.ConceptNameCodeSequence = Sequence([code("121041", "DCM", "Specimen Identifier")])
    content.TextValue = "S-77"
    step, specimen = Dataset(), Dataset()
    step.SpecimenPreparationStepContentItemSequence = Sequence([content])
    specimen.SpecimenIdentifier = "S-77"
    specimen.SpecimenPreparationSequence = Sequence([step])
    dataset, _ = cleaned(SpecimenDescriptionSequence=Sequence([specimen]))
    specimen = dataset.SpecimenDescriptionSequence[0]
    content = specimen.SpecimenPreparationSequence[0].SpecimenPreparationStepContentItemSequence[0]
    assert content.TextValue == specimen.SpecimenIdentifier == "<specimen:s:S-77>"


def test_devices_pass_only_when_on_the_market():
    dataset, _ = cleaned(Manufacturer="Leica Biosystems", ManufacturerModelName="Lehtonen's own")
    assert dataset.Manufacturer == "Leica Biosystems"
    assert "Lehtonen" not in dataset.ManufacturerModelName


@pytest.mark.parametrize(("keyword", "value"), [("BodyPartExamined", "LEHTONEN"), ("ProtocolName", "LEHTONEN")])
def test_unknown_words_go(keyword, value):
    dataset, _ = cleaned(**{keyword: value})
    assert "LEHTONEN" not in str(dataset)


def test_old_patients_are_one_group():
    dataset, entries = cleaned(PatientAge="097Y")
    assert dataset.PatientAge == "090Y"
    assert entries["(0010,1010)"].action == "generalised"


def test_private_creators_are_not_named():
    dataset = Dataset()
    dataset.private_block(0x0099, "LEHTONEN", create=True).add_new(1, "LO", "x")
    entries = clean(dataset, Pseudonymiser(), patient_id="p", shift_days=-1)
    assert not [element for element in dataset if element.tag.is_private]
    assert {entry.path for entry in entries if entry.rule == "private attribute"} == {"private"}


def test_nested_without_end_is_cut():
    inner = Dataset()
    inner.PatientComments = "x"
    for _ in range(60):
        outer = Dataset()
        outer.DerivationCodeSequence = Sequence([inner])
        inner = outer
    clean(inner, Pseudonymiser(), patient_id="p", shift_days=-1)
    depth = 0
    while "DerivationCodeSequence" in inner:
        inner, depth = inner.DerivationCodeSequence[0], depth + 1
    assert depth <= 41
