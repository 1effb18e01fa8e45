"""One row an examiner's shape as it came, in level-0 pixels or fractions of its scan."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

SHAPES = Table(
    zone=Zone.RESTRICTED,
    name="shapes",
    grain="one row a shape of an annotation file",
    key=("path", "position"),
    scope="path",
    own_columns=(
        Column("path", "string", "Path of the file under the landing root.", privacy=Privacy.DIRECT),
        Column("position", "int", "Position in the file, counted from 0.", minimum=0),
        Column("source", "string", "The source that delivered it."),
        Column("delivery", "string", "The delivery that it came with."),
        Column("scan_name", "string", "Name of the scan, as the annotation gives it.", privacy=Privacy.DIRECT),
        Column(
            "image",
            "string",
            "The scan’s file as the annotation writes it, with its folders; null where it names none.",
            nullable=True,
            privacy=Privacy.DIRECT,
        ),
        Column("geometry_type", "string", "Kind of shape.", values=("point", "box", "polygon")),
        Column(
            "coordinates",
            "array<double>",
            "x and y in turn, in `unit`; origin at the first level’s first pixel’s corner.",
        ),
        Column(
            "unit",
            "string",
            "What the coordinates count: pixels, or fractions of the scan’s width and height; null: pixels.",
            nullable=True,
            values=("px", "fraction"),
        ),
        Column("label_raw", "string", "The label as written.", nullable=True),
        Column("examiner", "string", "Who drew it.", privacy=Privacy.DIRECT),
        Column("annotator_kind", "string", "A person or a model.", values=("human", "model")),
        Column("round", "int", "Round of annotation, from 1.", minimum=1),
        Column("confidence", "double", "Stated confidence.", nullable=True, minimum=0, maximum=1),
        Column("annotated_at", "timestamp", "When it was drawn.", nullable=True),
    ),
)
