from __future__ import annotations

import struct
from io import BytesIO

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from jobs.dicom import walker
from jobs.dicom.private import may_be_number_of_record
from jobs.dicom.profile import DATES, DEVICE, FULL_DATES, UIDS, Profile
from jobs.dicom.reader import read_header
from jobs.dicom.writer import Encoder


class Pseudonymiser:
    """Pseudonyms that a test can read."""

    def key_for(self, kind: str, *parts: str) -> str:
        return f"<{kind}:{':'.join(parts)}>"

    def uid(self, uid: str) -> str:
        return "2.25." + str(len(uid))


def clean(dataset, pseudonyms, **options):
    """Write a dataset of pydicom, clean it, and read it again in place."""
    written = BytesIO()
    dataset.save_as(written, implicit_vr=False, little_endian=True)
    ours = read_header(written).dataset
    entries = walker.clean(ours, pseudonyms, **options)
    again = pydicom.dcmread(BytesIO(Encoder(False, "<").dataset(ours)), force=True)
    dataset.clear()
    dataset.update(again)
    return entries


def cleaned(options=None, **values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    profile = None if options is None else Profile(options)
    entries = clean(dataset, Pseudonymiser(), patient_id="p", shift_days=-1, site="s", profile=profile)
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
    assert {entry.path for entry in entries if entry.rule.startswith("private")} == {"private"}


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


@pytest.mark.parametrize(
    ("options", "date", "says"),
    [([DATES], "20200101", "MODIFIED"), ([FULL_DATES], "20200102", "UNMODIFIED"), ([], "", "REMOVED")],
)
def test_dates_are_as_the_profile_says(options, date, says):
    dataset, _ = cleaned(options, StudyDate="20200102", DateOfSecondaryCapture="20200102")
    assert (dataset.StudyDate or "") == date
    assert dataset.get("DateOfSecondaryCapture", "") == date
    assert dataset.LongitudinalTemporalInformationModified == says


def test_uids_and_devices_stay_where_the_profile_retains_them():
    values = {"StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "Lehtonen", "DeviceSerialNumber": "SN 1"}
    dataset, _ = cleaned([UIDS, DEVICE], **values, PatientID="7")
    assert (dataset.StudyInstanceUID, dataset.DeviceSerialNumber) == ("1.2.3", "SN 1")
    assert "Lehtonen" not in str(dataset)
    assert dataset.PatientID == "<patient:p>"
    codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113109", "113110"]


def test_descriptions_stay_when_they_are_public_phrases():
    dataset, _ = cleaned(SeriesDescription="Bone marrow smear, Giemsa", StudyDescription="Giemsa for Lehtonen")
    assert dataset.SeriesDescription == "Bone marrow smear, Giemsa"
    assert "StudyDescription" not in dataset


def test_clean_pixel_data_is_stated_only_after_inspection():
    for inspected in (False, True):
        dataset = Dataset()
        clean(dataset, Pseudonymiser(), patient_id="p", shift_days=-1, inspected=inspected)
        codes = {item.CodeValue for item in dataset.DeidentificationMethodCodeSequence}
        assert ("113101" in codes) is inspected
        assert dataset.get("BurnedInAnnotation") == ("NO" if inspected else None)


def private(options=None):
    """A dataset with elements of two creators, cleaned."""
    inner = Dataset()
    inner.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x03, "FL", 50.6)
    dataset = Dataset()
    known = dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
    known.add_new(0x02, "SL", 912)
    known.add_new(0x1E, "DS", "12345678")
    known.add_new(0x84, "OB", b"Lehtonen")
    known.add_new(0x9C, "LO", "Lehtonen")
    dataset.private_block(0x0099, "LEHTONEN", create=True).add_new(1, "SL", 7)
    dataset.SourceImageSequence = Sequence([inner])
    profile = None if options is None else Profile(options)
    entries = clean(dataset, Pseudonymiser(), patient_id="p", shift_days=-1, profile=profile)
    return dataset, entries


def test_private_numbers_of_the_public_allow_list_stay():
    dataset, entries = private()
    assert dataset.private_block(0x0019, "GEMS_ACQU_01")[0x02].value == 912
    inner = dataset.SourceImageSequence[0]
    assert inner.private_block(0x2001, "Philips Imaging DD 001")[0x03].value == pytest.approx(50.6)
    left = {int(element.tag) for element in dataset if element.tag.is_private}
    assert left == {0x00190010, 0x00191002}
    assert "LEHTONEN" not in str(dataset).upper() + str(entries).upper()


def test_no_private_element_stays_without_the_option():
    dataset, _ = private([])
    assert not [element for element in dataset.iterall() if element.tag.is_private]


@pytest.mark.parametrize(
    ("number", "record"),
    [("5955447000", True), ("19530412", True), ("-123456789.5", True), ("63870000", False), ("912", False)],
)
def test_a_private_number_with_as_many_digits_as_a_record_is_taken_for_one(number, record):
    assert may_be_number_of_record(number) is record


def test_a_name_among_many_numbers_goes_and_the_ramp_of_a_lookup_table_stays():
    dataset = Dataset()
    numbers = bytes(range(128, 256)) * 3
    dataset[0x00686350] = DataElement(0x00686350, "US", list(struct.unpack("<200H", numbers + b"Zyxwvut714917 ^ ")))
    dataset.PixelRepresentation = 0
    ramp = bytes(range(256))
    dataset[0x00281201] = DataElement(0x00281201, "OW", ramp)
    clean(dataset, Pseudonymiser(), patient_id="p", shift_days=-1)
    assert 0x00686350 not in dataset
    assert dataset[0x00281201].value == ramp
