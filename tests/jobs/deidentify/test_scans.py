"""What an executor does with one scan, beside what the engine does with its files."""

from __future__ import annotations

import hashlib
from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from jobs.deidentify.batch import Everyone, is_public_word
from jobs.deidentify.scans import ScanCleaner
from jobs.store import Store
from schemas.reasons import Reason

NOBODY = Everyone(frozenset(), frozenset())


def file_with(pixels: bytes, folder) -> bytes:
    """A file of CT_small.dcm with some bytes among its pixels."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    data = bytearray(np.random.default_rng(1).bytes(len(dataset.PixelData)))
    data[1000 : 1000 + len(pixels)] = pixels
    dataset.PixelData = bytes(data)
    dataset.save_as(folder / "ct.dcm")
    return (folder / "ct.dcm").read_bytes()


@pytest.mark.parametrize(
    ("own", "everyone", "held"),
    [
        ([], NOBODY, False),
        (["Lehtonen-Aino"], NOBODY, True),
        ([], Everyone(frozenset(["Lehtonen-Aino"]), frozenset()), True),
        ([], Everyone(frozenset(), frozenset(["lehtonen-aino"])), True),
        ([], Everyone(frozenset(["Virtanen"]), frozenset(["19740302"])), False),
    ],
)
def test_an_output_is_searched_for_everybody_of_the_batch(settings, tmp_path, own, everyone, held):
    content = file_with(b"LEHTONEN-AINO", tmp_path)
    store, digest = Store(), hashlib.sha256(content).hexdigest()
    store.write(f"{settings.zone_root('restricted')}/objects/{digest}", content)
    file = {"path": f"helsinki/1/{digest}.dcm", "content_sha256": digest, "media_type": "application/dicom"}
    row = {
        "scan_ref": "dicom:1", "patient_id": "p", "specimen_number": None, "source": "helsinki", "delivery": "1",
        "withdrawn": False, "sheet": None, "identifiers": own, "files": [file],
    }  # fmt: skip
    (cleaned,) = ScanCleaner(store, settings, everyone)(row)
    assert (Reason.IDENTIFIER_FOUND in [row["reason"] for row in cleaned["held"]]) == held


@pytest.mark.parametrize("word", ["Grünwald", "WRIGHT", "Leica", "hematoxylin"])
def test_words_by_which_text_passes_are_nobodys(word):
    assert is_public_word(word)
    assert not is_public_word(f"{word}ila")
    batch = Everyone(frozenset([word, f"{word}ila"]), frozenset()).batch
    for encoding in ("utf-8", "latin-1", "utf-16-le"):
        assert not batch.found_in(BytesIO(f"May-{word}-Giemsa".encode(encoding)))
        assert batch.found_in(BytesIO(f"May-{word}ila-Giemsa".encode(encoding)))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le"])
def test_a_name_that_is_no_word_in_another_encoding_only_is_found(encoding):
    batch = Everyone(frozenset(["Óscar"]), frozenset()).batch
    assert is_public_word("scar")
    assert batch.found_in(BytesIO("hello Óscar there".encode(encoding)))


def test_numbers_are_no_words():
    assert not any(map(is_public_word, ("1000", "1984", "51456")))
