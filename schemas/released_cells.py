"""One row a cell of a release: the public Parquet, of which every column is named here on purpose.

A column that `curated.samples` or `curated.crops` gains stays out of releases until it is added to this list.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.contract import Column, Table, Zone
from schemas.crops import CROPS
from schemas.samples import SAMPLES

FROM_CROPS = {
    "preset": "preset",
    "encoding": "encoding",
    "width": "width",
    "height": "height",
    "scale": "scale",
    "crop_x": "x",
    "crop_y": "y",
    "valid_fraction": "valid_fraction",
    "absent_fraction": "absent_fraction",
    "border_policy": "border_policy",
    "pixel_sha256": "pixel_sha256",
    "encoder_version": "encoder_version",
}
"""Columns that come with the crop, and what `curated.crops` calls them."""

FROM_SAMPLES = (
    "label_code",
    "vocabulary",
    "support",
    "votes",
    "scheme",
    "side",
    "scan_id",
    "region_id",
    "specimen_id",
    "patient_key",
    "site_key",
    "scanner_key",
    "kind",
    "center_x",
    "center_y",
    "mpp_x",
    "mpp_y",
    "mpp_source",
    "duplicate_of",
    "material",
    "stain",
    "stain_batch",
    "sex",
    "age_group",
    "diagnosis",
    "hemoglobin",
    "leukocytes",
    "erythrocytes",
    "platelets",
    "blood_count_days",
)
"""Columns that come with the sample, under the same name."""

GENERALISED = {
    "sex": "Administrative sex; null where it is not known or withheld.",
    "age_group": "Age at sampling, in decades or bands of 20 years; null where it is not known or withheld.",
    "diagnosis": "The latest diagnosis at the time of sampling, or its category, block (C81-C96) or chapter (C00-D48); "
    "null where it is not known or withheld.",
}
"""Quasi-identifiers that a release makes more general, and what they mean there."""

IMAGE = "image"


def _meaning(name: str) -> str:
    return GENERALISED.get(name, SAMPLES.column(name).comment)


RELEASED_CELLS = Table(
    zone=Zone.RELEASED,
    name="cells",
    grain="one row a cell",
    key=("cell_id",),
    own_columns=(
        SAMPLES.column("cell_id"),
        Column(IMAGE, "binary", "The encoded crop, byte for byte as it was cut."),
        *(replace(CROPS.column(there), name=here) for here, there in FROM_CROPS.items()),
        *(replace(SAMPLES.column(name), comment=_meaning(name)) for name in FROM_SAMPLES),
    ),
)
