"""One row an examiner’s shape on a scan."""

from __future__ import annotations

from schemas.contract import Column, Privacy, Table, Zone

ANNOTATIONS = Table(
    zone=Zone.CURATED,
    name="annotations",
    grain="one row an examiner’s shape",
    key=("annotation_id",),
    scope="source_key",
    own_columns=(
        Column("annotation_id", "string", "Keyed HMAC of file and position.", privacy=Privacy.PSEUDONYM),
        Column("scan_id", "string", "The scan.", privacy=Privacy.PSEUDONYM),
        Column("source_key", "string", "Keyed HMAC of the file it came in.", privacy=Privacy.PSEUDONYM),
        Column("position", "int", "Position in that file, counted from 0.", minimum=0),
        Column("geometry_type", "string", "Kind of shape.", values=("point", "box", "polygon")),
        Column(
            "coordinates",
            "array<double>",
            "x and y in turn: level-0 pixels, origin at the first pixel’s corner.",
            unit="px",
        ),
        Column("center_x", "double", "Centre of the bounding box.", unit="px", minimum=0),
        Column("center_y", "double", "Centre of the bounding box.", unit="px", minimum=0),
        Column("label_raw", "string", "The label as written; known to the source’s label map."),
        Column("label_code", "string", "The label’s code in the vocabulary."),
        Column("vocabulary", "string", "The vocabulary of the code."),
        Column("vocabulary_version", "string", "SHA-256 of the vocabulary, first 12 digits."),
        Column("examiner_key", "string", "Keyed HMAC of the examiner.", privacy=Privacy.PSEUDONYM),
        Column("annotator_kind", "string", "A person or a model.", values=("human", "model")),
        Column("round", "int", "Round of annotation, from 1.", minimum=1),
        Column("confidence", "double", "Stated confidence.", nullable=True, minimum=0, maximum=1),
        Column("annotated_at", "timestamp", "When it was drawn, shifted, cut to the hour.", nullable=True),
    ),
)
