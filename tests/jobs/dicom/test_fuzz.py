"""Files that break the rules of PS3.5 one by one: each comes out clean or is refused, and nothing leaks.

HEMALAKE_FUZZ says how many files; 10,000 take some minutes.
"""

from __future__ import annotations

import os
import random
import struct
import zlib
from io import BytesIO

import pytest
from pydicom._dicom_dict import DicomDictionary

from jobs.deidentify.images import deidentify_dicom
from jobs.errors import BadInput
from jobs.pseudonyms import Pseudonyms

FILES = int(os.environ.get("HEMALAKE_FUZZ", "400"))
TOKEN = "Zyxwvut"
PSEUDONYMS = Pseudonyms(bytes(range(32)))
LONG = {"OB", "OW", "OF", "OD", "OL", "OV", "SQ", "UC", "UN", "UR", "UT", "SV", "UV"}
VRS = sorted(LONG | {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS",
                     "ST", "TM", "UI", "UL", "US", "??", "\0\0"})  # fmt: skip
SYNTAXES = {
    "1.2.840.10008.1.2": (True, "<"),
    "1.2.840.10008.1.2.1": (False, "<"),
    "1.2.840.10008.1.2.2": (False, ">"),
    "1.2.840.10008.1.2.1.99": (False, "<"),
    "1.2.840.10008.1.2.4.50": (False, "<"),
    "1.2.840.10008.1.2.5": (False, "<"),
}
CHARSETS = [b"ISO_IR 100", b"ISO_IR 192", b"ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"GB18030", b"LATIN-ONE", b"\xff"]
TAGS = [tag for tag in DicomDictionary if 8 <= tag >> 16 < 0x7FE0]
UNDEFINED = 0xFFFFFFFF


class Fuzzer:
    """Writes one file from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.syntax = self.random.choice(list(SYNTAXES))
        self.implicit, self.order = SYNTAXES[self.syntax]
        self.faults = 0

    def fault(self, chance: float) -> bool:
        """Whether to break a rule here; at most three times a file."""
        broken = self.faults < 3 and self.random.random() < chance
        self.faults += broken
        return broken

    def head(self, tag: int, vr: str, length: int) -> bytes:
        number = struct.pack(self.order + "HH", tag >> 16, tag & 0xFFFF)
        if self.implicit:
            return number + struct.pack(self.order + "I", length & UNDEFINED)
        code = vr.encode("latin-1")
        if vr in LONG:
            return number + code + b"\0\0" + struct.pack(self.order + "I", length & UNDEFINED)
        return number + code + struct.pack(self.order + "H", length & 0xFFFF)

    def value(self, vr: str) -> bytes:
        text = f"{TOKEN}{self.random.randrange(10**6):06d}"
        kinds = [
            text.encode(),
            f"{text}^{text}".encode(),
            "\\".join([text] * self.random.randrange(1, 20)).encode(),
            text.encode() + self.random.randbytes(6),
            b"\x1b$B" + text.encode(),
        ]
        data = self.random.choice(kinds[:1] if vr == "AE" else kinds)
        return data + b" " * (len(data) % 2)

    def element(self, tag: int, vr: str, depth: int) -> bytes:
        if self.fault(0.01):
            vr = self.random.choice(VRS)
        if vr == "SQ" and depth < 6:
            return self.sequence(tag, depth)
        value = self.value(vr)
        length = len(value)
        if self.fault(0.003):
            length = self.random.choice([0, 1, length + 1, length - 2, 0xFFFE, 0xFFFFFFFE, UNDEFINED])
        return self.head(tag, vr, length) + value

    def sequence(self, tag: int, depth: int) -> bytes:
        items = b""
        for _ in range(self.random.randrange(3)):
            item = self.dataset(depth + 1, self.random.randrange(6))
            undefined = self.random.random() < 0.5
            items += struct.pack(self.order + "HHI", 0xFFFE, 0xE000, UNDEFINED if undefined else len(item)) + item
            if undefined and not self.fault(0.02):
                items += struct.pack(self.order + "HHI", 0xFFFE, 0xE00D, 0)
        vr = "UN" if self.fault(0.05) else "SQ"
        if self.random.random() < 0.5:
            return self.head(tag, vr, len(items)) + items
        end = struct.pack(self.order + "HHI", 0xFFFE, 0xE0DD, 0)
        return self.head(tag, vr, UNDEFINED) + items + (b"" if self.fault(0.02) else end)

    def dataset(self, depth: int, count: int) -> bytes:
        tags = self.random.sample(TAGS, count)
        if self.random.random() < 0.3:
            tags += [0x00090010, 0x00091001, 0x00091002, 0x60003000, 0x50000020]
        if not self.fault(0.05):
            tags.sort()
        return b"".join(self.element(tag, DicomDictionary.get(tag, ("LO",))[0].split(" or ")[0], depth) for tag in tags)

    def deep(self) -> bytes:
        """A sequence nested 200 deep."""
        data = self.head(0x00104000, "LT", 14) + f"{TOKEN}1234567".encode()
        for _ in range(200):
            item = struct.pack(self.order + "HHI", 0xFFFE, 0xE000, len(data)) + data
            data = self.head(0x0040A730, "SQ", len(item)) + item
        return data

    def file(self) -> bytes:
        charset = self.random.choice(CHARSETS)
        body = self.head(0x00080005, "CS", len(charset) + len(charset) % 2) + charset + b" " * (len(charset) % 2)
        body += self.head(0x00080016, "UI", 26) + b"1.2.840.10008.5.1.4.1.1.7\0"
        body += self.deep() if self.random.random() < 0.02 else self.dataset(0, self.random.randrange(5, 60))
        if self.fault(0.02):
            body = body[: self.random.randrange(len(body))]
        told = self.random.choice(list(SYNTAXES)) if self.fault(0.02) else self.syntax
        if self.syntax.endswith(".99"):
            deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            body = deflater.compress(body) + deflater.flush()
        uid = told.encode() + b"\0" * (len(told) % 2)
        meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(uid)) + uid
        return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta + body


def outcome(data: bytes) -> bytes | None:
    """The cleaned file, None when it was refused; anything else is raised."""
    target = BytesIO()
    try:
        deidentify_dicom(BytesIO(data), target, PSEUDONYMS, "p", -40)
    except BadInput:
        return None
    return target.getvalue()


def test_broken_files_are_cleaned_or_refused_and_never_leak():
    refused = 0
    for seed in range(FILES):
        output = outcome(Fuzzer(seed).file())
        if output is None:
            refused += 1
        else:
            assert TOKEN.lower().encode() not in output.lower(), seed
            assert TOKEN.encode("utf-16-le") not in output, seed
    assert refused < FILES / 2


@pytest.mark.parametrize("syntax", list(SYNTAXES)[:3])
def test_sequences_nested_200_deep_are_cut(syntax):
    fuzzer = Fuzzer(0)
    fuzzer.syntax, (fuzzer.implicit, fuzzer.order) = syntax, SYNTAXES[syntax]
    fuzzer.random.random = lambda: 0.01
    output = outcome(fuzzer.file())
    assert output is None or TOKEN.encode() not in output
