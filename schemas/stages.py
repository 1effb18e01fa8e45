"""The stages, in their order: what each reads, writes, accounts for and depends on.

The command line, the DAGs and the documentation draw on this list. A stage's name is its module in `jobs/`, its
command, its task in Airflow and its test.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline."""

    name: str
    does: str
    """What it does, in one sentence."""
    reads: tuple[str, ...]
    """Tables that it reads; a change in one of them gives it work."""
    writes: tuple[str, ...]
    """Tables that it writes. The last is its ledger: its commits say which versions were consumed."""
    unit: str
    """What it accounts for: in = out + quarantined."""
    settings: tuple[str, ...] = ()
    """Parts of the settings that its output depends on."""
    version: str = "1"
    """Raised when the same input would give another output."""

    @property
    def keyed(self) -> bool:
        """Whether its rows hold pseudonyms: all rows outside `restricted` do."""
        return any(name.startswith("curated.") for name in self.writes)

    @property
    def ledger(self) -> str:
        """The table whose commits record what the stage has consumed."""
        return self.writes[-1]


INGEST = Stage(
    name="ingest",
    does="Take closed deliveries from the landing zone, keep originals by content, read headers and records.",
    reads=(),
    writes=(
        "restricted.quarantine",
        "restricted.records",
        "restricted.shapes",
        "restricted.identifiers",
        "restricted.identities",
        "restricted.files",
    ),
    unit="file",
    settings=("sources",),
    version="4",
)
DEIDENTIFY = Stage(
    name="deidentify",
    does="Rewrite scans and records without what identifies, then search every output for the identifiers.",
    reads=(
        "restricted.files",
        "restricted.records",
        "restricted.shapes",
        "restricted.identifiers",
        "restricted.identities",
    ),
    writes=(
        "restricted.quarantine",
        "curated.patients",
        "curated.specimens",
        "curated.diagnoses",
        "curated.measurements",
        "curated.genetics",
        "curated.outcomes",
        "curated.regions",
        "curated.scans",
        "curated.annotations",
        "curated.deid_log",
    ),
    unit="file, record and annotation",
    settings=("sources", "deidentify"),
    version="6",
)
CROP = Stage(
    name="crop",
    does="Find the cells that annotations mean, and cut each out of its scan.",
    reads=("curated.scans", "curated.regions", "curated.annotations"),
    writes=("restricted.quarantine", "curated.cells", "curated.fingerprints", "curated.crops", "curated.votes"),
    unit="annotation and crop",
    settings=("crop",),
    version="3",
)
TILE = Stage(
    name="tile",
    does="Cut the tissue of H&E sections into tiles of a stated size of pixel.",
    reads=("curated.scans", "curated.regions"),
    writes=("curated.crops", "restricted.quarantine", "curated.tiles"),
    unit="slide and tile",
    settings=("tiles", "crop"),
    version="3",
)
MEASURE = Stage(
    name="measure",
    does="Tell the quality and the features of every cell and tile from its crop.",
    reads=("curated.crops", "curated.scans", "curated.cells"),
    writes=("curated.features",),
    unit="crop",
    version="3",
)
DEDUPLICATE = Stage(
    name="deduplicate",
    does="Find scans and cells that show the same thing, and link them.",
    reads=("curated.scans", "curated.cells", "curated.fingerprints"),
    writes=("curated.duplicates",),
    unit="crop",
    settings=("crop",),
    version="10",
)
JOIN = Stage(
    name="join",
    does="Give each cell its label, specimen, diagnosis, blood count and side of the split.",
    reads=(
        "restricted.identities",
        "curated.cells",
        "curated.votes",
        "curated.scans",
        "curated.specimens",
        "curated.patients",
        "curated.diagnoses",
        "curated.measurements",
        "curated.duplicates",
    ),
    writes=("restricted.assignments", "curated.splits", "curated.consensus", "curated.samples"),
    unit="cell",
    settings=("split",),
)
VALIDATE = Stage(
    name="validate",
    does="Check across tables, and pin the set of versions that passed.",
    reads=(
        "curated.patients",
        "curated.specimens",
        "curated.diagnoses",
        "curated.measurements",
        "curated.genetics",
        "curated.outcomes",
        "curated.regions",
        "curated.scans",
        "curated.annotations",
        "curated.deid_log",
        "curated.cells",
        "curated.tiles",
        "curated.features",
        "curated.fingerprints",
        "curated.crops",
        "curated.votes",
        "curated.duplicates",
        "curated.splits",
        "curated.consensus",
        "curated.samples",
    ),
    writes=("curated.snapshots",),
    unit="table",
)
RELEASE = Stage(
    name="release",
    does="Build a candidate from the newest snapshot and its report; publish it once an officer has signed.",
    reads=("curated.snapshots",),
    writes=(),
    unit="cell",
    settings=("release",),
    version="2",
)

STAGES: tuple[Stage, ...] = (INGEST, DEIDENTIFY, CROP, TILE, MEASURE, DEDUPLICATE, JOIN, VALIDATE, RELEASE)
