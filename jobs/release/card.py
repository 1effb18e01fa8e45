"""The texts of a release: README (its dataset card), LICENSE and snapshot.json. Nothing in them varies by run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.settings import Settings
from schemas.contract import Privacy
from schemas.released_cells import RELEASED_CELLS
from schemas.stages import RELEASE

SIDES = ("train", "validation", "test")

CC_BY_4 = """Creative Commons Attribution 4.0 International (CC BY 4.0)

You are free to share and adapt this material for any purpose, even commercially, as long as you give appropriate
credit, provide a link to the licence, and say whether changes were made. You may not apply legal terms or technical
measures that legally restrict others from doing anything the licence permits. No warranties are given.

This is a summary and not the licence. The licence itself, which applies, is at
https://creativecommons.org/licenses/by/4.0/legalcode
"""

PRIVACY_WORDS = {
    Privacy.PSEUDONYM: "keyed pseudonym",
    Privacy.QUASI: "identifies together with others",
    Privacy.SENSITIVE: "clinical fact",
}

LIMITS = """- The data are pseudonymised: keys are keyed HMACs, and whoever holds the key can link them to patients.
  Do not try to identify anyone.
- A label is what most examiners said, not the truth. `support` and `votes` tell how far they agreed.
- Classes are as unbalanced as the routine that they come from; the table above shows how much.
- Duplicates are linked by `duplicate_of`, not removed. Linked cells lie on one side of the split.
- Crops near the edge of a scan are padded; `valid_fraction` says how much of a crop shows the scan.
- `mpp_x` and `mpp_y` are null where the source states no pixel size; `mpp_source` says why.
- Not a medical device, and not for use in diagnosis.
"""


@dataclass(frozen=True)
class Made:
    """What the texts say of the candidate."""

    classes: dict[str, dict[str, int]]
    """Cells by side, then label."""
    patients: int
    anonymity: dict[str, Any]
    """How many patients look alike, and what was made more general or withheld for it."""
    snapshot_id: str
    tables: dict[str, int]
    made_by: dict[str, list[dict[str, str]]]
    """Stage versions and settings digests of the rows of each table."""


def texts(settings: Settings, made: Made) -> dict[str, str]:
    """Path to content."""
    return {
        "README.md": readme(settings, made),
        "LICENSE": licence(settings),
        "snapshot.json": snapshot(settings, made),
    }


def licence(settings: Settings) -> str:
    """The licence's notice, after the release's title."""
    name = settings.release.licence
    notice = (
        CC_BY_4 if name.upper() == "CC-BY-4.0" else f"The licence is {name}: https://spdx.org/licenses/{name}.html\n"
    )
    return f"{settings.release.title}\nSPDX-License-Identifier: {name}\n\n{notice}"


def snapshot(settings: Settings, made: Made) -> str:
    """What the release was made from, as JSON."""
    content = {
        "snapshot_id": made.snapshot_id,
        "tables": made.tables,
        "made_by": made.made_by,
        "release": {
            "stage_version": RELEASE.version,
            "settings_sha256": settings.digest(*RELEASE.settings),
            "contract_version": RELEASED_CELLS.version,
        },
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def readme(settings: Settings, made: Made) -> str:
    """The dataset card, with the front matter that dataset hubs read."""
    total = sum(sum(labels.values()) for labels in made.classes.values())
    parts = [
        _front_matter(settings, made),
        f"# {settings.release.title}\n",
        f"{total} images of single blood and marrow cells of {made.patients} patients, each with its label, every "
        "examiner's vote, and what is known of specimen and patient. Training, validation and test share no patient.\n",
        "## What is here\n\n"
        "- `data/<side>/cells-*.parquet`: one row a cell, pixels included (PNG, lossless), ordered by `cell_id`\n"
        "- `images/<side>/<label>/<cell_id>.png`: the same images, byte for byte, in folders by class\n"
        "- `snapshot.json`: the table versions that it was made from\n"
        "- `SHA256SUMS`: check with `sha256sum -c SHA256SUMS`\n",
        f"## Cells by class and side\n\n{_class_table(made.classes)}",
        f"## Columns\n\n{_column_table()}",
        "## How it was made\n\n"
        "Scans and records were de-identified (DICOM PS3.15 profile, keyed HMACs, one date shift a patient), searched "
        "for every known identifier, and cut around each annotated cell. Annotations of one place are one cell; its "
        "label is the consensus of their votes. Diagnosis and blood count are the latest at the time of sampling. A "
        f"side of the split belongs to a patient for good. Snapshot `{made.snapshot_id}` pins these versions:\n\n"
        f"{_version_table(made.tables)}",
        f"## Patients who look alike\n\n{_alike(made)}",
        f"## Limits\n\n{LIMITS}",
        f"## Licence\n\n{settings.release.licence}; see LICENSE.\n",
    ]
    if settings.release.citation:
        parts.append(f"## Citation\n\n{settings.release.citation}\n")
    return "\n".join(parts)


def _alike(made: Made) -> str:
    """What k-anonymity holds of the release, what it cost, and what it does not cover."""
    found, held = made.anonymity, made.anonymity["after"]
    named = ", ".join(f"`{name}`" for name in found["columns"])
    shared = (
        f"At least {held['k']} patients share each combination of {named} that is told; {found['asked']} are asked for."
        if held["k"]
        else f"Nothing is told of {named}."
    )
    rows: list[list[str | int]] = [
        [f"`{name}`", rung, patients] for name, rungs in found["reached"].items() for rung, patients in rungs.items()
    ]
    return (
        f"{shared} Where fewer did, values were made more general: diagnoses up the tree of ICD-10, ages to bands of "
        f"20 years. Nothing of the three is told of {found['suppressed']} of the {made.patients} patients; their cells "
        "are here all the same. A null is a value that is not known or is withheld. Least number of diagnoses among "
        f"patients alike in the other columns (l): {held['diversity']}.\n\n"
        f"{_table(['column', 'told as', 'patients'], rows)}\n"
        f"{', '.join(f'`{name}`' for name in found['measured'])} lie outside k and are as measured: "
        f"{found['unique_by_measured']:.1%} of the patients are unique by them.\n"
    )


def _front_matter(settings: Settings, made: Made) -> str:
    sides = "".join(
        f"      - split: {side}\n        path: data/{side}/*.parquet\n" for side in SIDES if side in made.classes
    )
    return (
        f"---\nlicense: {json.dumps(settings.release.licence.lower())}\n"
        f"pretty_name: {json.dumps(settings.release.title)}\n"
        f"configs:\n  - config_name: default\n    data_files:\n{sides}---\n"
    )


def _class_table(classes: dict[str, dict[str, int]]) -> str:
    sides = [side for side in SIDES if side in classes]
    labels = sorted({label for found in classes.values() for label in found})
    rows: list[list[str | int]] = [[label, *(classes[side].get(label, 0) for side in sides)] for label in labels]
    rows.append(["all", *(sum(classes[side].values()) for side in sides)])
    return _table(["class", *sides, "all"], [[*row, sum(n for n in row[1:] if isinstance(n, int))] for row in rows])


def _column_table() -> str:
    rows: list[list[str | int]] = [
        [f"`{c.name}`", c.type.replace("|", "\\|"), c.unit, c.comment, PRIVACY_WORDS.get(c.privacy, "")]
        for c in RELEASED_CELLS.columns
    ]
    return _table(["column", "type", "unit", "meaning", "privacy"], rows)


def _version_table(tables: dict[str, int]) -> str:
    return _table(["table", "version"], [[name, version] for name, version in sorted(tables.items())])


def _table(head: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    lines: list[Sequence[str | int]] = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)
