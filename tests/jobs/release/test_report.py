"""The officer's page tells what was done and found, of exactly what is signed, and nothing that identifies."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pyarrow as pa
import pytest

from jobs.release import facts, report
from jobs.release.candidate import folder, record
from jobs.release.contents import files
from jobs.release.pictures import SAMPLES
from tests.jobs.release import hospital


@pytest.fixture(scope="module")
def page(built) -> str:
    return report.render(built.lake, built.candidate)


def text_of(page: str) -> str:
    """The page without markup and pictures."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.split("</style>")[1]).split())


def test_it_shows_the_hash_that_is_signed(built, page):
    assert built.candidate.release_sha256 in re.sub(r"</?span>", "", page)
    assert report.exists(built.lake, built.candidate)


def test_it_shows_no_value_and_no_path(built, page):
    assert not [planted for planted in hospital.PLANTED if planted in page]
    paths = [path for path in files(built.lake.store, folder(built.lake, built.candidate.id)) if "/" in path]
    assert not [path for path in paths if path in page]
    assert not [n for n in range(hospital.CELLS) if hospital.key("cell", n) in page]
    assert not [n for n in range(9) if hospital.key("patient", n) in page]


def test_it_needs_nothing_from_elsewhere(page):
    assert not re.findall(r"<(?:script|link|iframe)\b", page)
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)"', page))
    assert not re.findall(r"url\(|https?://", page)


def test_it_tells_what_came_was_done_was_found_and_was_held_back(page):
    said = text_of(page)
    assert "helsinki image application/dicom" in said
    assert "(0040,0560)[*].(0040,0551) Specimen Identifier Basic Profile D 4 8" in said
    assert "deidentify files 1 0" in said
    assert "ingest file A label image shows the patient; policy holds it back. by policy 2 0" in said
    assert "The search found an identifier in 1 output." in said
    assert "pseudonymised" in said
    assert "in this batch it was looked for in 4 files, 0 findings" in said
    assert "2 warnings were raised when the snapshot was made" in said


def test_each_kind_of_duplicate_has_its_page_with_pictures(page):
    said = text_of(page)
    assert "The same pixels 1 pair of cells, 0 of scans. Of Score Change Classes cells 1.00 none" in said
    assert "Changed copies, and the same view taken again 0 pairs of cells, 1 of scans." in said
    assert "Fields that share a part 0 pairs of cells, 0 of scans." in said
    assert page.count('alt="One of the pair"') >= 2
    for name in ("exact", "near", "overlap", "mix-up", "labels"):
        assert f'id="duplicates-{name}"' in page


def test_it_sums_by_site_and_device(page):
    said = text_of(page)
    head = "Site Device Files Attributes removed emptied replaced shifted generalised cleaned kept"
    site, device = (hospital.key(kind, 0)[:8] for kind in ("site", "scanner"))
    assert head in said
    assert f"{site} {device} 2 9 2 6 6 2 0 0 2" in said
    assert hospital.key("scanner", 0) not in page
    assert "There is no earlier candidate to compare with" in said


def test_it_tells_what_is_new_against_the_candidate_before(copied):
    lake, candidate = copied.lake, copied.candidate
    earlier = replace(candidate, id="0" * 16, snapshot_number=0)
    lake.store.write(f"{folder(lake, earlier.id)}/SHA256SUMS", b"")
    record(lake, earlier)
    report.render(lake, candidate)
    lake.store.write(report.counts_uri(lake, earlier.id), lake.store.read(report.counts_uri(lake, candidate.id)))
    assert "Nothing is new or unusual against the candidate before." in text_of(report.render(lake, candidate))
    before = json.loads(lake.store.read(report.counts_uri(lake, earlier.id)))
    before["treated"] = [row for row in before["treated"] if row["pattern"] != "Patient.name"]
    before["origins"] = before["origins"][:1]
    lake.store.write(report.counts_uri(lake, earlier.id), json.dumps(before).encode())
    said = text_of(report.render(lake, candidate))
    assert "4 things are new or unusual against the candidate before." in said
    assert "Attributes never met before Attribute Name Action Rule Files Patient.name removed free text 4" in said


def test_samples_are_spread_over_classes_and_sides(built, page):
    shown = re.findall(r"<figcaption><b>(\w+)</b> <span>(\w+)</span>", page)
    assert len(shown) == min(SAMPLES, built.candidate.cells)
    there = {(label, side) for side, labels in built.candidate.classes.items() for label in labels}
    assert set(shown) == there


def test_k_counts_patients_not_cells():
    cells = pa.table(
        {
            "cell_id": ["a", "b", "c", "d", "e"],
            "patient_key": ["p", "p", "q", "r", "s"],
            "sex": ["female", "female", "male", "male", None],
            "age_group": ["60-69", "60-69", None, None, None],
            "diagnosis": ["C92.0", "C92.0", "C92.0", None, None],
        }
    )
    found = facts.anonymity(cells)
    assert (found.k, found.total, found.blank) == (1, 3, 1)
    assert [(row["sex"], row["patients"], row["cells"]) for row in found.groups] == [
        ("female", 1, 2),
        ("male", 1, 1),
        ("male", 1, 1),
    ]


def test_it_tells_how_many_patients_look_alike_and_what_that_cost(built, page):
    said = text_of(page)
    told = built.candidate.anonymity
    assert told["before"]["k"] == 1
    assert told["after"]["k"] >= told["asked"] == 2
    assert f"2 were asked for. For that, all three are withheld of {told['suppressed']} patient" in said
    assert "The order of steps that loses least was taken: diagnosis: category" in said
    assert "0.0 % of the patients are unique by them." in said
    assert "Genetic findings are not in this release." in said


@pytest.mark.parametrize(
    ("code", "means"),
    [
        ("X", "removed"),
        ("X/Z", "removed; or emptied, or replaced by a dummy value"),
        ("U*", "replaced by another UID, the same everywhere"),
        (None, ""),
    ],
)
def test_a_code_is_told_in_words(code, means):
    assert facts.meaning(code) == means


def test_attributes_have_their_names():
    assert facts.attribute_name("(0040,0560)[*].(0040,0551)") == "Specimen Identifier"
    assert facts.attribute_name("Patient.name") == ""
    assert facts.attribute_name("private") == ""
