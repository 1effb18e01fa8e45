"""What a de-identification left and what it kept: leaks, values, errors of the object definition, links.

A file without an output counts as lost: its values are not kept, and its patient is not linked.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tempfile
import warnings
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pydicom
from leak_corpus import CATEGORIES, Planted
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from jobs.dicom.codes import is_registered, public_meaning
from jobs.dicom.profile import Do, default_profile
from jobs.dicom.values import defined_terms

PathOf = tuple[object, ...]
_TOKENS = re.compile(rb"(?i)zqx(\d{6})q|1\.999\.777\.1(\d{6})\.1|134731\.(\d{6})")
_WIDE = re.compile(rb"(?i)z\0q\0x\0((?:\d\0){6})q")
_NUMBERS = frozenset(["US", "SS", "UL", "SL", "FL", "FD", "UV", "SV", "AT", "DS", "IS"])
_BINARY = frozenset(["OB", "OW", "OF", "OD", "OL", "OV"])
_TEXT = frozenset(["LO", "SH", "ST", "LT", "UT", "UC"])
_CODES = frozenset({"CodeValue", "CodingSchemeDesignator", "CodeMeaning", "LongCodeValue", "URNCodeValue"})


def leaks(planted: dict[str, Planted], outputs: dict[str, Path]) -> dict[str, float]:
    """Per cent of the planted values of each category that stand in any output."""
    category = {token: one.category for one in planted.values() for token in one.tokens}
    found, dates = tokens_in(outputs.values()), Counter[str]()
    for name, path in outputs.items():
        data = path.read_bytes()
        dates[planted[name].category] += sum(day.encode() in data for day in planted[name].dates)
    leaked = Counter(category[token] for token in found if token in category) + dates
    total = Counter(category.values())
    for one in planted.values():
        total[one.category] += len(one.dates)
    return {name: round(100 * leaked[name] / max(total[name], 1), 2) for name in CATEGORIES}


def tokens_in(paths: Iterable[Path]) -> set[int]:
    """Numbers of the planted tokens that stand in any of the files."""
    found = set[int]()
    for path in paths:
        data = path.read_bytes()
        found.update(int(next(filter(None, groups))) for groups in _TOKENS.findall(data))
        found.update(int(digits.replace(b"\0", b"")) for digits in _WIDE.findall(data))
    return found


def kept(inputs: Path, planted: dict[str, Planted], outputs: dict[str, Path]) -> dict[str, float]:
    """Per cent of the values that carry no identifier and need not go; text, listed and not, apart."""
    due, still = Counter[str](), Counter[str]()
    for name, one in planted.items():
        before = values(inputs / name, one.places)
        after = dict(flat(read(outputs[name]))) if name in outputs else {}
        for path, (kind, element) in before.items():
            due[kind] += 1
            still[kind] += path in after and same(kind, element, after[path])
    return {kind: round(100 * still[kind] / max(due[kind], 1), 2) for kind in ("value", "listed text", "unlisted text")}


def values(path: Path, places: frozenset[PathOf]) -> dict[PathOf, tuple[str, DataElement]]:
    """The elements of a file that are counted, by path, each with its kind."""
    found: dict[PathOf, tuple[str, DataElement]] = {}
    for where, element in flat(read(path)):
        if any(where[: len(place)] == place for place in places) or element.is_empty:
            continue
        kind = _kind(where, element)
        if kind:
            found[where] = (kind, element)
    return found


def _kind(where: PathOf, element: DataElement) -> str | None:
    """How an element is counted: `value`, `listed text`, `unlisted text`, or not at all."""
    profile, tags = default_profile(), [int(part) for part in where if isinstance(part, int) and part > 0xFFFF]
    gone = {Do.REMOVE, Do.EMPTY, Do.DUMMY, Do.BY_TYPE}
    actions = [profile.action(tag) for tag in tags]
    if any(action is not None and action.do in gone for action in actions[:-1]):
        return None
    if element.tag.is_private or element.tag.element == 0 or element.tag.group >> 8 in (0x50, 0x60, 0x7F, 0xFF):
        return None
    vr, listed = str(element.VR), actions[-1] is not None
    if vr in _TEXT and element.keyword not in _CODES:
        return "listed text" if listed else "unlisted text"
    if listed or element.keyword not in pydicom.datadict.keyword_dict or element.keyword in _CODES - {"CodeValue"}:
        return None
    if vr in _NUMBERS or vr in _BINARY or vr == "UI":
        return "value"
    if vr == "CS":
        terms = element.value if element.VM > 1 else [element.value]
        return "value" if all(str(term) in defined_terms() for term in terms) else None
    return "value" if element.keyword == "CodeValue" and _is_public_code(element) else None


def _is_public_code(element: DataElement) -> bool:
    scheme = getattr(element, "scheme", "")
    return bool(scheme) and public_meaning(str(element.value), scheme) is not None


def same(kind: str, before: DataElement, after: DataElement) -> bool:
    """Whether an element still says the same; of a UID that is nobody's, whether there is one."""
    try:
        if kind == "value" and before.VR == "UI" and not is_registered(str(before.value)):
            return not after.is_empty
        if str(before.VR) in _NUMBERS and str(after.VR) in _NUMBERS and before.VM == after.VM:
            return bool(before.value == after.value)
        if isinstance(before.value, bytes):
            return before.value.rstrip(b"\0") == bytes(after.value).rstrip(b"\0")
        return str(before.value).strip() == str(after.value).strip()
    except Exception:
        return False


