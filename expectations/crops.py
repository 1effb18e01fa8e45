"""What must hold of a crop beyond its contract."""

from __future__ import annotations

from expectations.rules import SHA256, Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("unit_id"),
    Rule(
        "pixels_are_hashed",
        f"pixel_sha256 {SHA256}",
        "The pixels have their SHA-256.",
        {"pixel_sha256": "none"},
    ),
    Rule(
        "cells_are_square",
        "unit_kind <> 'cell' OR width = height OR scale <> 1",
        "A cell's crop is square, unless it was resampled from pixels that are not.",
        {"unit_kind": "cell", "width": 250, "height": 200, "scale": 1.0},
    ),
    Rule(
        "crop_shows_something",
        "valid_fraction > 0",
        "Part of the crop lies in the scan.",
        {"valid_fraction": 0.0},
    ),
)
