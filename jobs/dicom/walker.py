"""Clean a DICOM dataset: every element at every depth, by the confidentiality profile where it is listed and
by its value where it is not.

What PS3.15 Table E.1-1 lists gets its action. What it does not list passes only when its value says nothing
about a person: numbers, defined terms, public codes, devices and phrases. Dates move by whole days, times are
cut to the hour, UIDs and ids become keyed HMACs; private elements pass by an allow-list; overlays, curves and
all other text go.
"""

from __future__ import annotations

from typing import Protocol

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from jobs.dicom import log, private, values
from jobs.dicom.cleaners import Cleaners, is_short_number
from jobs.dicom.codes import SCHEMES, clean_code, is_registered, public_meaning
from jobs.dicom.editor import Editor, Place, Why
from jobs.dicom.elements import (
    BINARY_SIZES,
    BULK,
    TEXT,
    Attribute,
    are_numbers,
    are_numbers_or_bytes,
    attribute,
    has_value,
    strings,
)
from jobs.dicom.icc import clean_profile
from jobs.dicom.log import LogEntry
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
_ID_CONCEPTS = {"121041": "specimen", "111705": "specimen", "111700": "container"}
"""DCM concepts whose text is an id: Specimen, Parent Specimen and Specimen Container Identifier (PS3.16)."""
_KEEP_SHORT_NUMBERS = frozenset({"OpticalPathIdentifier", "ReferencedOpticalPathIdentifier"})
_CODE_TAGS = tuple(
    Tag(keyword) for keyword in ("CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodeMeaning")
)
_CODED = {tag: dictionary_VR(tag) for tag in _CODE_TAGS}
_CONCEPT_NAME = Tag("ConceptNameCodeSequence")
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
    walker = _Walker(pseudonyms, patient_id, shift_days, site, profile or default_profile(), _sop_class(dataset))
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
        privates: dict[BaseTag, object] = {}
        coded = False
        for tag, raw in list(place.dataset.items()):
            if tag.group & 1:
                privates[tag] = raw
            elif tag in _CODED:
                coded = True
            else:
                self.element(place, tag, raw, text_id)
        if privates:
            self.privates(place, privates)
        if coded:
            self.code(place)

    def element(self, place: Place, tag: BaseTag, raw: object, text_id: str | None) -> None:
        """Decide on one element; `raw` is what was read of it."""
        known = attribute(tag)
        if tag.element == 0 or tag.group < 8:
            del place.dataset[tag]
        elif (tag.group >> 8) in (0x50, 0x60):
            self.editor.remove(place, tag, Why("PS3.15 E.1-1, basic profile: curve or overlay", "X"))
        elif known is None:
            self.editor.remove(place, tag, Why("attribute unknown to the dictionary"))
        else:
            action = self.profile.action(tag)
            if action is not None or not are_numbers(raw, known):
                self.known(place, tag, known, action, text_id)

    def known(self, place: Place, tag: BaseTag, known: Attribute, action: Action | None, text_id: str | None) -> None:
        """Decide on an element that the dictionary knows."""
        element = _read(place.dataset, tag)
        if element is None:
            self.editor.clear(place, tag, Why("value cannot be read", action.code if action else None))
        elif known.keyword in ("PatientName", "PatientID"):
            self.editor.replace(place, tag, known.vr, self.patient_key, _why(action, "pseudonym of the patient"))
        elif known.keyword in _IDS and has_value(element) and not (action and action.do is Do.KEEP):
            self.identifier(place, element, known, action)
        elif known.keyword == "TextValue" and text_id:
            key = self.pseudonyms.key_for(text_id, self.site, str(element.value).strip())
            self.editor.replace(place, tag, known.vr, key, Why(f"pseudonym of the {text_id}"))
        elif element.VR == "SQ":
            self.sequence(place, element, known, action)
        elif action is None or action.do in (Do.KEEP, Do.CLEAN):
            self.by_value(place, element, known, action)
        elif action.do is Do.UID:
            self.uids(place, element, action)
        elif action.do is Do.REMOVE:
            self.editor.remove(place, tag, _why(action))
        else:
            self.editor.clear(place, tag, _why(action), least={Do.EMPTY: 2, Do.DUMMY: 1}.get(action.do, 3))

    def sequence(self, place: Place, element: DataElement, known: Attribute, action: Action | None) -> None:
        """Remove, empty or enter a sequence."""
        kind = self.editor.type_of(place, known.keyword)
        do = action.do if action else Do.CLEAN
        tag = element.tag
        if known.vr != "SQ":
            self.editor.clear(place, tag, Why("value representation is not the attribute's"))
        elif do is Do.REMOVE or place.depth >= MAX_DEPTH or (do is Do.BY_TYPE and kind == 3):
            self.editor.remove(place, tag, _why(action, "sequence nested too deep"))
        elif do is Do.EMPTY or (do is Do.BY_TYPE and kind == 2):
            self.editor.set(place, tag, "SQ", Sequence([]))
            self.editor.log(place, tag, log.EMPTIED, _why(action))
        elif action is not None and known.keyword == "PersonIdentificationCodeSequence":
            item = _code_item("0", "99LOCAL", "Local code")
            self.editor.replace(place, tag, "SQ", Sequence([item]), _why(action))
        else:
            self.items(place, element, known.keyword)

    def items(self, place: Place, element: DataElement, keyword: str) -> None:
        """Clean the items of a sequence."""
        for index, item in enumerate(element.value):
            self.dataset(Place(item, f"{place.of(element.tag)}[{index}].", keyword, place.depth + 1))

    def privates(self, place: Place, tags: dict[BaseTag, object]) -> None:
        """Keep private elements that a public dictionary allows and whose values pass, and their creators."""
        creators = {tag: private.creator_of(place.dataset, tag) for tag in tags if not private.is_creator(tag)}
        allowed = PRIVATE in self.profile.options
        kept: dict[BaseTag, str] = {}
        for tag, creator in creators.items():
            if allowed and creator and private.may_stay(tag, creator) and self.private(place, tag, tags[tag], creator):
                kept[private.creator_tag(tag)] = creator
                self.editor.log(place, tag, log.KEPT, Why("private attribute of the public allow-list", "C"))
            else:
                del place.dataset[tag]
                path = place.of(tag) if creator else f"{place.path}private"
                self.editor.entries.append(LogEntry(path, log.REMOVED, "private attribute", "X"))
        for tag in tags:
            if tag in kept:
                self.editor.set(place, tag, "LO", kept[tag])
            elif private.is_creator(tag):
                place.dataset.pop(tag, None)
                self.editor.entries.append(LogEntry(f"{place.path}private", log.REMOVED, "private creator", "X"))

    def private(self, place: Place, tag: BaseTag, raw: object, creator: str) -> bool:
        """Clean an allowed private element; False where its value may not pass."""
        element = _read(place.dataset, tag) if getattr(raw, "VR", None) != "UN" else None
        if element is None or element.VR not in private.VRS or not has_value(element):
            return False
        if element.VR == "SQ":
            if place.depth >= MAX_DEPTH:
                return False
            self.items(place, element, "private")
        elif element.VR in BINARY_SIZES:
            known = Attribute("", str(element.VR), private.most_values(tag, creator))
            return are_numbers(raw, known) and not private.is_text(raw)
        elif element.VR == "UI":
            self.uids(place, element, None)
        else:
            cleaner = self.cleaners.of(str(element.VR))
            return all(
                cleaner(text) is not None and not private.may_be_number_of_record(text) for text in strings(element)
            )
        return True

    def by_value(self, place: Place, element: DataElement, known: Attribute, action: Action | None) -> None:
        """Let an element pass, changed where its kind asks for it, when each of its values may."""
        vr = str(element.VR)
        if not has_value(element):
            return
        if vr == "UI" and known.vr == "UI":
            self.uids(place, element, action)
        elif not known.holds(vr):
            self.editor.clear(place, element.tag, Why("value representation is not the attribute's"))
        elif known.keyword == "ICCProfile":
            self.profile_of_colour(place, element)
        elif " or " in vr or vr in BULK or vr in BINARY_SIZES:
            if not are_numbers_or_bytes(element, known):
                why = _why(action, f"{_UNLISTED}: text among bytes, or more values than allowed")
                self.editor.clear(place, element.tag, why)
        else:
            self.strings(place, element, known, action)

    def strings(self, place: Place, element: DataElement, known: Attribute, action: Action | None) -> None:
        """Let the values of a text-like element pass, changed, or none of them."""
        vr = str(element.VR)
        cleaner = self.cleaners.of(vr, known.keyword, kept=action is not None and action.do is Do.KEEP)
        before = strings(element)
        after = [cleaner(text) if text else "" for text in before]
        if vr == "CS" and 0 < after.count(None) < len(after):
            after = ["OTHER" if text is None else text for text in after]
        if None in after:
            why = _why(action, f"{_UNLISTED}: {_KINDS.get(vr, 'value')} outside of the public vocabularies")
            self.editor.clear(place, element.tag, why)
            return
        self.editor.set(place, element.tag, vr, after if len(after) > 1 else after[0])
        if after != before:
            done = log.SHIFTED if vr in ("DA", "DT") else log.GENERALISED
            self.editor.log(place, element.tag, done, _why(action, f"{_UNLISTED}: dates move, times lose minutes"))
        elif action is not None:
            self.editor.log(place, element.tag, log.KEPT, _why(action))

    def uids(self, place: Place, element: DataElement, action: Action | None) -> None:
        """Map every UID that is not a registered one, or keep it where the profile retains UIDs."""
        before = strings(element)
        keeps = UIDS in self.profile.options
        after = [
            uid if not uid or is_registered(uid) or (keeps and values.is_uid(uid)) else self.pseudonyms.uid(uid)
            for uid in before
        ]
        if after != before or element.VR != "UI":
            self.editor.set(place, element.tag, "UI", after if len(after) > 1 else "".join(after))
            self.editor.log(place, element.tag, log.REPLACED, _why(action, f"{_UNLISTED}: UID is not registered"))

    def identifier(self, place: Place, element: DataElement, known: Attribute, action: Action | None) -> None:
        """Put a keyed HMAC where an id number was."""
        value = "\\".join(strings(element)).strip()
        if known.keyword in _KEEP_SHORT_NUMBERS and is_short_number(value):
            self.editor.set(place, element.tag, known.vr, value)
            return
        kind, digits = _IDS[known.keyword]
        key = self.pseudonyms.key_for(kind, self.site, value)[:digits]
        code = action.code if action else None
        self.editor.replace(place, element.tag, known.vr, key, Why(f"pseudonym of the {kind}", code))

    def profile_of_colour(self, place: Place, element: DataElement) -> None:
        """Take the text out of an ICC profile."""
        cleaned = clean_profile(bytes(element.value))
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
        read = {tag: _text(item, tag) for tag in _CODE_TAGS if tag in item}
        scheme = read.get(_CODE_TAGS[3], "")
        tag = next((tag for tag in _CODE_TAGS[:3] if tag in read), None)
        value = read[tag] if tag and place.parent else ""
        if value:
            cleaned = clean_code(value, scheme, self.pseudonyms.key_for)
            if not cleaned.public:
                item.pop(Tag("CodingSchemeVersion"), None)
                self.editor.log(place, _CODE_TAGS[0], log.REPLACED, Why("local code"))
                tag = _CODE_TAGS[0]
            due = {tag: cleaned.value, _CODE_TAGS[3]: cleaned.scheme, _CODE_TAGS[4]: cleaned.meaning}
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
        dataset.PatientName = dataset.PatientID = self.patient_key
        dataset.PatientIdentityRemoved = "YES"
        dataset.LongitudinalTemporalInformationModified = self.profile.dates
        methods = list(self.profile.method_codes())
        if inspected:
            methods.insert(1, ("113101", "Clean Pixel Data Option"))
            dataset.BurnedInAnnotation = "NO"
        dataset.DeidentificationMethodCodeSequence = Sequence(
            [_code_item(value, "DCM", public_meaning(value, "DCM") or meaning[:64]) for value, meaning in methods]
        )
        dataset.pop(Tag("DeidentificationMethod"), None)


def _read(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """An element with its value, None where it cannot be read."""
    try:
        element = dataset[tag]
        if element.VR not in BULK and element.VR != "SQ":
            str(element.value)
    except (Exception, RecursionError):  # pydicom raises nearly anything on damaged elements
        return None
    return element


def _text(dataset: Dataset, tag: BaseTag) -> str:
    """The value of an element as text, empty where it has none or several or cannot be read."""
    element = _read(dataset, tag)
    return str(element.value or "").strip() if element is not None and element.VM == 1 else ""


def _sop_class(dataset: Dataset) -> str:
    tag = Tag("SOPClassUID")
    return _text(dataset, tag) if tag in dataset else ""


def _text_id(item: Dataset) -> str | None:
    """Say what an item of structured content identifies by its text, None where it holds no id."""
    if _CONCEPT_NAME not in item:
        return None
    try:
        concept = item[_CONCEPT_NAME].value[0]
        return _ID_CONCEPTS.get(str(concept.CodeValue)) if concept.CodingSchemeDesignator == "DCM" else None
    except Exception:  # pydicom raises nearly anything on damaged elements
        return None


def _code_item(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _why(action: Action | None, otherwise: str = "") -> Why:
    return Why(action.rule, action.code) if action else Why(otherwise)
