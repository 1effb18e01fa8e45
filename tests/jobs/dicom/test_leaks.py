"""Every attribute of the dictionary holds a unique token, at every depth; none may come out."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

import pydicom
import pytest
from pydicom import dcmwrite
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from jobs.deidentify.images import deidentify_dicom
from jobs.pseudonyms import Pseudonyms
from tests.jobs.deidentify.planting import TOKEN, Planter

PSEUDONYMS = Pseudonyms(bytes(range(32)))
STRUCTURE = {
    "SpecificCharacterSet", "PhotometricInterpretation", "ImageType", "SpecimenLabelInImage", "EncapsulatedDocument",
    "DirectoryRecordSequence", "SOPClassUID",
}  # fmt: skip
"""Without these a file is refused or read otherwise."""


class Attributes(Planter):
    """Plants in every attribute that the dictionary knows."""

    def attributes(self, *, at: Dataset) -> None:
        """Plant in every attribute of the dictionary that can hold text."""
        for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
            group = tag >> 16
            if group < 8 or group >= 0x7FE0 or keyword in STRUCTURE or vr == "SQ":
                continue
            value = self.value(vr.split(" or ")[0])
            if value is not None:
                at[tag] = DataElement(tag, vr.split(" or ")[0], value)
        for mask, (vr, *_) in RepeatersDictionary.items():
            tag = int(mask.replace("xx", "12").replace("x", "2"), 16)
            if mask[:2] in ("50", "60") and self.value(vr.split(" or ")[0]):
                at[tag] = DataElement(tag, vr.split(" or ")[0], self.value(vr.split(" or ")[0]))

    def privates(self, *, at: Dataset) -> None:
        """Plant in private elements of an unknown creator and of one that the allow-list knows."""
        for creator in (f"{TOKEN} CREATOR", "SIEMENS MED NM", "GEMS_PARM_01", "Philips MR Imaging DD 001"):
            group = {"SIEMENS MED NM": 0x0033, "GEMS_PARM_01": 0x0043}.get(creator, 0x2005)
            block = at.private_block(group, creator, create=True)
            for number, vr in enumerate(("LO", "UN", "OB", "OW", "PN", "CS", "UI", "ST", "DA", "SH") * 25):
                if number < 0xF0:
                    block.add_new(number, vr, self.value(vr))

    def item(self) -> Dataset:
        item = Dataset()
        self.attributes(at=item)
        self.privates(at=item)
        return item


def planted() -> FileDataset:
    """A file with tokens at the root and in listed, unlisted, private and nested sequences."""
    planter = Attributes()
    dataset = FileDataset("", planter.item(), file_meta=pydicom.dataset.FileMetaDataset())
    inner = planter.item()
    inner.RequestAttributesSequence = Sequence([planter.item()])
    for keyword in ("ContentSequence", "SpecimenDescriptionSequence", "ReferencedImageSequence",
                    "DerivationCodeSequence", "ConceptNameCodeSequence"):  # fmt: skip
        setattr(dataset, keyword, Sequence([inner]))
    block = dataset.private_block(0x2001, "Philips Imaging DD 001", create=True)
    for number in range(0xFF):
        block.add_new(number, "SQ", Sequence([planter.item()])) if number % 32 == 3 else None
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.preamble = planter.token().encode().ljust(128, b"\0")
    return dataset


def written(dataset: FileDataset, syntax: str) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    out = BytesIO()
    with pydicom.config.disable_value_validation():
        dcmwrite(
            out,
            dataset,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
            force_encoding=True,
        )
    return out.getvalue()


def un_sequences() -> bytes:
    """A file whose sequences of undefined length have the value representation UN (PS3.5 section 6.2.2)."""
    meta = FileDataset("", {}, file_meta=pydicom.dataset.FileMetaDataset())
    meta.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    nested = Attributes().item()
    body = BytesIO()
    writer = pydicom.filebase.DicomBytesIO()
    writer.is_little_endian, writer.is_implicit_VR = True, True
    with pydicom.config.disable_value_validation():
        pydicom.filewriter.write_dataset(writer, nested)
    for tag in (Tag("ContentSequence"), Tag(0x20051003)):
        body.write(struct.pack("<HH2sHI", tag.group, tag.element, b"UN", 0, 0xFFFFFFFF))
        body.write(struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + writer.getvalue())
        body.write(struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0))
    return written(meta, ExplicitVRLittleEndian) + body.getvalue()


def tokens_in(data: bytes) -> Iterator[bytes]:
    swapped = data.lower()
    yield from (sign for sign in (TOKEN.lower().encode(), b"99887766", b"18870605", b"998877") if sign in swapped)


def cleaned(data: bytes) -> tuple[bytes, list]:
    target = BytesIO()
    entries = deidentify_dicom(BytesIO(data), target, PSEUDONYMS, "p", -40, site="s")
    return target.getvalue(), entries


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_no_attribute_of_the_dictionary_leaks(syntax):
    data = written(planted(), syntax)
    assert data.count(TOKEN.encode()) > 10_000
    output, entries = cleaned(data)
    assert not list(tokens_in(output))
    assert TOKEN not in str(entries)


def test_sequences_encoded_as_unknown_are_cleaned():
    data = un_sequences()
    assert data.count(TOKEN.encode()) > 2_000
    output, _ = cleaned(data)
    assert not list(tokens_in(output))


@pytest.mark.parametrize("before", [b"", b"\0\1\xff\0\0\0\0\0"])
def test_numbers_cannot_carry_text(before):
    dataset = FileDataset("", {}, file_meta=pydicom.dataset.FileMetaDataset())
    text = before + (TOKEN * 8).encode()
    for tag, (vr, vm, _, _, keyword) in DicomDictionary.items():
        size = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8, "AT": 4}.get(vr)
        if size and "n" in vm and keyword and 8 <= tag >> 16 < 0x7FE0:
            dataset[tag] = pydicom.dataelem.RawDataElement(Tag(tag), vr, len(text), text, 0, False, True)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data = written(dataset, ExplicitVRLittleEndian)
    assert TOKEN.encode() in data
    assert not list(tokens_in(cleaned(data)[0]))
