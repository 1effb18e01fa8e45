"""What must hold of a released cell beyond its contract.

A rule sees one row, so what concerns several rows comes as a column that `jobs/release/build.py` counts beforehand:
`patient_sides`, the sides of the split on which the cell's patient is, `duplicate_sides`, the sides on which the
cell or its scan has a duplicate or is itself, and `patients_alike`, how many patients have the same sex, age group and
diagnosis in all their cells; it is null where the cell tells none of these. `patients_asked` is the k of the settings.
"""

from __future__ import annotations

from expectations.rules import SHA256, Rule, keyed, plausible_mpp

SUITE: tuple[Rule, ...] = (
    keyed("cell_id"),
    keyed("patient_key"),
    keyed("scan_id"),
    keyed("region_id"),
    keyed("specimen_id"),
    keyed("site_key"),
    keyed("scanner_key"),
    keyed("stain_batch"),
    Rule("patient_is_on_one_side", "patient_sides = 1", "No patient is on two sides.", {"patient_sides": 2}),
    Rule("duplicates_are_on_one_side", "duplicate_sides = 1", "No pair is on two sides.", {"duplicate_sides": 2}),
    Rule(
        "enough_patients_are_alike",
        "patients_alike >= patients_asked",
        "At least k patients share each combination of sex, age group and diagnosis that is told.",
        {"patients_alike": 1},
    ),
    Rule(
        "label_names_a_folder",
        "label_code RLIKE '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'",
        "A label is a code, since a folder is named by it.",
        {"label_code": "../NGS"},
    ),
    Rule("cell_has_votes", "size(votes) >= 1", "Somebody voted.", {"votes": []}),
    Rule(
        "label_was_voted_for",
        "exists(votes, vote -> vote.label_code = label_code)",
        "The label is that of a vote.",
        {"label_code": "unheard-of"},
    ),
    Rule("support_is_above_zero", "support > 0", "The label was voted for.", {"support": 0.0}),
    Rule("pixels_are_hashed", f"pixel_sha256 {SHA256}", "The pixels have their SHA-256.", {"pixel_sha256": "none"}),
    Rule("crop_shows_something", "valid_fraction > 0", "Part of the crop lies in the scan.", {"valid_fraction": 0.0}),
    Rule(
        "age_is_a_group",
        "age_group RLIKE '^([0-8]0-[0-8]9|[89]0[+])$'",
        "Ages are decades or bands of 20 years, the highest together.",
        {"age_group": "93"},
    ),
    Rule(
        "blood_count_came_before",
        "blood_count_days >= 0",
        "The blood count is not from after the sampling.",
        {"blood_count_days": -1},
    ),
    plausible_mpp("mpp_x"),
    plausible_mpp("mpp_y"),
)
