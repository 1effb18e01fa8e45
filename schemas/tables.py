"""Every table of the lake by its full name, in the order of the pipeline."""

from __future__ import annotations

from schemas.annotations import ANNOTATIONS
from schemas.assignments import ASSIGNMENTS
from schemas.cells import CELLS
from schemas.consensus import CONSENSUS
from schemas.contract import Table
from schemas.crops import CROPS
from schemas.deid_log import DEID_LOG
from schemas.diagnoses import DIAGNOSES
from schemas.duplicates import DUPLICATES
from schemas.features import FEATURES
from schemas.files import FILES
from schemas.fingerprints import FINGERPRINTS
from schemas.genetics import GENETICS
from schemas.identifiers import IDENTIFIERS
from schemas.identities import IDENTITIES
from schemas.measurements import MEASUREMENTS
from schemas.outcomes import OUTCOMES
from schemas.patients import PATIENTS
from schemas.quarantine import QUARANTINE
from schemas.records import RECORDS
from schemas.regions import REGIONS
from schemas.samples import SAMPLES
from schemas.scans import SCANS
from schemas.shapes import SHAPES
from schemas.snapshots import SNAPSHOTS
from schemas.specimens import SPECIMENS
from schemas.splits import SPLITS
from schemas.tiles import TILES
from schemas.votes import VOTES

TABLES: dict[str, Table] = {
    table.full_name: table
    for table in (
        FILES,
        RECORDS,
        SHAPES,
        IDENTIFIERS,
        IDENTITIES,
        ASSIGNMENTS,
        QUARANTINE,
        SCANS,
        REGIONS,
        SPECIMENS,
        PATIENTS,
        DIAGNOSES,
        MEASUREMENTS,
        GENETICS,
        OUTCOMES,
        ANNOTATIONS,
        CELLS,
        VOTES,
        CONSENSUS,
        TILES,
        CROPS,
        FEATURES,
        FINGERPRINTS,
        DUPLICATES,
        SPLITS,
        DEID_LOG,
        SNAPSHOTS,
        SAMPLES,
    )
}
