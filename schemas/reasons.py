"""Why a unit is held back: the codes of `restricted.quarantine`, each with the sentence a person reads."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A reason code; `sentence` says it in words, `kind` says what may release the unit again."""

    EMPTY_FILE = "empty_file"
    WRONG_FORMAT = "wrong_format"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    UNKNOWN_FORMAT = "unknown_format"
    TOO_LARGE = "too_large"
    CHANGED = "changed"
    MANIFEST_MISMATCH = "manifest_mismatch"
    LABEL_IMAGE = "label_image"
    OVERVIEW_IMAGE = "overview_image"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    IDENTIFIER_FOUND = "identifier_found"
    BURNED_IN_TEXT = "burned_in_text"
    NOT_REWRITABLE = "not_rewritable"
    SCAN_MISSING = "scan_missing"
    SCAN_AMBIGUOUS = "scan_ambiguous"
    PATIENT_MISSING = "patient_missing"
    BOX_WITHOUT_AREA = "box_without_area"
    OUTSIDE_SCAN = "outside_scan"
    LABEL_UNKNOWN = "label_unknown"
    MALFORMED_RECORD = "malformed_record"
    UNLABELLED = "unlabelled"
    DUPLICATE_SHAPE = "duplicate_shape"
    PLACE_UNKNOWN = "place_unknown"
    HEADER_MISSING = "header_missing"
    BEYOND_EDGE = "beyond_edge"
    PIXEL_SIZE_MISSING = "pixel_size_missing"

    @property
    def sentence(self) -> str:
        """The reason in one sentence, free of any value."""
        return _SENTENCES[self]

    @property
    def by_policy(self) -> bool:
        """Held back because a rule says so, although nothing is wrong with the unit."""
        return self in BY_POLICY

    @property
    def waits_for_partner(self) -> bool:
        """Tried again as soon as the missing partner arrives."""
        return self in WAITING


_SENTENCES: dict[Reason, str] = {
    Reason.EMPTY_FILE: "The file has no bytes.",
    Reason.WRONG_FORMAT: "The content is not of the format that the file name claims.",
    Reason.TRUNCATED: "The file ends before its data does.",
    Reason.UNREADABLE: "The file is of a known format but cannot be read.",
    Reason.UNKNOWN_FORMAT: "No importer knows this format.",
    Reason.TOO_LARGE: "It declares more pixels than the limit against decompression bombs.",
    Reason.CHANGED: "The file changed while it was read.",
    Reason.MANIFEST_MISMATCH: "Size or checksum differs from the delivery's manifest.",
    Reason.LABEL_IMAGE: "A label image shows the patient; policy holds it back.",
    Reason.OVERVIEW_IMAGE: "An overview or macro image may show the label; policy holds it back.",
    Reason.CONSENT_WITHDRAWN: "The patient has withdrawn consent.",
    Reason.IDENTIFIER_FOUND: "The rescan found an identifier of the patient in the de-identified output.",
    Reason.BURNED_IN_TEXT: "The pixels seem to hold text; a person must look at them.",
    Reason.NOT_REWRITABLE: "This format cannot be rewritten without what may identify the patient.",
    Reason.SCAN_MISSING: "The annotation names a scan that has not arrived.",
    Reason.SCAN_AMBIGUOUS: "More than one image has the name that the annotation gives, and no folder says which.",
    Reason.PATIENT_MISSING: "The unit names no patient that is known.",
    Reason.BOX_WITHOUT_AREA: "The shape has no area.",
    Reason.OUTSIDE_SCAN: "The centre of the shape lies outside its scan.",
    Reason.LABEL_UNKNOWN: "The label is in no vocabulary of this source.",
    Reason.MALFORMED_RECORD: "The record lacks what its type requires, or cannot be parsed.",
    Reason.UNLABELLED: "The shape has no label.",
    Reason.DUPLICATE_SHAPE: "The same shape with the same label stands before it in the file.",
    Reason.PLACE_UNKNOWN: "The shape counts from a size or place of its scan that is not known.",
    Reason.HEADER_MISSING: "The table has no header that names the columns of a point or a box.",
    Reason.BEYOND_EDGE: "The crop would reach beyond the scan's edge, and the settings skip such crops.",
    Reason.PIXEL_SIZE_MISSING: "Crops are asked for in µm, and the scan states no size of a pixel that allows it.",
}

BY_POLICY = frozenset({Reason.LABEL_IMAGE, Reason.OVERVIEW_IMAGE, Reason.CONSENT_WITHDRAWN, Reason.BEYOND_EDGE})
WAITING = frozenset({Reason.SCAN_MISSING, Reason.PATIENT_MISSING})
