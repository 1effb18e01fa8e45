"""What must hold of a scan beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed, plausible_mpp

SUITE: tuple[Rule, ...] = (
    keyed("scan_id"),
    keyed("patient_key"),
    keyed("site_key"),
    Rule(
        "pixel_size_is_whole",
        "(mpp_x IS NULL) = (mpp_y IS NULL)",
        "Pixel width and height are both known or both unknown.",
        {"mpp_x": None, "mpp_y": 0.25},
    ),
    Rule(
        "pixel_size_has_a_source",
        "length(mpp_source) > 0",
        "Where the pixel size is from, or why it is missing, is said.",
        {"mpp_source": ""},
    ),
    plausible_mpp("mpp_x"),
    plausible_mpp("mpp_y"),
)
