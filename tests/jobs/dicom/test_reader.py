"""What our reader and writer make of a header is what pydicom makes of it."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from jobs.deidentify.identifiers import pixel_data_start
from jobs.dicom.dataset import Element
from jobs.dicom.deflate import deflate, inflated
from jobs.dicom.reader import read_header
from jobs.dicom.writer import Encoder

BUNDLED = sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm"))
ODD = {"image_dfl.dcm", "no_meta.dcm", "rtplan_truncated.dcm"}
"""Deflated; begun in the midst of an element; and cut off within one."""


def flat(dataset: Dataset, path: tuple = ()) -> Iterator[tuple[tuple, str]]:
    """All public elements that hold a value, with their paths."""
    for tag in sorted(dataset.keys()):
        if tag.is_private or tag.element == 0:
            continue
        element = dataset[tag]
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from flat(item, (*path, int(tag), number))
        elif not element.is_empty:
            yield (*path, int(tag)), str(element.value)


def again(data: bytes) -> bytes:
    header = read_header(BytesIO(data))
    return Encoder(header.implicit, header.order).file(header.meta, header.dataset)


def read(data: bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(BytesIO(data), stop_before_pixels=True, force=True)


@pytest.mark.parametrize("path", [path for path in BUNDLED if path.name not in ODD], ids=lambda path: path.stem)
def test_a_file_is_read_and_written_as_pydicom_reads_it(path):
    data = path.read_bytes()
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        assert dict(flat(read(again(data)))) == dict(flat(read(data)))


@pytest.mark.parametrize("cut", [1, 7, 300])
def test_a_file_that_is_cut_off_is_read_as_far_as_it_goes(cut):
    data = (Path(pydicom.data.__file__).parent / "test_files" / "rtplan.dcm").read_bytes()
    whole, part = read_header(BytesIO(data)), read_header(BytesIO(data[:-cut]))
    assert part.truncated
    assert not whole.truncated
    assert set(part.dataset) <= set(whole.dataset)


@pytest.mark.parametrize("cut", [1, 9, 20])
@pytest.mark.parametrize("implicit", [True, False])
def test_a_file_that_ends_within_an_item_is_written_as_one_that_does(cut, implicit):
    deep, thick = b"deep", b"12.5"
    if implicit:
        value = struct.pack("<HHI", 0x10, 0x4000, 4) + deep + struct.pack("<HHI", 0x18, 0x50, 4) + thick
        head = struct.pack("<HHI", 8, 0x60, 2) + b"CT" + struct.pack("<HH", 0x40, 0x275)
    else:
        value = (
            struct.pack("<HH2sH", 0x10, 0x4000, b"LT", 4) + deep + struct.pack("<HH2sH", 0x18, 0x50, b"DS", 4) + thick
        )
        head = struct.pack("<HH2sH", 8, 0x60, b"CS", 2) + b"CT" + struct.pack("<HH2sH", 0x40, 0x275, b"SQ", 0)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
    data = head + struct.pack("<I", 2 * len(item)) + item * 2
    header = read_header(BytesIO(data[:-cut]))
    written = Encoder(implicit, "<", header.truncated).dataset(header.dataset)
    assert header.truncated
    assert data.startswith(written)
    assert len(data) - cut - 12 < len(written) <= len(data) - cut
    assert header.dataset[0x00400275].items[0].missing == 0


def test_a_length_that_was_too_large_takes_in_nothing_that_is_added():
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 99) + struct.pack("<HH2sH", 0x10, 0x4000, b"LT", 4) + b"deep"
    data = struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, 107) + item
    dataset = read_header(BytesIO(data)).dataset
    dataset[0x00120062] = Element(0x00120062, "CS", b"YES ")
    again = read_header(BytesIO(Encoder(False, "<").dataset(dataset))).dataset
    assert again[0x00120062].value == b"YES "


@pytest.mark.parametrize("behind", [False, True])
def test_items_inherit_the_character_set_wherever_it_stands(behind):
    value = struct.pack("<HH2sH", 0x40, 0x551, b"LO", 6) + "Mäki ".encode()
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
    sequence = struct.pack("<HH2sHI", 0x40, 0x560, b"SQ", 0, len(item)) + item
    charset = struct.pack("<HH2sH", 8, 5, b"CS", 10) + b"ISO_IR 192"
    dataset = read_header(BytesIO(sequence + charset if behind else charset + sequence)).dataset
    assert dataset[0x00400560].items[0].text(0x00400551) == "Mäki"


@pytest.mark.parametrize("more", [1, 2, 16])
def test_an_item_that_leaves_its_sequence_is_no_end_of_the_file(more):
    value = struct.pack("<HH2sH", 0x18, 0x50, b"DS", 4 + more) + b"12.5"
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 90) + value
    data = struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, len(item)) + item
    header = read_header(BytesIO(data + struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 90) + bytes(90)))
    del header.dataset[0xFFFCFFFC]
    encoder = Encoder(False, "<", header.truncated)
    written = encoder.dataset(header.dataset)
    again = read_header(BytesIO(written + encoder.padding(header.dataset)))
    assert not header.truncated
    assert not again.truncated
    assert again.dataset[0x00081115].items[0][0x00180050].value == b"12.5"
    assert again.dataset[0xFFFCFFFC].value.strip(b"\0") == b""
    assert read_header(BytesIO(written)).truncated


def test_a_deflated_file_comes_back():
    data = (Path(pydicom.data.__file__).parent / "test_files" / "image_dfl.dcm").read_bytes()
    plain = inflated(BytesIO(data))
    packed = BytesIO()
    deflate(plain, packed)
    assert dict(flat(read(packed.getvalue()))) == dict(flat(read(data)))
    assert inflated(BytesIO(b"\0" * 200)) is None


@given(st.binary(max_size=400), st.sampled_from([b"", bytes(128) + b"DICM"]))
def test_any_bytes_are_read_without_an_error(data, start):
    header = read_header(BytesIO(start + data))
    Encoder(header.implicit, header.order).dataset(header.dataset)
    assert header.end <= len(start + data)


@settings(deadline=None)
@given(st.integers(0, 60), st.booleans(), st.booleans())
def test_sequences_of_any_depth_come_back(depth, endless, implicit):
    data = struct.pack("<HH2sH", 0x10, 0x4000, b"LT", 4) + b"deep"
    if implicit:
        data = struct.pack("<HHI", 0x10, 0x4000, 4) + b"deep"
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data
        end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) if endless else b""
        length = 0xFFFFFFFF if endless else len(item)
        head = struct.pack("<HH", 0x40, 0xA730) + (b"" if implicit else b"SQ\0\0") + struct.pack("<I", length)
        data = head + item + end
    header = read_header(BytesIO(data))
    assert Encoder(implicit, "<").dataset(header.dataset) == data
    assert not header.truncated


@pytest.mark.parametrize("inner", [b"\x10\x00\x10\x00PN\x0a\x00Aino^Laine", b"\x10\x00\x10\x00\xff\x00\x00\x00Aino"])
def test_a_length_that_reaches_out_of_its_item_takes_nothing_of_what_follows(inner):
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    data = (
        struct.pack("<HH2sH4s", 8, 0x18, b"UI", 4, b"1.2\0")
        + struct.pack("<HH2sHI", 0x38, 0x9999, b"UN", 0, len(item)) + item
        + struct.pack("<HH2sH4s", 0x40, 0x1, b"AE", 4, b"NODE")
        + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 4) + b"PIXL"
    )  # fmt: skip
    header = read_header(BytesIO(data))
    assert header.dataset[0x00400001].value == b"NODE"
    assert data[header.end :].endswith(b"PIXL")
    assert not header.truncated
    assert data[pixel_data_start(data) :] == b"PIXL"
