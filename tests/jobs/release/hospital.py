"""Rows of a small lake that a release can be made of: 9 patients, 72 cells, three sides, two sites."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from schemas.looks import PIXELS, Look

LABELS = ("NGS", "LYT", "MON", "EOS", "BLA")
SIDES = ("train", "train", "train", "train", "train", "validation", "validation", "test", "test")
CELLS = 72
SIDE_PX = 64
PLANTED = ("Virtanen", "131052-308T", "helsinki/2024-03-04_001/slides/Virtanen.svs", "2024-03-04_001", "PN-4711")
"""Values of DIRECT columns that no report may show."""
Row = dict[str, Any]


def key(kind: str, number: int) -> str:
    """A stand-in for a keyed HMAC."""
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()[:32]


def picture(number: int) -> bytes:
    """A PNG of something like a cell."""
    rng = np.random.default_rng(number)
    ground = rng.normal((236, 222, 226), 3, (SIDE_PX, SIDE_PX, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(ground)
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y = rng.integers(-8, SIDE_PX, 2)
        draw.ellipse((x, y, x + 18, y + 18), fill=(226, 170, 176), outline=(206, 140, 150))
    draw.ellipse((14, 14, 50, 50), fill=(205 - number % 40, 186, 214))
    for _ in range(1 + number % 4):
        x, y = rng.integers(20, 32, 2)
        draw.ellipse((x, y, x + 13, y + 15), fill=(98, 60 + number % 30, 140))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def patient(cell: int) -> int:
    """Whose the cell is."""
    return cell % len(SIDES)


def sample(cell: int, **other: Any) -> Row:
    """A row of curated.samples."""
    who = patient(cell)
    label = LABELS[cell % 7 % len(LABELS)]
    votes = [
        {"examiner_key": key("examiner", n), "round": 1, "label_code": label if n < 2 else LABELS[(cell + n) % 5]}
        for n in range(3)
    ]
    return {
        "cell_id": key("cell", cell),
        "scan_id": key("scan", who),
        "region_id": key("region", who),
        "specimen_id": key("specimen", who),
        "patient_key": key("patient", who),
        "scheme": "default",
        "side": SIDES[who],
        "label_code": label,
        "vocabulary": "munich_bmc",
        "support": 2 / 3,
        "votes": votes[::-1] if cell % 2 else votes,
        "center_x": 100.0 + cell,
        "center_y": 50.0,
        "duplicate_of": None,
        "kind": "field",
        "mpp_x": 0.25 if who else None,
        "mpp_y": 0.25 if who else None,
        "mpp_source": "header" if who else "the source states none",
        "scanner_key": key("scanner", who % 2),
        "site_key": key("site", who % 2),
        "stain": "Pappenheim",
        "stain_batch": None,
        "material": "bone marrow",
        "sex": ("female", "male")[who % 2],
        "age_group": ("60-69", "70-79")[who // 2 % 2] if who < 8 else None,
        "diagnosis": ("C92.0", "D46.9", None)[who % 3],
        "hemoglobin": 92.0,
        "leukocytes": 3.4,
        "erythrocytes": None,
        "platelets": 120.0,
        "blood_count_days": 2,
    } | other


def crop(cell: int, **other: Any) -> Row:
    """A row of curated.crops."""
    image = picture(cell)
    return {
        "unit_id": key("cell", cell),
        "unit_kind": "cell",
        "preset": f"cell-{SIDE_PX}",
        "scan_id": key("scan", patient(cell)),
        "x": 68 + cell,
        "y": 18,
        "width": SIDE_PX,
        "height": SIDE_PX,
        "scale": 1.0,
        "out_mpp_x": 0.25,
        "out_mpp_y": 0.25,
        "border_policy": "pad",
        "valid_fraction": 1.0,
        "absent_fraction": 0.0,
        "pixel_sha256": hashlib.sha256(image).hexdigest(),
        "encoding": "image/png",
        "encoder_version": "pillow",
        "image": image,
    } | other


def duplicate(kind: str, one: int, other: int) -> Row:
    """A row of curated.duplicates."""
    first, second = sorted((key(kind, one), key(kind, other)))
    alike = {"kind": "exact" if kind == "cell" else "near", "score": 1.0}
    change = {"turn": 0, "flip": False, "dx": 0.0, "dy": 0.0}
    told = {"method_version": "2", "decision": "linked"}
    return {"unit_kind": kind, "unit_a": first, "unit_b": second, **alike, **change, **told}


def deid_log() -> list[Row]:
    """Rows of curated.deid_log of four files."""
    done = (
        ("(0010,0010)", "emptied", "Basic Profile", "Z", 1),
        ("(0010,0030)", "emptied", "Basic Profile", "Z", 1),
        ("(0008,0090)", "emptied", "Basic Profile", "Z", 1),
        ("(0008,0080)", "removed", "Basic Profile", "X/Z/D", 1),
        ("(0008,0018)", "replaced", "Basic Profile", "U", 1),
        ("(0008,002A)", "shifted", "Retain Longitudinal Temporal Information with Modified Dates", "C", 1),
        ("(0040,0560)[0].(0040,0551)", "replaced", "Basic Profile", "D", 1),
        ("(0040,0560)[1].(0040,0551)", "replaced", "Basic Profile", "D", 1),
        ("private", "removed", "private elements are removed", "X", 7),
        ("(0010,0040)", "kept", "Retain Patient Characteristics", "K", 1),
        ("Patient.name", "removed", "free text", None, 1),
        ("ImageDescription/User", "removed", "who scanned it", None, 1),
        (PIXELS, "kept", Look.WHOLE, None, 1),
    )
    return [
        {
            "file_key": key("file", file),
            "attribute_path": path,
            "action": action,
            "rule": rule,
            "code": code,
            "site_key": key("site", file % 2),
            "device_key": key("scanner", 0) if path.startswith("(") else None,
            "occurrences": n,
        }
        for file in range(4)
        for path, action, rule, code, n in done
    ]


def files() -> list[Row]:
    """Rows of restricted.files: what came in, every DIRECT column filled with what must not be shown."""
    kinds = (("application/dicom", "image"), ("image/tiff", "image"), ("text/csv", "records"))
    return [
        {
            "path": f"{PLANTED[2]}.{n}",
            "version": 1,
            "source": ("helsinki", "munich")[n % 2],
            "delivery": PLANTED[3],
            "bytes": 250_000 * (n + 1),
            "modified": "1",
            "content_sha256": hashlib.sha256(bytes([n])).hexdigest(),
            "media_type": kinds[n % 3][0],
            "role": kinds[n % 3][1],
            "scan_name": PLANTED[0],
            "scan_ref": PLANTED[0],
            "patient_system": "urn:oid:1.2.246.21",
            "patient_number": PLANTED[1],
            "specimen_number": PLANTED[4],
            "state": "quarantined" if n == 5 else "accepted",
        }
        for n in range(9)
    ]


def records() -> list[Row]:
    """Rows of restricted.records."""
    return [
        {
            "path": PLANTED[2],
            "position": n,
            "source": "helsinki",
            "delivery": PLANTED[3],
            "kind": ("Patient", "Observation", "laboratory")[n % 3],
            "patient_system": None,
            "patient_number": PLANTED[1],
            "file": None,
            "body": f'{{"name": "{PLANTED[0]}"}}',
        }
        for n in range(12)
    ]


def shapes() -> list[Row]:
    """Rows of restricted.shapes."""
    return [
        {
            "path": PLANTED[2],
            "position": n,
            "source": "munich",
            "delivery": PLANTED[3],
            "scan_name": PLANTED[0],
            "geometry_type": ("point", "box", "polygon")[n % 3],
            "coordinates": [1.0, 2.0],
            "label_raw": "NGS",
            "examiner": PLANTED[0],
            "annotator_kind": "human",
            "round": 1,
            "confidence": 0.9,
            "annotated_at": None,
        }
        for n in range(7)
    ]


def identifiers() -> list[Row]:
    """Rows of restricted.identifiers."""
    return [
        {
            "path": PLANTED[2],
            "position": n,
            "patient_system": "urn:oid:1.2.246.21",
            "patient_number": PLANTED[1],
            "kind": ("name", "national_id", "birth_date")[n % 3],
            "value": PLANTED[n % 2],
        }
        for n in range(10)
    ]


def quarantine() -> list[Row]:
    """Rows of restricted.quarantine."""
    held = (
        ("ingest", "file", "label_image", None),
        ("ingest", "file", "empty_file", None),
        ("ingest", "file", "label_image", None),
        ("deidentify", "file", "identifier_found", None),
        ("deidentify", "annotation", "scan_missing", "partner"),
        ("deidentify", "annotation", "box_without_area", None),
    )
    return [
        {
            "stage": stage,
            "unit_kind": unit,
            "unit_id": f"{PLANTED[2]}#{n}",
            "source": "helsinki",
            "delivery": PLANTED[3],
            "reason": reason,
            "sentence": f"About {PLANTED[0]}.",
            "place": PLANTED[2],
            "resolved_by": resolved,
        }
        for n, (stage, unit, reason, resolved) in enumerate(held)
    ]
