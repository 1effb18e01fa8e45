"""Plant unique tokens wherever a DICOM file can hold text."""

from __future__ import annotations

from io import BytesIO

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

TOKEN = "Zyxwvut"
"""Every planted token begins so; no file, vocabulary or format holds it."""
TEXT = {"PN", "LO", "SH", "ST", "LT", "UT", "UC", "AE", "UR"}
STRUCTURE = {
    "SpecificCharacterSet", "PhotometricInterpretation", "TransferSyntaxUID", "ImageType", "SpecimenLabelInImage",
    "DimensionOrganizationType", "ValueType",
}  # fmt: skip
"""Without these a file would be refused or its pixels read otherwise."""


class Planter:
    """Counts tokens, so that each is told from the others."""

    def __init__(self) -> None:
        self.count = 0

    def token(self) -> str:
        self.count += 1
        return f"{TOKEN}{self.count:05d}"

    def value(self, vr: str) -> object:
        """A value with a token of its own, by value representation; none where numbers only can stand."""
        if vr in TEXT:
            return self.token()
        if vr == "CS":
            return self.token().upper()
        if vr in ("OB", "OW", "UN", "OF", "OD", "OL", "OV"):
            return self.token().encode().ljust(16)
        self.count += 1
        fixed = {"UI": f"1.2.826.0.1.99887766.{self.count}", "DA": "18870605", "DT": "18870605", "TM": "112233.998877"}
        return fixed.get(vr)

    def everywhere(self, dataset: Dataset, depth: int = 2) -> None:
        """Put a token in every element that can hold text, at every depth."""
        for element in list(dataset):
            if element.tag.group == 0x7FE0 or element.keyword in STRUCTURE:
                continue
            vr = str(element.VR)
            if vr == "SQ":
                for item in element.value:
                    self.everywhere(item, 0)
            elif vr in TEXT or vr in ("CS", "UN"):
                element.value = self.value(vr)
        self.additions(dataset, depth)

    def additions(self, dataset: Dataset, depth: int) -> None:
        """Add private elements, unlisted text, codes and content items, nested."""
        block = dataset.private_block(0x0099, f"{TOKEN} CREATOR", create=True)
        block.add_new(0x01, "LO", self.token())
        block.add_new(0x02, "UN", self.token().encode())
        for keyword in ("ImageComments", "PatientComments", "ProtocolName", "StationName", "InstitutionName",
                        "KVP", "ConvolutionKernel", "Manufacturer", "ManufacturerModelName", "SoftwareVersions",
                        "SeriesDescription", "OperatorsName", "PerformedLocation", "TextString", "FrameComments",
                        "CodeMeaning", "CodingSchemeDesignator", "CodeValue", "LongCodeValue"):  # fmt: skip
            tag = Tag(keyword)
            vr = pydicom.datadict.dictionary_VR(tag)
            if vr in TEXT:
                dataset[tag] = DataElement(tag, vr, self.token())
        dataset[0x00189999] = DataElement(0x00189999, "LO", self.token())
        if depth:
            items = []
            for keyword in ("ConceptNameCodeSequence", "ReferencedImageSequence", "RequestAttributesSequence",
                            "SpecimenPreparationSequence", "ContentSequence"):  # fmt: skip
                item = Dataset()
                self.additions(item, depth - 1)
                setattr(dataset, keyword, Sequence([item]))
                items.append(item)
            inner = Dataset()
            self.additions(inner, 0)
            block.add_new(0x03, "SQ", Sequence([inner]))


def planted(data: bytes) -> tuple[bytes, int]:
    """Return a DICOM file with tokens everywhere, and how many."""
    dataset = pydicom.dcmread(BytesIO(data), force=True)
    planter = Planter()
    planter.everywhere(dataset)
    if "TransferSyntaxUID" in dataset.file_meta:
        dataset.file_meta.SourceApplicationEntityTitle = planter.token()
        dataset.file_meta.ReceivingApplicationEntityTitle = planter.token()
    dataset.preamble = planter.token().encode().ljust(128, b"\0")
    out = BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=False)
    trailing = planter.token().encode() if "PixelData" in dataset else b""
    return out.getvalue() + trailing, planter.count
