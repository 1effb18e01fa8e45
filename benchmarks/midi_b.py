"""How many actions a tool got right, by the action types of MIDI-B (NCI's de-identification benchmark of 2024).

A file without an output has none of its actions right, but for `pixels hidden`: of the pictures that text is burned
into, those are right that have no output, or one in which the text is painted over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import NamedTuple

import deid_score
import numpy as np
import pydicom
from leak_corpus import Planted
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from jobs.dicom.codes import is_registered
from jobs.dicom.profile import Do, default_profile

TYPES = (
    "text removed", "text retained", "tag retained", "date shifted", "uid changed", "uid consistent",
    "patient id consistent", "pixels retained",
)  # fmt: skip
_SIZES, _GROUNDS = (10, 14, 20, 28), (20, 90, 160, 230)
"""Letters that are burned in, in px, and the grey level beneath them; half of each are turned by 90 degrees."""
_SIDE = 320
Score = dict[str, tuple[int, int]]
"""Action type to how many are right, and how many there are."""


class File(NamedTuple):
    """One file before and after, by the paths of its elements."""

    name: str
    patient: str
    before: dict[deid_score.PathOf, DataElement]
    after: dict[deid_score.PathOf, DataElement]


def actions(inputs: Path, planted: dict[str, Planted], outputs: dict[str, Path]) -> Score:
    """Right actions and all actions of each type."""
    files = [_file(inputs / name, outputs.get(name)) for name in planted]
    right, due = Counter[str](), Counter[str]()

    def count(kind: str, results: Iterator[bool]) -> None:
        for result in results:
            due[kind] += 1
            right[kind] += result

    count("text removed", _removed(planted, outputs))
    for kind, result in _retained(inputs, planted, outputs):
        count(kind, iter([result]))
    count("date shifted", _shifted(files))
    for kind, result in _uids(files):
        count(kind, iter([result]))
    count("patient id consistent", _patients(files))
    compared = (_same_pixels(inputs / name, outputs.get(name)) for name in planted)
    count("pixels retained", (same for same in compared if same is not None))
    return {kind: (right[kind], due[kind]) for kind in TYPES}


def burn(folder: Path) -> dict[str, tuple[slice, slice]]:
    """Write pictures with a name and a number burned in; rows and columns of the writing by file name."""
    places = {}
    for number, (size, ground, turned) in enumerate(product(_SIZES, _GROUNDS, (False, True))):
        noise = np.random.default_rng(number).normal(ground, 6, (_SIDE, _SIDE)).clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(noise)
        ImageDraw.Draw(picture).text(
            (20, 40),
            f"Zanqui Jormund {471100 + number}",
            fill=255 if ground < 128 else 0,
            font=ImageFont.load_default(size),
        )
        changed = np.argwhere(np.asarray(picture) != noise)
        (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0) + 1
        place = slice(int(top), int(bottom)), slice(int(left), int(right))
        if turned:
            picture = picture.transpose(Image.Transpose.TRANSPOSE)
            place = place[1], place[0]
        name = f"burned_{number:02d}.dcm"
        _capture(picture, number).save_as(folder / name, enforce_file_format=True)
        places[name] = place
    return places


def _capture(picture: Image.Image, number: int) -> Dataset:
    """A secondary capture of a grey picture (PS3.3 section A.8.1)."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, f"1.999.888.{number + 1}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.999.888.100", "1.999.888.101"
    dataset.PatientID, dataset.PatientName, dataset.Modality = f"B{number:07d}", "Laine^Aino", "OT"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = picture.height, picture.width, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PhotometricInterpretation, dataset.PixelData = "MONOCHROME2", picture.tobytes()
    return dataset


def hidden(inputs: Path, places: dict[str, tuple[slice, slice]], outputs: dict[str, Path]) -> tuple[int, int]:
    """Burned-in texts of which no output shows what stood there, and all of them."""
    shown_still = sum(name in outputs and _is_same(inputs / name, outputs[name], at) for name, at in places.items())
    return len(places) - shown_still, len(places)


def _is_same(before: Path, after: Path, place: tuple[slice, slice]) -> bool:
    one, other = (pydicom.dcmread(path).pixel_array[place] for path in (before, after))
    return bool((one == other).mean() > 0.5)


def shown(score: Score) -> str:
    """The score in one line."""
    return ", ".join(f"{kind} {right}/{due}" for kind, (right, due) in score.items())


