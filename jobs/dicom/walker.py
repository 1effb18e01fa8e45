"""Clean a DICOM dataset: every element at every depth, by the confidentiality profile where it is listed and
by its value where it is not.

What PS3.15 Table E.1-1 lists gets its action. What it does not list passes only when its value says nothing
about a person: numbers, defined terms, public codes, devices and phrases. Dates move by whole days, times are
cut to the hour, UIDs and ids become keyed HMACs; private elements pass by an allow-list; overlays, curves and
all other text go.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from jobs.dicom import log, private, values
from jobs.dicom.cleaners import Cleaners, is_short_number
from jobs.dicom.codes import SCHEMES, clean_code, is_registered, public_meaning
from jobs.dicom.dataset import Dataset, Element
from jobs.dicom.editor import Editor, Place
from jobs.dicom.elements import (
    BINARY_SIZES,
    BULK,
    TEXT,
    Attribute,
    are_numbers,
    are_numbers_or_bytes,
    attribute,
)
from jobs.dicom.icc import clean_profile
from jobs.dicom.log import LogEntry, Why
from jobs.dicom.profile import PRIVATE, UIDS, Action, Do, Profile, default_profile

MAX_DEPTH = 40
"""Sequences nested deeper than this are removed; no information object nests even half as deep."""

_IDS = {
    "AccessionNumber": ("accession", 16),
    "ContainerIdentifier": ("container", 32),
    "DeviceSerialNumber": ("device", 32),
    "OpticalPathIdentifier": ("optical path", 16),
    "SpecimenIdentifier": ("specimen", 32),
    "StudyID": ("study", 16),
    "ReferencedOpticalPathIdentifier": ("optical path", 16),
}
"""Ids that stay linked: the kind that their HMAC is made for, and how many digits the value representation
has room for."""
_OF_PATIENT, _TEXT_VALUE = frozenset({"PatientName", "PatientID"}), "TextValue"
_NAMED = _OF_PATIENT | _IDS.keys() | {_TEXT_VALUE}
_BY_VALUE, _LEAST = (Do.KEEP, Do.CLEAN), {Do.EMPTY: 2, Do.DUMMY: 1}
_ID_CONCEPTS = {"121041": "specimen", "111705": "specimen", "111700": "container"}
"""DCM concepts whose text is an id: Specimen, Parent Specimen and Specimen Container Identifier (PS3.16)."""
_KEEP_SHORT_NUMBERS = frozenset({"OpticalPathIdentifier", "ReferencedOpticalPathIdentifier"})
_CODE_TAGS = (0x00080100, 0x00080119, 0x00080120, 0x00080102, 0x00080104)
"""Code Value, Long Code Value, URN Code Value, Coding Scheme Designator, Code Meaning."""
_CODED = dict(zip(_CODE_TAGS, ("SH", "UC", "UR", "SH", "LO"), strict=True))
_CONCEPT_NAME = 0x0040A043
_SOP_CLASS, _NAME, _PATIENT_ID = 0x00080016, 0x00100010, 0x00100020
_UNLISTED = "not in PS3.15 E.1-1"
_KINDS = {"PN": "name", "DA": "date", "DT": "date", "TM": "time", **dict.fromkeys(TEXT, "text")}


class Pseudonymiser(Protocol):
    """What the walker asks of pseudonyms."""

    def key_for(self, kind: str, *parts: str) -> str:
        """Return 32 hex digits for a thing of a kind."""

    def uid(self, uid: str) -> str:
        """Return the UID that stands for another."""


def clean(
    dataset: Dataset,
    pseudonyms: Pseudonymiser,
    *,
    patient_id: str,
    shift_days: int,
    site: str = "",
    profile: Profile | None = None,
    inspected: bool = False,
) -> list[LogEntry]:
    """Clean `dataset` in place, the elements before its pixel data.

    `patient_id` is the patient that the pseudonym hangs on; `site` parts the id numbers of one source from
    another's; `inspected` says that the pixels were looked through and hold no text. Returns what was done, one
    entry an element; what passed unlisted has none.
    """
    walker = _Walker(pseudonyms, patient_id, shift_days, site, profile or default_profile(), dataset.text(_SOP_CLASS))
    walker.dataset(Place(dataset))
    walker.state_method(dataset, inspected)
    return walker.editor.entries


class _Walker:
    def __init__(
        self,
        pseudonyms: Pseudonymiser,
        patient_id: str,
        shift_days: int,
        site: str,
        profile: Profile,
        sop_class: str,
    ) -> None:
        self.pseudonyms = pseudonyms
        self.patient_key = pseudonyms.key_for("patient", patient_id)
        self.cleaners = Cleaners(profile, shift_days)
        self.site = site
        self.profile = profile
        self.editor = Editor(sop_class, self.patient_key, pseudonyms.uid("dummy"))

    def dataset(self, place: Place) -> None:
        """Clean all elements of a dataset or sequence item."""
        text_id = _text_id(place.dataset)
        privates: list[Element] = []
        coded = False
        for tag, element in list(place.dataset.items()):
            if tag & 0x10000:
                privates.append(element)
            elif tag in _CODED:
                coded = True
            else:
                self.element(place, element, text_id)
        if privates:
            self.privates(place, privates)
        if coded:
            self.code(place)

    def element(self, place: Place, element: Element, text_id: str | None) -> None:
        """Decide on one element."""
        tag = element.tag
        known, gone = _expected(tag)
        if known is None:
            del place.dataset[tag]
            if gone is not None:
                self.editor.log(place, tag, log.REMOVED, gone)
            return
        action = self.profile.action(tag)
        if action is None and are_numbers(element, known):
            return
        keyword = known.keyword
        if keyword in _NAMED and self.named(place, element, known, action, text_id):
            return
        if element.items is not None or known.vr == "SQ":
            self.sequence(place, element, known, action)
        elif action is None or action.do in _BY_VALUE:
            self.by_value(place, element, known, action)
        elif action.do is Do.UID:
            self.uids(place, element, action)
        elif action.do is Do.REMOVE:
            self.editor.remove(place, tag, action.why)
        else:
            self.editor.clear(place, tag, action.why, least=_LEAST.get(action.do, 3))

    def named(
        self, place: Place, element: Element, known: Attribute, action: Action | None, text_id: str | None
    ) -> bool:
        """Put a pseudonym where an attribute names the patient or holds an id number; False where it does not."""
        tag = element.tag
        if known.keyword in _OF_PATIENT:
            self.editor.replace(place, tag, known.vr, self.patient_key, _why(action, "pseudonym of the patient"))
        elif known.keyword in _IDS and not element.is_empty and not (action and action.do is Do.KEEP):
            self.identifier(place, element, known, action)
        elif known.keyword == _TEXT_VALUE and text_id:
            key = self.pseudonyms.key_for(text_id, self.site, _joined(place.dataset, tag))
            self.editor.replace(place, tag, known.vr, key, Why(f"pseudonym of the {text_id}"))
        else:
            return False
        return True

    def sequence(self, place: Place, element: Element, known: Attribute, action: Action | None) -> None:
        """Remove, empty or enter a sequence."""
        kind = self.editor.type_of(place, known.keyword)
        do = action.do if action else Do.CLEAN
        tag = element.tag
        if known.vr != "SQ" or element.items is None:
            self.editor.clear(place, tag, Why("value representation is not the attribute's"))
        elif do is Do.REMOVE or place.depth >= MAX_DEPTH or (do is Do.BY_TYPE and kind == 3):
            self.editor.remove(place, tag, _why(action, "sequence nested too deep"))
        elif do is Do.EMPTY or (do is Do.BY_TYPE and kind == 2):
            self.editor.set_items(place, tag, [])
            self.editor.log(place, tag, log.EMPTIED, _why(action))
        elif action is not None and known.keyword == "PersonIdentificationCodeSequence":
            self.editor.set_items(place, tag, [_code_item("0", "99LOCAL", "Local code")])
            self.editor.log(place, tag, log.REPLACED, _why(action))
        else:
            self.items(place, element, known.keyword)

    def items(self, place: Place, element: Element, keyword: str) -> None:
        """Clean the items of a sequence."""
        for index, item in enumerate(element.items or ()):
            self.dataset(Place(item, f"{place.of(element.tag)}[{index}].", keyword, place.depth + 1))

    def privates(self, place: Place, elements: list[Element]) -> None:
        """Keep private elements that a public dictionary allows and whose values pass, and their creators."""
        allowed = PRIVATE in self.profile.options
        creators = {e.tag: private.creator_of(place.dataset, e.tag) for e in elements if not private.is_creator(e.tag)}
        kept: dict[int, str] = {}
        for element in elements:
            tag = element.tag
            if tag not in creators:
                continue
            creator = creators[tag]
            if allowed and creator and private.may_stay(tag, creator) and self.private(place, element, creator):
                kept[private.creator_tag(tag)] = creator
                self.editor.log(place, tag, log.KEPT, Why("private attribute of the public allow-list", "C"))
            else:
                del place.dataset[tag]
                path = place.of(tag) if creator else f"{place.path}private"
                self.editor.entries.append(LogEntry(path, log.REMOVED, "private attribute", "X"))
        for tag in (element.tag for element in elements):
            if tag in kept:
                self.editor.set(place, tag, "LO", kept[tag])
            elif private.is_creator(tag):
                place.dataset.pop(tag, None)
                self.editor.entries.append(LogEntry(f"{place.path}private", log.REMOVED, "private creator", "X"))

    def private(self, place: Place, element: Element, creator: str) -> bool:
        """Clean an allowed private element; False where its value may not pass."""
        vr = element.vr = element.vr or private.representation(element.tag, creator)
        if vr not in private.VRS or element.is_empty or (vr == "SQ") is not (element.items is not None):
            return False
        if vr == "SQ":
            if place.depth >= MAX_DEPTH:
                return False
            self.items(place, element, "private")
        elif vr in BINARY_SIZES:
            known = Attribute("", vr, private.most_values(element.tag, creator))
            return are_numbers(element, known) and not private.is_text(element.value)
        elif vr == "UI":
            self.uids(place, element, None)
        else:
            cleaner = self.cleaners.of(vr)
            texts = place.dataset.readable(element.tag)
            return texts is not None and all(
                cleaner(text) is not None and not private.may_be_number_of_record(text) for text in texts
            )
        return True

    def by_value(self, place: Place, element: Element, known: Attribute, action: Action | None) -> None:
        """Let an element pass, changed where its kind asks for it, when each of its values may."""
        vr = element.vr
        if element.is_empty and not (element.value and vr in (*BULK, *BINARY_SIZES)):
            return
        if vr == "UI" and known.vr == "UI":
            self.uids(place, element, action)
        elif not known.holds(vr):
            self.editor.clear(place, element.tag, Why("value representation is not the attribute's"))
        elif known.keyword == "ICCProfile":
            self.profile_of_colour(place, element)
        elif " or " in vr or vr in BULK or vr in BINARY_SIZES:
            self.numbers(place, element, known, action)
        else:
            self.strings(place, element, known, action)

    def numbers(self, place: Place, element: Element, known: Attribute, action: Action | None) -> None:
        """Let numbers and bytes pass that spell no text; of more numbers than are allowed those at the end go.

        More zeros than are allowed, as where a long number stands for a short one, say nothing.
        """
        why = _why(action, f"{_UNLISTED}: text among bytes, or more values than allowed")
        if not are_numbers_or_bytes(element, known, place.dataset.order):
            self.editor.clear(place, element.tag, why)
            return
        longest = BINARY_SIZES.get(element.vr, 0) * (known.most or 0)
        if longest and element.value[longest:].strip(b"\0"):
            self.editor.set(place, element.tag, element.vr, element.value[:longest])
            self.editor.log(place, element.tag, log.GENERALISED, why)

    def strings(self, place: Place, element: Element, known: Attribute, action: Action | None) -> None:
        """Let the values of a text-like element pass, changed, or none of them."""
        vr = element.vr
        cleaner = self.cleaners.of(vr, known.keyword, kept=action is not None and action.do is Do.KEEP)
        before = place.dataset.readable(element.tag)
        if before is None:
            self.editor.clear(place, element.tag, Why("value cannot be read", action.why.code if action else None))
            return
        after = [cleaner(text) if text else "" for text in before]
        if vr == "CS" and 0 < after.count(None) < len(after):
            after = ["OTHER" if text is None else text for text in after]
        if None in after:
            why = _why(action, f"{_UNLISTED}: {_KINDS.get(vr, 'value')} outside of the public vocabularies")
            self.editor.clear(place, element.tag, why)
            return
        if after != before:
            self.editor.set(place, element.tag, vr, [text or "" for text in after])
            done = log.SHIFTED if vr in ("DA", "DT") else log.GENERALISED
            self.editor.log(place, element.tag, done, _why(action, f"{_UNLISTED}: dates move, times lose minutes"))
        elif action is not None:
            self.editor.log(place, element.tag, log.KEPT, _why(action))

    def uids(self, place: Place, element: Element, action: Action | None) -> None:
        """Map every UID that is not a registered one, or keep it where the profile retains UIDs."""
        before = element.value.decode("latin-1").strip("\0 ").split("\\")
        keeps = UIDS in self.profile.options
        after = [
            uid if not uid or is_registered(uid) or (keeps and values.is_uid(uid)) else self.pseudonyms.uid(uid)
            for uid in (one.strip("\0 ") for one in before)
        ]
        if after != before or element.vr != "UI":
            self.editor.set(place, element.tag, "UI", after)
            self.editor.log(place, element.tag, log.REPLACED, _why(action, f"{_UNLISTED}: UID is not registered"))

    def identifier(self, place: Place, element: Element, known: Attribute, action: Action | None) -> None:
        """Put a keyed HMAC where an id number was."""
        value = _joined(place.dataset, element.tag)
        if known.keyword in _KEEP_SHORT_NUMBERS and is_short_number(value):
            self.editor.set(place, element.tag, known.vr, value)
            return
        kind, digits = _IDS[known.keyword]
        key = self.pseudonyms.key_for(kind, self.site, value)[:digits]
        code = action.why.code if action else None
        self.editor.replace(place, element.tag, known.vr, key, Why(f"pseudonym of the {kind}", code))

    def profile_of_colour(self, place: Place, element: Element) -> None:
        """Take the text out of an ICC profile."""
        cleaned = clean_profile(element.value)
        if cleaned is None:
            self.editor.remove(place, element.tag, Why("ICC profile cannot be read"))
            return
        self.editor.set(place, element.tag, "OB", cleaned + bytes(len(cleaned) % 2))
        why = Why("text, date and device taken out of the ICC profile")
        self.editor.log(place, element.tag, log.GENERALISED, why)

    def code(self, place: Place) -> None:
        """Give a code item its public meaning, or a stand-in where no dictionary knows it.

        Where there is no code, or outside of any sequence, only a public coding scheme may be named.
        """
        item = place.dataset
        read = {tag: item.text(tag) for tag in _CODE_TAGS if tag in item}
        scheme = read.get(_CODE_TAGS[3], "")
        stated = [tag for tag in _CODE_TAGS[:3] if tag in read]
        value = read[stated[0]] if stated and place.parent else ""
        if value:
            cleaned = clean_code(value, scheme, self.pseudonyms.key_for)
            if not cleaned.public:
                self.editor.log(place, _CODE_TAGS[0], log.REPLACED, Why("local code"))
                stated = [_CODE_TAGS[0]]
            due = {stated[0]: cleaned.value, _CODE_TAGS[3]: cleaned.scheme, _CODE_TAGS[4]: cleaned.meaning}
        elif scheme in SCHEMES or place.parent == "CodingSchemeIdentificationSequence":
            due = {_CODE_TAGS[3]: scheme if scheme in SCHEMES else "99LOCAL"}
        else:
            due = {}
        for tag in read:
            del item[tag]
        for tag, text in due.items():
            self.editor.set(place, tag, _CODED[tag], text)

    def state_method(self, dataset: Dataset, inspected: bool) -> None:
        """Write who the object is about and how it was cleaned (PS3.15 section E.1.1, steps 6 and 7)."""
        place = Place(dataset)
        self.editor.set(place, _NAME, "PN", self.patient_key)
        self.editor.set(place, _PATIENT_ID, "LO", self.patient_key)
        self.editor.set(place, 0x00120062, "CS", "YES")
        self.editor.set(place, 0x00280303, "CS", self.profile.dates)
        methods = list(self.profile.method_codes())
        if inspected:
            methods.insert(1, ("113101", "Clean Pixel Data Option"))
            self.editor.set(place, 0x00280301, "CS", "NO")
        items = [_code_item(value, "DCM", public_meaning(value, "DCM") or meaning[:64]) for value, meaning in methods]
        self.editor.set_items(place, 0x00120064, items)
        dataset.pop(0x00120063, None)


@lru_cache(maxsize=1 << 13)
def _expected(tag: int) -> tuple[Attribute | None, Why | None]:
    """The attribute that profile and value decide on, or none where it goes in any case, and what is logged of that."""
    if tag & 0xFFFF == 0 or tag >> 16 < 8:
        return None, None
    if (tag >> 24) in (0x50, 0x60):
        return None, Why("PS3.15 E.1-1, basic profile: curve or overlay", "X")
    known = attribute(tag)
    return known, None if known else Why("attribute unknown to the dictionary")


def _joined(dataset: Dataset, tag: int) -> str:
    """All of an id, also where a backslash or another character set parts it."""
    read = dataset.readable(tag)
    return "\\".join(read) if read is not None else dataset[tag].value.decode("latin-1").strip("\0 ")


def _text_id(item: Dataset) -> str | None:
    """Say what an item of structured content identifies by its text, None where it holds no id."""
    concept = item.get(_CONCEPT_NAME)
    if concept is None or not concept.items:
        return None
    value, scheme = (concept.items[0].text(tag) for tag in (_CODE_TAGS[0], _CODE_TAGS[3]))
    return _ID_CONCEPTS.get(value) if scheme == "DCM" else None


def _code_item(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    for tag, text in zip((_CODE_TAGS[0], *_CODE_TAGS[3:]), (value, scheme, meaning), strict=True):
        item[tag] = Element(tag, _CODED[tag], text.encode("ascii", "replace"))
    return item


def _why(action: Action | None, otherwise: str = "") -> Why:
    return action.why if action is not None else Why(otherwise)