def read(path: Path) -> Dataset:
    """The header of a file; an empty dataset where it cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom.dcmread(path, stop_before_pixels=True, force=True)
        except Exception:
            return Dataset()


def flat(dataset: Dataset, path: PathOf = ()) -> Iterator[tuple[PathOf, DataElement]]:
    """Every element that pydicom can read, with its path, at every depth."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
            items = element.value if element.VR == "SQ" else None
        except Exception:  # pydicom cannot read the value, so nobody can keep it
            continue
        if items is None:
            if element.keyword == "CodeValue":
                element.scheme = str(dataset.get("CodingSchemeDesignator", ""))
            yield (*path, int(tag)), element
        else:
            for number, item in enumerate(items):
                yield from flat(item, (*path, int(tag), number))


def linked(inputs: Path, planted: dict[str, Planted], outputs: dict[str, Path]) -> tuple[int, int]:
    """How many patients of two files or more still are one, and only one, patient; and how many there are."""
    files: dict[str, list[str]] = defaultdict(list)
    for name in planted:
        patient = str(read(inputs / name).get("PatientID") or "")
        if patient:
            files[patient].append(name)
    groups = {patient: names for patient, names in files.items() if len(names) > 1}
    new = {
        patient: {str(read(outputs[name]).get("PatientID") or "") if name in outputs else "" for name in names}
        for patient, names in groups.items()
    }
    owners = Counter(number for numbers in new.values() for number in numbers)
    whole = [next(iter(numbers)) for numbers in new.values() if len(numbers) == 1]
    return sum(number != "" and owners[number] == 1 for number in whole), len(groups)


def iod_errors(inputs: Path, outputs: dict[str, Path]) -> int | None:
    """Errors of dciodvfy (dicom3tools) that an output has and its input had not; None where it is not
    installed."""
    if shutil.which("dciodvfy") is None:
        return None
    with ThreadPoolExecutor() as pool:
        before = pool.map(_errors, [inputs / name for name in outputs])
        after = pool.map(_errors, outputs.values())
        return sum((Counter(new) - Counter(old)).total() for old, new in zip(before, after, strict=True))


def _inflated(data: bytes) -> bytes:
    """A deflated file as dciodvfy can read it, which would take its compressed bytes for elements; else nothing."""
    (length,) = struct.unpack_from("<I", data.ljust(144), 140)
    end = 144 + length  # of the file meta group, whose length is its first element (PS3.10 section 7.1)
    if b"1.2.840.10008.1.2.1.99" not in data[:end]:
        return b""
    head = data[:end].replace(b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1\0\0\0")
    try:
        return head + zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[end:])
    except zlib.error:
        return b""


@cache
def _errors(path: Path) -> tuple[str, ...]:
    with tempfile.NamedTemporaryFile(suffix=".dcm") as plain:
        inflated = _inflated(path.read_bytes())
        plain.write(inflated)
        plain.flush()
        shown = plain.name if inflated else path
        done = subprocess.run(["dciodvfy", shown], capture_output=True, timeout=60, check=False)
    lines = (done.stderr + done.stdout).decode("latin-1").splitlines()
    return tuple(re.sub(r"<[^>]*>|=.*|UID [0-9.]+", "", line) for line in lines if line.startswith("Error"))
