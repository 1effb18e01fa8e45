"""Every outcome against what was planted, both ways: all of it is found, and nothing else is."""

from __future__ import annotations


def due(truth) -> dict[str, str]:
    found = {item["place"]: item["outcome"] for item in truth["broken"] + truth["policy"]}
    for kind in ("files", "annotations", "records"):
        found |= dict.fromkeys(truth["withdrawn"][kind], "consent_withdrawn")
    return found


def test_what_is_held_back_is_what_was_planted(ran):
    assert ran.held() == due(ran.truth)


KINDS = {"exact": "exact", "re-encoded": "near", "overlapping": "overlap"}
"""What was planted, as it is found."""


def test_duplicates_of_scans_are_those_that_were_planted(ran):
    files = ran.lake.read("restricted.files").where("role = 'image'")
    keys = {row.scan_id: path for path, row in scan_of_path(ran, files).items()}
    pairs = ran.lake.read("curated.duplicates").where("unit_kind = 'scan'").collect()
    found = {(frozenset((keys[p.unit_a], keys[p.unit_b])), p.kind) for p in pairs}
    wanted = {(frozenset((p["a"], p["b"])), KINDS[p["kind"]]) for p in ran.truth["duplicates"]}
    assert found == wanted


def scan_of_path(ran, files):
    from jobs.pseudonyms import Pseudonyms

    pseudonyms = Pseudonyms.from_file(ran.lake.settings.key_path())
    scans = {row.scan_id: row for row in ran.lake.read("curated.scans").collect()}
    refs = {row.path: pseudonyms.key_for("scan", row.scan_ref) for row in files.collect() if row.scan_ref}
    return {path: scans[ref] for path, ref in refs.items() if ref in scans}


def test_cells_of_duplicate_scans_are_linked_and_nothing_else_is(ran):
    linked = ran.lake.read("curated.duplicates").where("unit_kind = 'scan'").collect()
    scans = {frozenset((p.unit_a, p.unit_b)) for p in linked}
    scan_of = {row.cell_id: row.scan_id for row in ran.lake.read("curated.cells").collect()}
    pairs = ran.lake.read("curated.duplicates").where("unit_kind = 'cell'").collect()
    assert pairs
    assert {frozenset((scan_of[p.unit_a], scan_of[p.unit_b])) for p in pairs} <= scans


def test_every_file_is_accounted_for(ran):
    listed = {str(f.relative_to(ran.landing)) for f in ran.landing.rglob("*") if f.is_file()}
    taken = {row.path for row in ran.lake.read("restricted.files").collect()}
    assert taken == {path for path in listed if not path.endswith("/manifest.json")}


def test_no_identifier_is_in_curated_or_released(ran):
    """Searches every byte of both zones, parse-free, for every planted identifier of four characters or more."""
    from jobs.deidentify.rescan import find

    values = {item["value"] for item in ran.truth["identifiers"] if len(item["value"]) >= 4}
    assert len(values) > 100
    for zone in ("curated", "released"):
        for file in sorted((ran.folder / "lake" / zone).rglob("*")):
            if not file.is_file():
                continue
            assert not find(str(file.relative_to(ran.folder)).encode(), values), "in a file name"
            pixels = [] if file.suffix in (".json", ".crc", ".md", ".html") else whole(file)
            assert not find(file.read_bytes(), values, pixels=pixels), file.relative_to(ran.folder)


def whole(file):
    """Compressed bytes hold short words by chance: there only identifiers of eight bytes or more count."""
    from jobs.deidentify.tokens import Range

    return [Range(0, file.stat().st_size)]
