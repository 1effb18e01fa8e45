"""One row a measured feature of a cell or tile."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

QUALITY = {
    "focus": "greatest slope over the local range, where that is among the highest twentieth",
    "background_fraction": "mean absorbance below 0.10 and stain below 0.03",
    "clipped_fraction": "colour at 254 or more, or 1 or less",
    "saturation": "saturation in HSV, 95th percentile at half the size",
    "brightness": "mean luma, ITU-R BT.601, over 255",
    "pen_fraction": "colours foreign to H&E, even red and violet, smoothed",
    "fold_fraction": "green absorbance between nuclei, 1.4 to 1.8 times the median",
}
"""What can be wrong with a crop, from 0 to 1; pens and folds are sought in sections alone."""
CELL = {
    "border_contact": "share of the edge of crop or scan that the cell covers",
    "cell_area": "pixels of the cell’s mask",
    "nucleus_area": "pixels of the nucleus’ mask",
    "nucleus_cell_ratio": "area of the nucleus over the cell’s",
    "cell_circularity": "4 pi area over squared perimeter (Crofton)",
    "nucleus_circularity": "4 pi area over squared perimeter (Crofton)",
    **{
        f"{part}_{name}": f"mean CIELAB {axis} over the mask"
        for part in ("nucleus", "cytoplasm")
        for name, axis in (("lightness", "L*"), ("red_green", "a*"), ("yellow_blue", "b*"))
    },
    "nucleus_contrast": "co-occurrence of 16 grey levels, one pixel apart",
    "nucleus_homogeneity": "co-occurrence of 16 grey levels, one pixel apart",
    "nucleus_entropy": "co-occurrence of 16 grey levels, one pixel apart",
}
"""Of the cell in the middle of a crop of a smear."""
SECTION = {
    "nuclei_density": "nuclei by Otsu on red absorbance, over the area of tissue and fat",
    "fat_fraction": "holes 15 to 150 um wide over tissue and holes",
    "cellularity": "1 - fat_fraction",
}
"""Of a tile of an H&E section."""
METHODS = QUALITY | CELL | SECTION
"""Feature to how it is measured."""

FEATURES = Table(
    zone=Zone.CURATED,
    name="features",
    grain="one row a (unit, feature)",
    key=("unit_id", "feature"),
    scope="scan_id",
    own_columns=(
        Column("unit_id", "string", "The cell or tile.", privacy=Privacy.PSEUDONYM),
        Column("feature", "string", "What was measured; see features.md.", values=tuple(METHODS)),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("value", "double", "The value."),
        Column("unit", "string", "Its unit, in UCUM."),
        Column("method", "string", "How it was measured."),
        Column("version", "string", "Version of the method."),
    ),
)
