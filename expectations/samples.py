"""What must hold of a sample beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("cell_id"),
    keyed("patient_key"),
    Rule("sample_has_votes", "size(votes) >= 1", "Somebody voted.", {"votes": []}),
    Rule("support_is_above_zero", "support > 0", "The label was voted for.", {"support": 0.0}),
    Rule(
        "age_is_a_group",
        "age_group RLIKE '^([0-8]0-[0-8]9|90[+])$'",
        "Ages are decades, 90 and over together.",
        {"age_group": "93"},
    ),
    Rule(
        "blood_count_came_before",
        "blood_count_days >= 0",
        "The blood count is not from after the sampling.",
        {"blood_count_days": -1},
    ),
)
