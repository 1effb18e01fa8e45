"""The tables of attributes, UIDs and character sets say what pydicom says."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import repeater_has_tag
from pydicom.uid import UID_dictionary
from pydicom.valuerep import TEXT_VR_DELIMS

from jobs.dicom.charset import decode
from jobs.dicom.dictionary import entries, entry, privates, uids
from tools.dictionary import LATER


def test_attributes_and_uids_are_those_of_pydicom():
    assert {tag: (one.vr, one.vm, one.name, one.keyword) for tag, one in entries().items()} == {
        tag: (vr, vm, name, keyword) for tag, (vr, vm, name, _, keyword) in DicomDictionary.items()
    }
    # Readers of slides add the UIDs of JPEG XL to pydicom's table when they are imported; ours has them anyway.
    assert uids() == {str(uid): told[0] for uid, told in UID_dictionary.items()} | LATER
    assert privates()["GEMS_ACQU_01", 0x00191002] == ("SL", "1")


@pytest.mark.parametrize("tag", [0x50120010, 0x60020010, 0x002031FF, 0x00289999, 0x00091001])
def test_repeating_groups_are_known(tag):
    assert (entry(tag) is not None) == repeater_has_tag(tag)


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        ("Günther", "latin_1", "ISO_IR 100"),
        ("Łódź", "iso8859_2", "ISO_IR 101"),
        ("Иванов", "iso8859_5", "ISO_IR 144"),
        ("王小东", "gb18030", "GB18030"),
        ("Wäinö\\二", "utf_8", "ISO_IR 192"),
        ("ﾔﾏﾀﾞ", "shift_jis", "ISO_IR 13"),
    ],
)
def test_text_is_decoded_as_pydicom_does(text, codec, name):
    value = text.encode(codec)
    assert decode(value, name.encode()) == text == decode_bytes(value, convert_encodings([name]), TEXT_VR_DELIMS)


def test_code_extensions_are_decoded():
    value = b"\x1b$B;3ED\x1b(B"
    assert decode(value, b"\\ISO 2022 IR 87") == "山田"


def test_the_command_does_not_load_pydicom():
    code = "import sys, jobs.deidentify_files, jobs.cli; print('pydicom' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