def _file(path: Path, output: Path | None) -> File:
    header = deid_score.read(path)
    after = dict(deid_score.flat(deid_score.read(output))) if output else {}
    return File(path.name, str(header.get("PatientID") or ""), dict(deid_score.flat(header)), after)


def _removed(planted: dict[str, Planted], outputs: dict[str, Path]) -> Iterator[bool]:
    """Each planted token, right where no output holds it and the file has one."""
    found = deid_score.tokens_in(outputs.values())
    for name, one in planted.items():
        yield from (name in outputs and token not in found for token in one.tokens)


def _retained(inputs: Path, planted: dict[str, Planted], outputs: dict[str, Path]) -> Iterator[tuple[str, bool]]:
    """Values that carry no identifier: whether the attribute is there, and whether its text or number is the same."""
    for name, one in planted.items():
        after = dict(deid_score.flat(deid_score.read(outputs[name]))) if name in outputs else {}
        for path, (kind, element) in deid_score.values(inputs / name, one.places).items():
            if kind == "value" and element.VR != "UI":
                yield "tag retained", path in after
                yield "text retained", path in after and deid_score.same(kind, element, after[path])


def _shifted(files: list[File]) -> Iterator[bool]:
    """Dates that the table lists: right where all of a patient moved by the same days, and not by none."""
    moved: dict[str, list[timedelta | None]] = defaultdict(list)
    for file in files:
        for path, element in file.before.items():
            if element.VR in ("DA", "DT") and _asks(path, Do.CLEAN) and (day := _day(element)):
                new = _day(file.after[path]) if path in file.after else None
                moved[file.patient or file.name].append(new - day if new else None)
    for shifts in moved.values():
        common = Counter(shift for shift in shifts if shift).most_common(1)
        yield from (bool(common) and shift == common[0][0] for shift in shifts)


def _day(element: DataElement) -> date | None:
    try:
        return date.fromisoformat(str(element.value)[:8])
    except ValueError:
        return None


def _asks(path: deid_score.PathOf, do: Do) -> bool:
    """Whether the profile of a release asks for an action at a path, and removes none of the sequences around it."""
    actions = [default_profile().action(part) for part in path if isinstance(part, int) and part > 0xFFFF]
    last, around = actions[-1], actions[:-1]
    return last is not None and last.do is do and not any(a and a.do not in (Do.KEEP, Do.CLEAN) for a in around)


def _uids(files: list[File]) -> Iterator[tuple[str, bool]]:
    """UIDs that the table lists: changed to another valid one; and everywhere to the same, which no other becomes."""
    became: dict[str, set[str]] = defaultdict(set)
    places = list[tuple[str, str]]()
    for file in files:
        for path, element in file.before.items():
            if element.VR == "UI" and element.VM == 1 and _asks(path, Do.UID):
                old, new = str(element.value), str(file.after[path].value or "") if path in file.after else ""
                if old and not is_registered(old):
                    became[old].add(new)
                    places.append((old, new))
    owners = Counter(new for news in became.values() for new in news)
    for old, new in places:
        yield "uid changed", pydicom.uid.UID(new).is_valid and new != old
        yield "uid consistent", new != "" and len(became[old]) == 1 and owners[new] == 1


def _patients(files: list[File]) -> Iterator[bool]:
    """Files of a patient that all got one number, which no other patient got."""
    became: dict[str, set[str]] = defaultdict(set)
    for file in files:
        became[file.patient].add(_patient(file))
    owners = Counter(number for patient, numbers in became.items() if patient for number in numbers)
    for file in files:
        if file.patient:
            yield _patient(file) != "" and len(became[file.patient]) == 1 and owners[_patient(file)] == 1


def _patient(file: File) -> str:
    element = file.after.get((0x00100020,))
    return str(element.value or "") if element is not None else ""


def _same_pixels(before: Path, after: Path | None) -> bool | None:
    """Whether the pixel data, stored or decoded, are the same; files without any count as the same.

    None where pydicom cannot decode the input, and what is stored differs: a comment in its stream may be gone.
    """
    if after is None:
        return False
    one, decoded = pydicom.dcmread(before, force=True), None
    with suppress(Exception):
        decoded = one.pixel_array
    try:
        other = pydicom.dcmread(after, force=True)
        if one.get("PixelData") == other.get("PixelData"):
            return True
        return None if decoded is None else bool((decoded == other.pixel_array).all())
    except Exception:
        return False
