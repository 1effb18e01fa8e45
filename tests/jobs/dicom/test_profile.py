from __future__ import annotations

import pytest
from pydicom.tag import Tag

from jobs.dicom.profile import Do, Profile, default_profile


@pytest.mark.parametrize(
    ("keyword", "do", "code"),
    [
        ("PatientName", Do.EMPTY, "Z"),
        ("PatientComments", Do.REMOVE, "X"),
        ("SpecimenIdentifier", Do.DUMMY, "D"),
        ("SOPInstanceUID", Do.UID, "U"),
        ("StudyDate", Do.SHIFT, "C"),
        ("PatientSex", Do.KEEP, "K"),
        ("PatientAge", Do.KEEP, "K"),
        ("SpecimenPreparationSequence", Do.RECURSE, "C"),
        ("SourceImageSequence", Do.RECURSE, "X/Z/U*"),
        ("OperatorIdentificationSequence", Do.BY_TYPE, "X/D"),
    ],
)
def test_actions_under_the_default_options(keyword, do, code):
    action = default_profile().action(Tag(keyword))
    assert action is not None
    assert (action.do, action.code) == (do, code)


def test_without_options_the_basic_action_holds():
    assert Profile(()).action(Tag("StudyDate")).do is Do.EMPTY
    assert Profile(()).action(Tag("PatientAge")).do is Do.REMOVE


def test_repeating_groups_are_matched():
    assert default_profile().action(0x60123000).do is Do.REMOVE
    assert default_profile().action(0x50020010).do is Do.REMOVE


def test_what_the_table_does_not_list_has_no_action():
    assert default_profile().action(Tag("Rows")) is None


def test_the_options_are_stated_as_codes():
    assert [code for code, _ in default_profile().method_codes()] == [
        "113100", "113104", "113105", "113107", "113108",
    ]  # fmt: skip


def test_options_without_an_implementation_are_refused():
    with pytest.raises(ValueError, match="retain_uids"):
        Profile(["retain_uids"])
