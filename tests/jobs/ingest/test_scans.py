"""Headers of scans, and whether files are all there."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from schemas.reasons import Reason

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
CT = "1.2.840.10008.5.1.4.1.1.2"
PIXELS = np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8)


def item(**values):
    one = Dataset()
    for name, value in values.items():
        setattr(one, name, value)
    return one


def dicom(syntax=JPEGBaseline8Bit, sop_class=WHOLE_SLIDE, **values):
    header = item(
        SOPClassUID=sop_class,
        SOPInstanceUID="1.2.3.4",
        SeriesInstanceUID="1.2.3",
        ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Mäkelä^Aino",
        PatientID="HP-1234",
        PatientBirthDate="19521013",
        IssuerOfPatientID="https://helsinki.example/pathology",
        OtherPatientIDsSequence=Sequence([item(PatientID="131052-308T", IssuerOfPatientID="1.2.246.21")]),
        ReferringPhysicianName="Koski^Eero",
        AccessionNumber="B24-00017",
        ContainerIdentifier="B24-00017-A-1",
        SpecimenDescriptionSequence=Sequence([item(SpecimenIdentifier="B24-00017")]),
        DeviceSerialNumber="SN-4711",
        Rows=16,
        Columns=16,
        NumberOfFrames=4,
        SamplesPerPixel=3,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        PlanarConfiguration=0,
        PhotometricInterpretation="RGB",
        **values,
    )
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.file_meta.MediaStorageSOPClassUID = sop_class
    header.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        header.PixelData = encapsulate([jpeg(quality=q) for q in (90, 80, 70, 60)])
        header["PixelData"].VR = "OB"
    else:
        header.PixelData = bytes(4 * 16 * 16 * 3)
        header["PixelData"].VR = "OB"
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, header, enforce_file_format=True)
    return stream.getvalue()


def jpeg(**options):
    stream = io.BytesIO()
    Image.fromarray(PIXELS[:16, :16]).save(stream, "JPEG", **options)
    return stream.getvalue()


def picture(kind, **options):
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, kind, **options)
    return stream.getvalue()


def aperio(big=False):
    stream = io.BytesIO()
    description = "Aperio Image Library v12\r\n32x32|AppMag = 40|MPP = 0.25|User = Sari Niemi|ScanScope ID = SS-9"
    with tifffile.TiffWriter(stream, bigtiff=big) as tiff:
        tiff.write(PIXELS, tile=(16, 16), compression="jpeg", description=description, metadata=None)
        tiff.write(PIXELS[::2, ::2], tile=(16, 16), compression="jpeg", metadata=None)
    return stream.getvalue()


SYNTAXES = [
    JPEGBaseline8Bit,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


def values(content, kind):
    return {(r["patient_number"], r["value"]) for r in content.identifiers if r["kind"] == kind}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_dicom_header(read, syntax):
    content = read("slides/B24-00017-A-1/1.dcm", dicom(syntax))
    assert (content.media_type, content.role, content.held) == ("application/dicom", "image", [])
    assert (content.scan_name, content.scan_ref) == ("B24-00017-A-1", "dicom:1.2.3")
    pathology = ("https://helsinki.example/pathology", "HP-1234")
    assert (content.patient_system, content.patient_number) == pathology
    assert content.specimen_number == "B24-00017"
    assert content.links == [[pathology, ("urn:oid:1.2.246.21", "131052-308T")]]
    assert values(content, "name") == {
        ("HP-1234", "Mäkelä"),
        ("HP-1234", "Aino"),
        ("", "Koski"),
        ("", "Eero"),
    }
    assert values(content, "birth_date") == {("HP-1234", "19521013"), ("HP-1234", "1952-10-13")}
    assert values(content, "record_number") == {("HP-1234", "HP-1234"), ("HP-1234", "131052-308T")}
    assert values(content, "accession_number") == {("HP-1234", "B24-00017")}
    assert values(content, "device_serial") == {("", "SN-4711")}


def test_dicom_without_issuer_is_the_sources_own_number(read):
    content = read("a.dcm", dicom().replace(b"https://helsinki.example/pathology", b" " * 34))
    assert content.links[0][0] == ("dicom:helsinki", "HP-1234")


def test_issuer_as_universal_entity(read):
    issuer = Sequence([item(UniversalEntityID="1.2.246.10.1", UniversalEntityIDType="ISO")])
    content = read("a.dcm", dicom(IssuerOfPatientIDQualifiersSequence=issuer))
    assert content.patient_system == "urn:oid:1.2.246.10.1"


def test_dicom_that_is_no_microscopy_is_unknown(read):
    content = read("a.dcm", dicom(sop_class=CT))
    assert (content.role, content.held) == ("other", [(None, Reason.UNKNOWN_FORMAT)])


@pytest.mark.parametrize("syntax", SYNTAXES[:4])
def test_dicom_cut_off_anywhere_is_truncated(read, syntax):
    data = dicom(syntax)
    for length in range(140, len(data), 7):
        assert read("a.dcm", data[:length]).held == [(None, Reason.TRUNCATED)], length


def test_deflated_dicom_cut_off_is_held(read):
    data = dicom(DeflatedExplicitVRLittleEndian)
    assert read("a.dcm", data[:-40]).held[0][1] in (Reason.TRUNCATED, Reason.UNREADABLE)


def test_dicom_with_too_few_frames_is_truncated(read):
    assert read("a.dcm", dicom().replace(b"IS\x02\x004 ", b"IS\x02\x005 ")).held == [(None, Reason.TRUNCATED)]


def test_dicom_padding_does_not_matter(read):
    assert read("a.dcm", dicom() + bytes(64)).held == []


def test_undefined_lengths_are_followed(read):
    nested = Sequence([item(PatientComments="x", ReferencedStudySequence=Sequence([item(StudyID="7")]))])
    data = dicom(ExplicitVRLittleEndian, ReferencedPatientSequence=nested)
    whole = pydicom.dcmread(io.BytesIO(data))
    for element in whole.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, whole)
    assert read("a.dcm", stream.getvalue()).held == []
    assert ("HP-1234", "7") in values(read("a.dcm", stream.getvalue()), "record_number")


@pytest.mark.parametrize("big", [False, True])
def test_svs(read, big):
    data = aperio(big)
    content = read("slides/Virtanen A.svs", data)
    assert (content.media_type, content.role, content.held) == ("image/x-aperio-svs", "image", [])
    assert (content.scan_name, content.scan_ref) == ("Virtanen A", "file:helsinki/d1/slides/Virtanen A.svs")
    assert values(content, "name") == {("", "Sari"), ("", "Niemi")}
    assert values(content, "device_serial") == {("", "SS-9")}
    assert content.patient_number is None
    for length in range(16, len(data), 37):
        assert read("a.svs", data[:length]).held == [(None, Reason.TRUNCATED)], length


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_fields(read, kind):
    data = picture(kind)
    content = read(f"fields/HP-1234_1.{kind.lower()}", data)
    assert (content.media_type, content.role, content.held) == (f"image/{kind.lower()}", "image", [])
    assert (content.scan_name, content.scan_ref) == (
        "HP-1234_1",
        f"file:helsinki/d1/fields/HP-1234_1.{kind.lower()}",
    )
    for length in range(20, len(data), 29):
        assert read(f"a.{kind.lower()}", data[:length]).held == [(None, Reason.TRUNCATED)], length


def test_a_field_may_have_another_fields_suffix(read):
    content = read("fields/1.jpg", picture("PNG"))
    assert (content.media_type, content.held) == ("image/png", [])


def test_identifiers_in_exif_comments_and_png_text(read):
    exif = Image.Exif()
    exif[0x013B] = "Sari Niemi"
    exif[0x010E] = "HP-1234 marrow"
    content = read("a.jpg", picture("JPEG", exif=exif, comment=b"call 040 1234567"))
    assert {r["value"] for r in content.identifiers} == {
        "Sari",
        "Niemi",
        "HP-1234 marrow",
        "call 040 1234567",
    }
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "Aino Salo")
    assert {r["value"] for r in read("a.png", picture("PNG", pnginfo=text)).identifiers} == {"Aino", "Salo"}


def test_a_thumbnail_does_not_hide_a_truncation(read):
    exif = Image.Exif()
    exif[0x010E] = "x"
    data = picture("JPEG", exif=exif.tobytes() + jpeg())
    assert read("a.jpg", data).held == []
    assert read("a.jpg", data[:-3]).held == [(None, Reason.TRUNCATED)]
    assert read("a.jpg", data + b"behind the end").held == []


def test_real_files(read, real_data):
    held = {}
    for folder in ("openslide_fixtures/tests/fixtures", "highdicom_sm/data/test_files"):
        for path in sorted((real_data / folder).iterdir()):
            content = read(f"slides/{path.name}", path.read_bytes())
            held[path.name] = [reason.value for _, reason in content.held]
            assert (content.role == "image") == bool(content.scan_ref and content.scan_name) or content.held
    assert {name for name, reasons in held.items() if reasons == ["unreadable"]} == {
        "unopenable.tiff",
        "unreadable.svs",
    }
    readable = {
        "small.svs",
        "😐.svs",
        "boxes.tiff",
        "boxes_0.dcm",
        "boxes_1.dcm",
        "boxes.png",
        "sm_image.dcm",
    }
    assert all(held[name] == [] for name in readable | {n for n in held if n.startswith("sm_image")})


def test_real_dicom_of_other_modalities(read, real_data):
    folder = real_data / "dcm4che_testdata" / "dcm4che-test-data" / "src" / "main" / "resources"
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        content = read(f"slides/{path.name}", path.read_bytes())
        truncated = path.name in ("3gb-bulk-data-truncated", "no_preamble_dicm_in_data")
        reason = Reason.TRUNCATED if truncated else Reason.UNKNOWN_FORMAT
        assert content.held == [(None, reason)], path.name
    content = read("a.dcm", (folder / "YBR_FULL-RLE.dcm").read_bytes())
    assert {("S61289.1476739615", "DOE"), ("S61289.1476739615", "JOHN")} <= values(content, "name")


def test_real_headers_name_their_patient(read, real_data):
    content = read("a.dcm", (real_data / "highdicom_sm" / "data" / "test_files" / "sm_image.dcm").read_bytes())
    assert content.scan_name == content.specimen_number == "S19-1_A_1_1"
    assert content.links == [[("http://test.org/mrns", "AA01")]]
