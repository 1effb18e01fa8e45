"""Clean a DICOM dataset: every element at every depth, by the confidentiality profile where it is listed and
by its value where it is not.

What PS3.15 Table E.1-1 lists gets its action. What it does not list passes only when its value says nothing
about a person: numbers, defined terms, public codes and devices. Dates move by whole days, times are cut to
the hour, UIDs and ids become keyed HMACs, private elements, overlays, curves and all other text go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from pydicom.datadict import (
    dictionary_has_tag,
    dictionary_VM,
    dictionary_VR,
    keyword_for_tag,
    repeater_has_tag,
)
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from jobs.dicom import log, values
from jobs.dicom.codes import SCHEMES, clean_code, is_registered, public_meaning
from jobs.dicom.icc import clean_profile
from jobs.dicom.log import LogEntry
from jobs.dicom.profile import Action, Do, Profile, default_profile
from jobs.dicom.types import attribute_type

MAX_DEPTH = 40
"""Sequences nested deeper than this are removed; no information object nests even half as deep."""

_BINARY_SIZES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8, "AT": 4}
_BULK = frozenset({"OB", "OW", "OF", "OD", "OL", "OV"})
_TEXT = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "CS", "AE", "UR"})
_DUMMY = {
    "PN": "REMOVED", "LO": "REMOVED", "SH": "REMOVED", "ST": "REMOVED", "LT": "REMOVED", "UT": "REMOVED",
    "UC": "REMOVED", "AE": "REMOVED", "CS": "UNKNOWN", "DA": "19000101", "DT": "19000101", "TM": "000000",
    "AS": "000Y", "DS": "0", "IS": "0", "OB": b"\0\0", "OW": b"\0\0", "OF": bytes(4), "OD": bytes(8),
    "OL": bytes(4), "OV": bytes(8), "UN": b"", "UR": "removed:",
}  # fmt: skip
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
_NUMBER = rb" *[+-]?\d{1,12}(?:\.\d{0,14})?(?:[eE][+-]?\d{1,3})? *"
_NUMBERS = re.compile(_NUMBER + rb"(?:\\" + _NUMBER + rb")*\0?")
"""Values of DS and IS as nearly all files write them; what differs is looked at one by one."""
_KEEP_SHORT_NUMBERS = frozenset({"OpticalPathIdentifier", "ReferencedOpticalPathIdentifier", "ContextIdentifier"})
_CODE_TAGS = tuple(
    Tag(keyword) for keyword in ("CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodeMeaning")
)
_CONCEPT_NAME = Tag("ConceptNameCodeSequence")
_SPECIMEN_CONCEPT = ("121041", "DCM")
_UNLISTED = "not in PS3.15 E.1-1"


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
) -> list[LogEntry]:
    """Clean `dataset` in place, the elements before its pixel data.

    `patient_id` is the patient that the pseudonym hangs on; `site` parts the id numbers of one source from
    another's. Returns what was done, one entry an element; what passed unlisted has none.
    """
    walker = _Walker(pseudonyms, patient_id, shift_days, site, profile or default_profile())
    walker.dataset(dataset, "", "", 0)
    walker.state_method(dataset)
    return walker.entries


class _Walker:
    def __init__(
        self, pseudonyms: Pseudonymiser, patient_id: str, shift_days: int, site: str, profile: Profile
    ) -> None:
        self.pseudonyms = pseudonyms
        self.patient_key = pseudonyms.key_for("patient", patient_id)
        self.shift_days = shift_days
        self.site = site
        self.profile = profile
        self.entries: list[LogEntry] = []

    def dataset(self, dataset: Dataset, path: str, parent: str, depth: int) -> None:
        """Clean all elements of a dataset or sequence item; `path` ends in a dot unless empty."""
        specimen_text = _names_specimen(dataset)
        for tag in list(dataset.keys()):
            self.element(dataset, tag, path, parent, depth, specimen_text)
        if any(tag in dataset for tag in _CODE_TAGS):
            self.code(dataset, path, parent)

    def element(self, dataset: Dataset, tag: BaseTag, path: str, parent: str, depth: int, specimen_text: bool) -> None:
        """Decide on one element."""
        here = f"{path}({tag.group:04x},{tag.element:04x})"
        if tag.is_private:
            self.remove(dataset, tag, f"{path}private", "private attribute", "X")
        elif tag.element == 0 or tag.group < 8:
            del dataset[tag]
        elif (tag.group >> 8) in (0x50, 0x60):
            self.remove(dataset, tag, here, "PS3.15 E.1-1, basic profile: curve or overlay", "X")
        elif not (dictionary_has_tag(tag) or repeater_has_tag(tag)):
            self.remove(dataset, tag, here, "attribute unknown to the dictionary", None)
        elif tag not in _CODE_TAGS and not self.passes_raw(dataset, tag):
            self.known(dataset, tag, here, parent, depth, specimen_text)

    def passes_raw(self, dataset: Dataset, tag: BaseTag) -> bool:
        """Whether an unlisted element holds as many numbers as it may; then it stays as it was read."""
        try:
            raw = dataset.get_item(tag)
        except Exception:
            return False
        if (
            not isinstance(raw, RawDataElement)
            or raw.VR is None
            or self.profile.action(tag) is not None
            or raw.value is None
        ):
            return False
        vr = raw.VR
        if vr in ("DS", "IS") and dictionary_VR(tag) == vr:
            return _NUMBERS.fullmatch(raw.value) is not None
        size = _BINARY_SIZES.get(vr)
        return (
            size is not None
            and vr in dictionary_VR(tag).split(" or ")
            and len(raw.value) % size == 0
            and _count_fits(tag, len(raw.value) // size)
        )

    def known(self, dataset: Dataset, tag: BaseTag, here: str, parent: str, depth: int, specimen_text: bool) -> None:
        """Decide on an element that the dictionary knows."""
        keyword = keyword_for_tag(tag)
        action = self.profile.action(tag)
        try:
            element = dataset[tag]
            vr = str(element.VR)
            value = element.value
            if vr not in ("SQ", *_BULK):
                str(value)
        except (Exception, RecursionError):
            self.clear(dataset, tag, here, parent, "value cannot be read", action.code if action else None)
            return
        if keyword in ("PatientName", "PatientID"):
            self.replace(dataset, tag, here, self.patient_key, "pseudonym of the patient", action)
        elif keyword in _IDS and _has_value(element):
            self.identifier(dataset, element, here, keyword, action)
        elif keyword == "TextValue" and specimen_text:
            key = self.pseudonyms.key_for("specimen", self.site, str(value).strip())
            self.replace(dataset, tag, here, key, "pseudonym of the specimen", action)
        elif vr == "SQ":
            self.sequence(dataset, element, here, parent, depth, action)
        elif action is not None:
            self.listed(dataset, element, here, parent, action)
        else:
            self.by_value(dataset, element, here, parent, None)

    def sequence(
        self,
        dataset: Dataset,
        element: DataElement,
        here: str,
        parent: str,
        depth: int,
        action: Action | None,
    ) -> None:
        """Remove, empty or enter a sequence."""
        kind = attribute_type(element.keyword, parent)
        do = action.do if action else Do.CLEAN
        if do is Do.REMOVE or depth >= MAX_DEPTH or (do is Do.BY_TYPE and kind == 3):
            self.remove(dataset, element.tag, here, *_named(action, "sequence nested too deep"))
        elif do is Do.EMPTY or (do is Do.BY_TYPE and kind == 2):
            self.set(dataset, element.tag, "SQ", Sequence([]))
            self.entries.append(LogEntry(here, log.EMPTIED, *_named(action, "")))
        elif action is not None and element.keyword == "PersonIdentificationCodeSequence":
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "0", "99LOCAL", "Local code"
            self.replace(dataset, element.tag, here, Sequence([item]), "identity of a person", action)
        else:
            for index, item in enumerate(element.value):
                self.dataset(item, f"{here}[{index}].", element.keyword, depth + 1)

    def listed(self, dataset: Dataset, element: DataElement, here: str, parent: str, action: Action) -> None:
        """Apply the action that the profile gives."""
        tag = element.tag
        if action.do in (Do.KEEP, Do.CLEAN):
            self.by_value(dataset, element, here, parent, action)
        elif action.do is Do.UID:
            self.uids(dataset, element, here, action)
        elif action.do is Do.REMOVE:
            self.remove(dataset, tag, here, action.rule, action.code)
        else:
            self.clear(dataset, tag, here, parent, action.rule, action.code, least=_least(action))

    def by_value(self, dataset: Dataset, element: DataElement, here: str, parent: str, action: Action | None) -> None:
        """Let an element pass, changed where its kind asks for it, when each of its values may."""
        vr = str(element.VR)
        if not _has_value(element):
            return
        if vr == "UI":
            self.uids(dataset, element, here, action)
            return
        if not _fits_dictionary(element):
            self.clear(dataset, element.tag, here, parent, "value representation is not the attribute's", None)
        elif element.keyword == "ICCProfile":
            self.profile_of_colour(dataset, element, here)
        elif " or " in vr or vr in _BULK or vr in _BINARY_SIZES:
            if not _is_binary(element):
                rule, code = _named(action, f"{_UNLISTED}: text among bytes, or more values than allowed")
                self.clear(dataset, element.tag, here, parent, rule, code)
        else:
            self.strings(dataset, element, here, parent, action)

    def strings(self, dataset: Dataset, element: DataElement, here: str, parent: str, action: Action | None) -> None:
        """Let the values of a text-like element pass, changed, or none of them."""
        vr = str(element.VR)
        cleaner = self.cleaner(vr, element.keyword)
        before = _strings(element)
        after = [cleaner(text) if text else "" for text in before]
        if vr == "CS" and 0 < after.count(None) < len(after):
            after = ["OTHER" if text is None else text for text in after]
        if None in after:
            rule, code = _named(action, f"{_UNLISTED}: {_KINDS.get(vr, 'value')} outside of the public vocabularies")
            self.clear(dataset, element.tag, here, parent, rule, code)
            return
        self.set(dataset, element.tag, vr, after if len(after) > 1 else after[0])
        if after != before:
            done = log.SHIFTED if vr in ("DA", "DT") else log.GENERALISED
            self.entries.append(LogEntry(here, done, *_named(action, f"{_UNLISTED}: dates move, times lose minutes")))
        elif action is not None:
            self.entries.append(LogEntry(here, log.KEPT, action.rule, action.code))

    def cleaner(self, vr: str, keyword: str) -> Callable[[str], str | None]:
        """Return what maps one value to its clean form, None when it may not pass."""
        if vr == "DA":
            return lambda text: values.shift_date(text, self.shift_days)
        if vr == "DT":
            return lambda text: values.shift_datetime(text, self.shift_days)
        if vr == "TM":
            return values.cut_time
        if vr == "AS":
            return values.group_age
        passes = _PASSES.get(keyword) or _PASSES_BY_VR.get(vr, _never)
        return lambda text: text if passes(text) else None

    def uids(self, dataset: Dataset, element: DataElement, here: str, action: Action | None) -> None:
        """Map every UID that is not a registered one."""
        before = _strings(element)
        after = [uid if uid == "" or is_registered(uid) else self.pseudonyms.uid(uid) for uid in before]
        if after != before or str(element.VR) != "UI":
            self.set(dataset, element.tag, "UI", after if len(after) > 1 else "".join(after))
            self.entries.append(LogEntry(here, log.REPLACED, *_named(action, f"{_UNLISTED}: UID is not registered")))

    def identifier(
        self, dataset: Dataset, element: DataElement, here: str, keyword: str, action: Action | None
    ) -> None:
        """Put a keyed HMAC where an id number was."""
        value = "\\".join(_strings(element)).strip()
        if keyword in _KEEP_SHORT_NUMBERS and _is_short_number(value):
            self.set(dataset, element.tag, dictionary_VR(element.tag), value)
            return
        kind, digits = _IDS[keyword]
        key = self.pseudonyms.key_for(kind, self.site, value)[:digits]
        self.replace(dataset, element.tag, here, key, f"pseudonym of the {kind}", action)

    def profile_of_colour(self, dataset: Dataset, element: DataElement, here: str) -> None:
        """Take the text out of an ICC profile."""
        cleaned = clean_profile(bytes(element.value))
        if cleaned is None:
            self.remove(dataset, element.tag, here, "ICC profile cannot be read", None)
            return
        self.set(dataset, element.tag, "OB", cleaned + bytes(len(cleaned) % 2))
        self.entries.append(LogEntry(here, log.GENERALISED, "text, date and device taken out of the ICC profile"))

    def code(self, item: Dataset, path: str, parent: str) -> None:
        """Give a code item its public meaning, or a stand-in where no dictionary knows it.

        Where there is no code, or outside of any sequence, only a public coding scheme may be named.
        """
        scheme = str(item.get("CodingSchemeDesignator", None) or "")
        tag = next((tag for tag in _CODE_TAGS[:3] if tag in item), None)
        value = str(item[tag].value or "") if tag else ""
        for other in _CODE_TAGS:
            if other in item:
                del item[other]
        if parent and value:
            cleaned = clean_code(value, scheme, self.pseudonyms.key_for)
            if not cleaned.public:
                item.pop(Tag("CodingSchemeVersion"), None)
                self.entries.append(LogEntry(f"{path}(0008,0100)", log.REPLACED, "local code"))
            tag = tag if tag and cleaned.public else _CODE_TAGS[0]
            self.set(item, tag, dictionary_VR(tag), cleaned.value)
            item.CodingSchemeDesignator, item.CodeMeaning = cleaned.scheme, cleaned.meaning
        elif scheme in SCHEMES or parent == "CodingSchemeIdentificationSequence":
            item.CodingSchemeDesignator = scheme if scheme in SCHEMES else "99LOCAL"

    def clear(
        self,
        dataset: Dataset,
        tag: BaseTag,
        here: str,
        parent: str,
        rule: str,
        code: str | None,
        *,
        least: int = 3,
    ) -> None:
        """Remove, empty or fill an element, as its type demands, or `least` where that demands more."""
        keyword = keyword_for_tag(tag)
        kind = min(attribute_type(keyword, parent), least)
        vr = dictionary_VR(tag).split(" or ")[0]
        if kind == 3 or (vr in _BINARY_SIZES and kind == 2) or vr == "SQ":
            self.remove(dataset, tag, here, rule, code)
        elif kind == 2:
            self.set(dataset, tag, vr, None)
            self.entries.append(LogEntry(here, log.EMPTIED, rule, code))
        else:
            dummy = self.pseudonyms.uid("dummy") if vr == "UI" else _DUMMY.get(vr, 0)
            self.set(dataset, tag, vr, self.patient_key if vr == "PN" else dummy)
            self.entries.append(LogEntry(here, log.REPLACED, rule, code))

    def remove(self, dataset: Dataset, tag: BaseTag, here: str, rule: str, code: str | None) -> None:
        del dataset[tag]
        self.entries.append(LogEntry(here, log.REMOVED, rule, code))

    def replace(
        self, dataset: Dataset, tag: BaseTag, here: str, value: object, rule: str, action: Action | None
    ) -> None:
        self.set(dataset, tag, dictionary_VR(tag), value)
        self.entries.append(LogEntry(here, log.REPLACED, rule, action.code if action else None))

    def set(self, dataset: Dataset, tag: BaseTag, vr: str, value: object) -> None:
        """Store a value as a new element, so that nothing of the bytes that were read remains."""
        dataset[tag] = DataElement(tag, vr, value)

    def state_method(self, dataset: Dataset) -> None:
        """Write who the object is about and how it was cleaned (PS3.15 section E.1.1, steps 6 and 7)."""
        dataset.PatientName = dataset.PatientID = self.patient_key
        dataset.PatientIdentityRemoved = "YES"
        dataset.LongitudinalTemporalInformationModified = "MODIFIED"
        methods = []
        for value, meaning in self.profile.method_codes():
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator = value, "DCM"
            item.CodeMeaning = public_meaning(value, "DCM") or meaning[:64]
            methods.append(item)
        dataset.DeidentificationMethodCodeSequence = Sequence(methods)
        if "DeidentificationMethod" in dataset:
            del dataset.DeidentificationMethod


def _never(_: str) -> bool:
    return False


def _is_short_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 5


def _is_public_text(text: str) -> bool:
    return values.is_public_term(text) or values.is_public_device(text)


def _is_scheme_version(text: str) -> bool:
    return values.is_version(text) or _is_short_number(text)


_PASSES_BY_VR: dict[str, Callable[[str], bool]] = {
    "DS": values.is_decimal,
    "IS": values.is_integer,
    "CS": values.is_public_term,
    "LO": _is_public_text,
    "SH": _is_public_text,
}
_PASSES: dict[str, Callable[[str], bool]] = {
    "CodingSchemeVersion": _is_scheme_version,
    "ContextIdentifier": _is_short_number,
    "SoftwareVersions": values.is_version,
    "TimezoneOffsetFromUTC": values.is_offset,
}
"""What decides for single attributes; the parts of a code are decided together, after their item was
walked."""
_KINDS = {
    "PN": "name",
    "DA": "date",
    "DT": "date",
    "TM": "time",
    "OB": "bytes",
    "OW": "bytes",
    **dict.fromkeys(_TEXT, "text"),
}


def _named(action: Action | None, otherwise: str) -> tuple[str, str | None]:
    return (action.rule, action.code) if action else (otherwise, None)


def _least(action: Action) -> int:
    """The type that an action treats an attribute as, at least: Z empties also what might be absent, D fills
    it."""
    return {Do.EMPTY: 2, Do.DUMMY: 1}.get(action.do, 3)


def _has_value(element: DataElement) -> bool:
    return element.value is not None and element.value != "" and element.value != b"" and element.VM > 0


def _strings(element: DataElement) -> list[str]:
    """All values of an element as text, without padding."""
    value: Any = element.value
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") or element.VR == "PN":
        value = [value]
    return [
        (v.decode("latin-1") if isinstance(v, bytes) else getattr(v, "original_string", None) or str(v)).strip()
        for v in value
    ]


def _count_fits(tag: BaseTag, count: int) -> bool:
    """Whether an element may hold `count` values by the dictionary (PS3.6)."""
    most = dictionary_VM(tag).split("-")[-1]
    return "n" in most or count <= int(most)


def _fits_dictionary(element: DataElement) -> bool:
    """Whether the element has the value representation that the dictionary gives its attribute."""
    vr, due = str(element.VR), dictionary_VR(element.tag)
    return vr == due or vr in due.split(" or ") or {vr, due} <= {"DS", "IS"} or {vr, due} <= {"LO", "SH"}


def _is_binary(element: DataElement) -> bool:
    """Whether numbers are numbers, as many as allowed, and bytes are not text."""
    vr = str(element.VR)
    if vr == "US or SS":
        return _count_fits(element.tag, len(bytes(element.value)) // 2)
    if vr in _BINARY_SIZES:
        return _count_fits(element.tag, element.VM)
    data = bytes(element.value)[:65536].rstrip(b"\0 ")
    printable = sum(32 <= byte < 127 for byte in data)
    return len(data) < 4 or printable < (0.7 if vr == "OB" else 1) * len(data)


def _names_specimen(item: Dataset) -> bool:
    """Whether an item of structured content holds a specimen's id as text (DCM 121041)."""
    if _CONCEPT_NAME not in item:
        return False
    try:
        concept = item.ConceptNameCodeSequence[0]
        return (str(concept.CodeValue), str(concept.CodingSchemeDesignator)) == _SPECIMEN_CONCEPT
    except Exception:
        return False
