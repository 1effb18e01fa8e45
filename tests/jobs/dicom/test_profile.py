from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.tag import Tag

from jobs.dicom import profile
from jobs.dicom.profile import DATES, FULL_DATES, METHOD_CODES, Do, Profile, default_profile
from jobs.errors import SettingsError


@pytest.mark.parametrize(
    ("keyword", "do", "code"),
    [
        ("PatientName", Do.EMPTY, "Z"),
        ("PatientAddress", Do.REMOVE, "X"),
        ("PatientComments", Do.CLEAN, "C"),
        ("SpecimenIdentifier", Do.DUMMY, "D"),
        ("SOPInstanceUID", Do.UID, "U"),
        ("StudyDate", Do.CLEAN, "C"),
        ("PatientSex", Do.CLEAN, "K"),
        ("PatientAge", Do.CLEAN, "K"),
        ("SpecimenPreparationSequence", Do.CLEAN, "C"),
        ("SourceImageSequence", Do.CLEAN, "X/Z/U*"),
        ("OperatorIdentificationSequence", Do.BY_TYPE, "X/D"),
    ],
)
def test_actions_under_the_default_options(keyword, do, code):
    action = default_profile().action(Tag(keyword))
    assert action is not None
    assert (action.do, action.why.code) == (do, code)


def test_without_options_the_basic_action_holds():
    assert Profile(()).action(Tag("StudyDate")).do is Do.EMPTY
    assert Profile(()).action(Tag("PatientAge")).do is Do.REMOVE


@given(st.sets(st.sampled_from(sorted(METHOD_CODES))))
def test_every_set_of_options_gives_each_row_the_action_of_a_column(options):
    if {FULL_DATES, DATES} <= options:
        with pytest.raises(ValueError, match="contradict"):
            Profile(options)
        return
    chosen = Profile(options)
    for row in profile.rows():
        if "x" not in row["tag"] and row["tag"] != "private":
            due = {row[option] for option in options} - {""} or {row["basic"]}
            assert chosen.action(int(row["tag"], 16)).why.code in due
    assert len(list(chosen.method_codes())) == len(options) + 1


def test_repeating_groups_are_matched():
    assert default_profile().action(0x60123000).do is Do.REMOVE
    assert default_profile().action(0x50020010).do is Do.REMOVE


def test_what_the_table_does_not_list_has_no_action():
    assert default_profile().action(Tag("Rows")) is None


def test_the_options_are_stated_as_codes():
    assert [code for code, _ in default_profile().method_codes()] == [
        "113100", "113104", "113105", "113107", "113108", "113111",
    ]  # fmt: skip


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="retain_names"):
        Profile(["retain_names"])


def test_a_profile_is_read_from_a_file(tmp_path):
    file = tmp_path / "profile.toml"
    file.write_text('options = ["retain_uids", "retain_full_dates"]\noldest_age = 79\n')
    read = Profile.from_file(file)
    assert (read.options, read.oldest_age, read.dates) == ({"retain_uids", FULL_DATES}, 79, "UNMODIFIED")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("options = [", "not TOML"),
        ("option = []", "option"),
        ('options = "retain_uids"', "list of names"),
        ('options = ["x"]', "Unknown options: x"),
        ('options = ["retain_full_dates", "retain_modified_dates"]', "contradict"),
        ("oldest_age = true", "whole number"),
        ("oldest_age = 0", "between"),
    ],
)
def test_a_wrong_profile_file_says_what_is_wrong(tmp_path, text, says):
    file = tmp_path / "profile.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=says):
        Profile.from_file(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        Profile.from_file(tmp_path / "none.toml")


@pytest.fixture(scope="module")
def standards(real_data) -> Path:
    """Folder of copies of the standard; tests that ask for it are skipped where it is absent."""
    folder = real_data.parent / "standards"
    if not folder.is_dir():
        pytest.skip(f"no copies of the standard at {folder}")
    return folder


def ours() -> dict[str, dict[str, str]]:
    return {row["tag"].upper(): row for row in profile.rows()}


def test_the_table_is_that_of_2026d(standards):
    basic = json.loads((standards / "ps315_table_e1-1_2026d_basic.json").read_text())
    table = ours()
    assert {tag: row["basic"] for tag, row in table.items() if tag in basic} == basic
    options = json.loads((standards / "ps315_table_e1-1_2026d_options.json").read_text())
    for tag, actions in options.items():
        for option, code in actions.items():
            column = {"retain_longitudinal_temporal_information": DATES}.get(option, option)
            assert table[tag][column] == code, (tag, option)


_2024B = {
    "basicProfile": "basic", "cleanDescOpt": "clean_descriptors", "cleanGraphOpt": "clean_graphics",
    "cleanStructContOpt": "clean_structured_content", "rtnLongFullDatesOpt": FULL_DATES,
    "rtnLongModifDatesOpt": DATES, "rtnPatCharsOpt": "retain_patient_characteristics",
    "rtnDevIdOpt": "retain_device_identity", "rtnInstIdOpt": "retain_institution_identity",
    "rtnUIDsOpt": "retain_uids", "rtnSafePrivOpt": "retain_safe_private",
}  # fmt: skip


def test_the_table_holds_every_fact_of_2024b(standards):
    table = ours()
    for row in json.loads((standards / "ps315_table_e1-1_2024b_innolitics.json").read_text()):
        tag = row["id"].upper()
        for theirs, column in _2024B.items():
            if tag in table and theirs in row:
                assert table[tag][column] == row[theirs], (tag, column)


_2023B = (
    "basic", "retain_safe_private", "retain_uids", "retain_device_identity", "retain_institution_identity",
    "retain_patient_characteristics", FULL_DATES, DATES, "clean_descriptors", "clean_structured_content",
    "clean_graphics",
)  # fmt: skip


CHANGED_SINCE_2023B = {
    ("00100020", "basic"): ("Z", "Z/D"),
    ("00400241", "retain_device_identity"): ("K", "C"),
    ("00400001", "retain_device_identity"): ("K", "C"),
    ("00321021", "retain_device_identity"): ("K", "C"),
}


def test_the_table_holds_every_fact_of_2023b(standards):
    name = "{http://docbook.org/ns/docbook}"
    with gzip.open(standards / "dicom_part15_2023b.xml.gz") as file:
        tree = ElementTree.parse(file)
    (listed,) = (
        t for t in tree.iter(f"{name}table") if t.get("{http://www.w3.org/XML/1998/namespace}id") == "table_E.1-1"
    )
    table, seen, changed = ours(), 0, {}
    for line in listed.iter(f"{name}tr"):
        cells = ["".join(cell.itertext()).strip() for cell in line.iter(f"{name}td")]
        tag = re.sub(r"[(),]", "", cells[1]).upper() if len(cells) > 4 else ""
        if tag in table:
            seen += 1
            for column, code in zip(_2023B, cells[4:], strict=False):
                if code not in ("", table[tag][column]):
                    changed[tag, column] = (code, table[tag][column])
    assert seen > 550
    assert changed == CHANGED_SINCE_2023B
