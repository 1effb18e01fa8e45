"""The output is as valid an object as the input, and what science needs of a slide or a report is still in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from jobs.deidentify.images import deidentify_dicom
from jobs.dicom.log import TRUNCATED
from jobs.dicom.reader import read_header
from jobs.dicom.types import attribute_type
from jobs.errors import BadInput
from jobs.pseudonyms import Pseudonyms

PSEUDONYMS = Pseudonyms(bytes(range(32)))
STUBS = {"meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm", "image_dfl.dcm"}
"""Inputs that the validator gives up on before it has seen them whole."""


def cleaned(path: Path | str) -> bytes:
    target = BytesIO()
    deidentify_dicom(BytesIO(Path(path).read_bytes()), target, PSEUDONYMS, "p", -40)
    return target.getvalue()


def errors(path: Path) -> Counter[str]:
    """What dciodvfy says, without values."""
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, timeout=60)
    lines = (run.stderr + run.stdout).decode("latin-1").splitlines()
    return Counter(re.sub(r"UID <?[0-9.]+>?", "UID", line) for line in lines if line.startswith("Error"))


@pytest.fixture(scope="module")
def files(real_data) -> list[Path]:
    slides = (real_data / "highdicom_sm/data/test_files").glob("*.dcm")
    others = (real_data / "dcm4che_testdata/dcm4che-test-data/src/main/resources").glob("*")
    brought = (Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm")
    return sorted(path for path in (*slides, *others, *brought) if path.is_file() and path.suffix != ".xml")


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_no_output_has_an_error_that_its_input_had_not(files, tmp_path):
    compared = 0
    for path in files:
        try:
            (tmp_path / "out.dcm").write_bytes(cleaned(path))
        except BadInput:
            continue
        if path.name not in STUBS:
            assert not errors(tmp_path / "out.dcm") - errors(path), path.name
            compared += 1
    assert compared > 100


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_a_file_that_ends_within_an_item_has_no_error_that_its_input_had_not(tmp_path):
    path, target = Path(get_testdata_file("rtplan_truncated.dcm")), BytesIO()
    entries = deidentify_dicom(BytesIO(path.read_bytes()), target, PSEUDONYMS, "p", -40, whole=False)
    assert TRUNCATED in {entry.rule for entry in entries}
    (tmp_path / "out.dcm").write_bytes(target.getvalue())
    assert not errors(tmp_path / "out.dcm") - errors(path)


@pytest.mark.parametrize("name", ["JPEG2000.dcm", "JPGExtended.dcm", "liver_1frame.dcm", "reportsi.dcm", "rtplan.dcm"])
def test_a_file_that_is_cut_anywhere_comes_out_readable(name):
    data = Path(get_testdata_file(name)).read_bytes()
    for end in range(700, min(read_header(BytesIO(data)).end, 3000), 37):
        target = BytesIO()
        deidentify_dicom(BytesIO(data[:end]), target, PSEUDONYMS, "p", -40, whole=False)
        found = pydicom.dcmread(BytesIO(target.getvalue()), stop_before_pixels=True)
        assert found.PatientIdentityRemoved == "YES"
        assert str(found)


def test_types_are_those_of_the_object():
    slide, capture = "1.2.840.10008.5.1.4.1.1.77.1.6", "1.2.840.10008.5.1.4.1.1.7"
    assert attribute_type("Manufacturer", "", slide) == 1
    assert attribute_type("Manufacturer", "", capture) == 2
    assert [attribute_type("ConversionType", "", uid) for uid in (slide, capture)] == [3, 1]
    assert attribute_type("PatientName", "", capture) == 2
    assert attribute_type("CodeMeaning", "ConceptNameCodeSequence", slide) == 1


def texts(dataset: pydicom.Dataset) -> list[str]:
    """Codes and descriptions of preparation, stain and optical path, in their order."""
    found = []
    for specimen in dataset.SpecimenDescriptionSequence:
        for step in specimen.get("SpecimenPreparationSequence", []):
            for content in step.SpecimenPreparationStepContentItemSequence:
                for code in content.get("ConceptCodeSequence", []):
                    found.append(f"{code.CodeValue} {code.CodingSchemeDesignator}")
                found += [
                    f"{c.CodeValue} {c.CodingSchemeDesignator}" for c in content.get("ConceptNameCodeSequence", [])
                ]
    for path in dataset.OpticalPathSequence:
        found += [path.OpticalPathIdentifier, path.get("OpticalPathDescription", "")]
        found += [code.CodeMeaning for code in path.get("IlluminationTypeCodeSequence", [])]
        found += [code.CodeMeaning for code in path.get("IlluminationColorCodeSequence", [])]
    return found


def test_preparation_stain_and_optical_path_of_slides_survive(real_data):
    slides = sorted((real_data / "highdicom_sm/data/test_files").glob("sm_image*.dcm"))
    assert len(slides) > 6
    for path in slides:
        before, after = pydicom.dcmread(path), pydicom.dcmread(BytesIO(cleaned(path)))
        assert len(texts(before)) > 5
        assert texts(after) == texts(before), path.name


@pytest.mark.parametrize("name", ["reportsi.dcm", "test-SR.dcm"])
def test_the_structure_and_public_codes_of_reports_survive(name):
    path = get_testdata_file(name)
    before, after = pydicom.dcmread(path), pydicom.dcmread(BytesIO(cleaned(path)))

    def outline(item):
        codes = [c.CodeValue for c in item.get("ConceptCodeSequence", []) if c.CodingSchemeDesignator in ("SCT", "DCM")]
        return [item.get("ValueType"), codes, [outline(child) for child in item.get("ContentSequence", [])]]

    assert outline(after) == outline(before)
    assert len(str(outline(after))) > 100
