"""Who and what a slide shows, as a real scanner and laboratory system write it into a DICOM header."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from jobs.hospital.people import COUNTRY, INSTITUTIONS, NATIONAL_SYSTEM, OPERATORS, PHYSICIANS
from jobs.hospital.plan import Scan
from jobs.hospital.seeds import uid

SCANNER_SERIAL = "PAN-2210431"
PRIVATE_CREATOR = "ISOSCAN LIS LINK"
PRIVATE_GROUP = 0x0109
STAIN = {"smear": "May-Grünwald-Giemsa", "field": "May-Grünwald-Giemsa", "section": "H&E"}


def sequence(**attributes: Any) -> Sequence:
    """A sequence of one item."""
    return Sequence([item(**attributes)])


def item(**attributes: Any) -> Dataset:
    """An item with these attributes, by keyword."""
    result = Dataset()
    for keyword, value in attributes.items():
        setattr(result, keyword, value)
    return result


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    """A code (PS3.3 8.8)."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def patient_and_study(file: Dataset, scan: Scan) -> None:
    """Patient, study, series and equipment, with everything that names the patient."""
    person, source = scan.person, scan.source
    file.PatientName = person.dicom_name
    file.PatientID = person.pathology
    file.IssuerOfPatientID = f"https://{source}.example/pathology"
    file.PatientBirthDate = f"{person.born:%Y%m%d}"
    file.PatientSex = {"female": "F", "male": "M"}[person.sex]
    system = NATIONAL_SYSTEM[source]
    issuer = sequence(
        UniversalEntityID=system.removeprefix("urn:oid:"),
        UniversalEntityIDType="ISO" if system.startswith("urn:oid:") else "URI",
    )
    file.OtherPatientIDsSequence = sequence(
        PatientID=person.national_id, TypeOfPatientID="TEXT", IssuerOfPatientIDQualifiersSequence=issuer
    )
    file.PatientAddress = person.address
    file.PatientTelephoneNumbers = person.phone
    file.CountryOfResidence = COUNTRY[source]
    file.PatientComments = patient_comment(scan)
    file.ReferringPhysicianName = PHYSICIANS[source]
    file.OperatorsName = OPERATORS[source]
    file.InstitutionName = INSTITUTIONS[source]
    file.StationName = "SCANNER1"
    file.AccessionNumber = scan.specimen
    file.StudyID = scan.specimen
    file.StudyDescription = "Marrow section" if scan.kind == "section" else "Marrow smear"
    file.StudyInstanceUID = uid(scan.seed, scan.name, "study")
    file.SeriesInstanceUID = uid(scan.seed, scan.name, "series")
    file.FrameOfReferenceUID = uid(scan.seed, scan.name, "frame")
    file.PositionReferenceIndicator = "SLIDE_CORNER"
    file.SeriesNumber = 1
    file.Modality = "SM"
    day, time = f"{scan.scanned:%Y%m%d}", f"{scan.scanned:%H%M%S}"
    file.StudyDate = file.SeriesDate = file.ContentDate = file.AcquisitionDate = day
    file.StudyTime = file.SeriesTime = file.ContentTime = file.AcquisitionTime = time
    file.AcquisitionDateTime = day + time
    file.TimezoneOffsetFromUTC = "+0000"
    file.Manufacturer, file.ManufacturerModelName = "3DHISTECH", "Pannoramic 250"
    file.DeviceSerialNumber, file.SoftwareVersions = SCANNER_SERIAL, "3.0.4"
    file.ImageComments = image_comment(scan)
    file.AcquisitionContextSequence = Sequence()
    _private(file, scan)


def patient_comment(scan: Scan) -> str:
    """What a secretary typed."""
    return f"{scan.person.full_name}, tel {scan.person.phone}"


def image_comment(scan: Scan) -> str:
    """What the operator typed."""
    return f"Rescan for {scan.person.family} {scan.person.national_id}"


def _private(file: Dataset, scan: Scan) -> None:
    """Private elements, and a private sequence that holds private elements itself (PS3.5 7.8)."""
    person = scan.person
    block = file.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(0x01, "LO", person.full_name)
    block.add_new(0x02, "LO", person.national_id)
    inner = Dataset()
    inside = inner.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    inside.add_new(0x11, "LO", person.laboratory)
    inside.add_new(0x12, "UT", f"{person.address}; {person.email}")
    inner.PatientName = person.dicom_name
    block.add_new(0x10, "SQ", Sequence([inner]))


def specimen(file: Dataset, scan: Scan) -> None:
    """Container and specimen with how it was prepared (PS3.3 C.7.6.22, PS3.16 TID 8001)."""
    file.ContainerIdentifier = scan.container
    file.IssuerOfTheContainerIdentifierSequence = Sequence()
    file.ContainerTypeCodeSequence = Sequence([coded("433466003", "SCT", "Microscope slide")])
    described = item(
        SpecimenIdentifier=scan.specimen,
        SpecimenUID=uid(scan.seed, scan.specimen, "specimen"),
        IssuerOfTheSpecimenIdentifierSequence=Sequence(),
        SpecimenTypeCodeSequence=Sequence([coded("119359002", "SCT", "Bone marrow specimen")]),
        SpecimenShortDescription=f"Marrow of {scan.person.family}",
        SpecimenDetailedDescription=f"{scan.person.full_name}, born {scan.person.born:%d.%m.%Y}",
        SpecimenPreparationSequence=Sequence([_step(scan, "sampling"), _step(scan, "staining")]),
    )
    file.SpecimenDescriptionSequence = Sequence([described])


def _step(scan: Scan, kind: str) -> Dataset:
    """A step of the preparation."""
    text = "TEXT"
    content = [
        item(
            ValueType=text,
            ConceptNameCodeSequence=_name("121041", "DCM", "Specimen Identifier"),
            TextValue=scan.specimen,
        ),
    ]
    if kind == "sampling":
        content.append(_code("111701", "DCM", "Processing type", coded("17636008", "SCT", "Specimen collection")))
        content.append(
            item(
                ValueType=text,
                ConceptNameCodeSequence=_name("111703", "DCM", "Processing step description"),
                TextValue=f"Aspirated from {scan.person.full_name}",
            )
        )
        return item(SpecimenPreparationStepContentItemSequence=Sequence(content))
    content.append(_code("111701", "DCM", "Processing type", coded("127790008", "SCT", "Staining")))
    if scan.kind == "section":
        for value, meaning in (("12710003", "hematoxylin stain"), ("36879007", "water soluble eosin stain")):
            content.append(_code("424361007", "SCT", "Using substance", coded(value, "SCT", meaning)))
    else:
        substance = _name("424361007", "SCT", "Using substance")
        content.append(item(ValueType=text, ConceptNameCodeSequence=substance, TextValue=STAIN["smear"]))
    return item(SpecimenPreparationStepContentItemSequence=Sequence(content))


def _name(value: str, scheme: str, meaning: str) -> Sequence:
    return Sequence([coded(value, scheme, meaning)])


def _code(value: str, scheme: str, meaning: str, code: Dataset) -> Dataset:
    return item(
        ValueType="CODE",
        ConceptNameCodeSequence=_name(value, scheme, meaning),
        ConceptCodeSequence=Sequence([code]),
    )
