"""What must hold across the curated tables. Each check counts the rows that break it.

Tables are named as `curated_<table>` views. As in a suite, a critical check blocks and a warning is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from expectations.rules import Rule, Severity


@dataclass(frozen=True)
class Check:
    """One check across tables."""

    name: str
    breaking: str
    """SQL query that gives the rows that break it."""
    says: str
    """The check in one sentence."""
    severity: Severity = Severity.CRITICAL


def _orphans(child: str, column: str, parent: str, key: str = "") -> str:
    key = key or column
    return (
        f"SELECT 1 FROM curated_{child} c LEFT ANTI JOIN curated_{parent} p ON c.{column} = p.{key} "
        f"WHERE c.{column} IS NOT NULL"
    )


CHECKS: tuple[Check, ...] = (
    Check("regions_have_scans", _orphans("regions", "scan_id", "scans"), "Every region belongs to a scan."),
    Check("scans_have_patients", _orphans("scans", "patient_key", "patients"), "Every scan has a patient."),
    Check("annotations_have_scans", _orphans("annotations", "scan_id", "scans"), "Every annotation has its scan."),
    Check(
        "annotations_are_votes",
        _orphans("annotations", "annotation_id", "votes"),
        "Every annotation is a vote for a cell, unless the cell could not be cut out.",
        Severity.WARNING,
    ),
    Check("votes_have_annotations", _orphans("votes", "annotation_id", "annotations"), "Every vote was drawn."),
    Check("votes_have_cells", _orphans("votes", "cell_id", "cells"), "Every vote is for a cell."),
    Check("cells_have_votes", _orphans("cells", "cell_id", "votes"), "Every cell was voted on."),
    Check("cells_have_regions", _orphans("cells", "region_id", "regions"), "Every cell lies in a region."),
    Check("cells_have_crops", _orphans("cells", "cell_id", "crops", "unit_id"), "Every cell has its pixels."),
    Check(
        "crops_have_fingerprints",
        "SELECT 1 FROM curated_crops c LEFT ANTI JOIN curated_fingerprints f "
        "ON c.unit_id = f.unit_id AND c.preset = f.preset WHERE c.unit_kind IN ('cell', 'region')",
        "Every crop of a cell or region was searched for duplicates.",
    ),
    Check(
        "crops_have_cells",
        "SELECT 1 FROM curated_crops c LEFT ANTI JOIN curated_cells p ON c.unit_id = p.cell_id "
        "WHERE unit_kind IN ('cell', 'context')",
        "Every crop shows a cell that there is.",
    ),
    Check("cells_are_measured", _orphans("cells", "cell_id", "features", "unit_id"), "Every cell was measured."),
    Check("features_have_crops", _orphans("features", "unit_id", "crops"), "What was measured has its pixels."),
    Check("tiles_have_regions", _orphans("tiles", "region_id", "regions"), "Every tile lies in a region."),
    Check("tiles_have_crops", _orphans("tiles", "tile_id", "crops", "unit_id"), "Every tile has its pixels."),
    Check(
        "crops_have_tiles",
        "SELECT 1 FROM curated_crops c LEFT ANTI JOIN curated_tiles p ON c.unit_id = p.tile_id "
        "WHERE unit_kind = 'tile'",
        "Every crop of a tile is of one that there is.",
    ),
    Check("cells_have_labels", _orphans("cells", "cell_id", "consensus"), "Every cell has a label."),
    Check("cells_are_samples", _orphans("cells", "cell_id", "samples"), "Every cell is a sample."),
    Check("samples_are_cells", _orphans("samples", "cell_id", "cells"), "Every sample is a cell."),
    Check(
        "one_side_a_patient",
        "SELECT patient_key FROM curated_samples GROUP BY scheme, patient_key HAVING count(DISTINCT side) > 1",
        "A patient is on one side of the split.",
    ),
    Check(
        "duplicates_on_one_side",
        "SELECT 1 FROM curated_duplicates d JOIN curated_samples a ON d.unit_a = a.cell_id "
        "JOIN curated_samples b ON d.unit_b = b.cell_id WHERE d.unit_kind = 'cell' AND a.side <> b.side "
        "UNION ALL SELECT 1 FROM curated_duplicates d JOIN curated_samples a ON d.unit_a = a.scan_id "
        "JOIN curated_samples b ON d.unit_b = b.scan_id WHERE d.unit_kind = 'scan' AND a.side <> b.side",
        "Cells that are the same, and cells of scans that show the same, are on one side of the split.",
    ),
    Check(
        "one_cell_an_examiner",
        "SELECT 1 FROM curated_votes GROUP BY cell_id, examiner_key, round HAVING count(*) > 1",
        "An examiner votes once a round on a cell.",
    ),
    Check(
        "specimens_are_known",
        _orphans("scans", "specimen_id", "specimens"),
        "The specimen of every scan is in the clinical records.",
        Severity.WARNING,
    ),
    Check(
        "pixel_sizes_are_known",
        "SELECT 1 FROM curated_scans WHERE mpp_x IS NULL",
        "Every scan states µm per pixel.",
        Severity.WARNING,
    ),
    Check(
        "duplicates_have_one_patient",
        "SELECT 1 FROM curated_duplicates WHERE decision = 'review'",
        "What is the same is of one patient; two patients may be an identity mix-up.",
        Severity.WARNING,
    ),
    Check(
        "same_pixels_have_one_label",
        "SELECT 1 FROM curated_duplicates d JOIN curated_samples a ON d.unit_a = a.cell_id "
        "JOIN curated_samples b ON d.unit_b = b.cell_id WHERE d.unit_kind = 'cell' AND d.kind = 'exact' "
        "AND a.vocabulary = b.vocabulary AND a.label_code <> b.label_code",
        "The same pixels have the same label.",
        Severity.WARNING,
    ),
)

SUITE: tuple[Rule, ...] = tuple(
    Rule(check.name, f"{check.name} = 0", check.says, {check.name: 1}, check.severity) for check in CHECKS
)
"""The checks as rules on a frame of one row, with the number of breaking rows in a column each."""
