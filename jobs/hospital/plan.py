"""What the hospital holds, before anything is drawn: cases, scans, cells and where they lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from jobs.hospital.diseases import Disease
from jobs.hospital.people import Examiner, Person


@dataclass(frozen=True)
class Cell:
    """A nucleated cell on a scan."""

    x: float
    """Level-0 pixels from the left edge of the first pixel."""
    y: float
    code: str
    """True Munich class."""
    seed: int


@dataclass(frozen=True)
class Canvas:
    """What is drawn; a scan may be cut from a larger one."""

    width: int
    height: int
    cells: tuple[Cell, ...]
    """In pixels of the canvas."""
    left: int = 0
    top: int = 0
    """Where the scan's first pixel lies."""


@dataclass(frozen=True)
class Scan:
    """A slide or a field: everything that its pixels and its file depend on."""

    name: str
    """As annotations call it: container identifier of a DICOM slide, file stem of the rest."""
    path: str
    """Landing-relative: the file, or the folder of a DICOM slide."""
    person: Person
    kind: str
    """smear, section or field."""
    width: int
    height: int
    um: float
    """µm per pixel."""
    seed: int
    cells: tuple[Cell, ...]
    specimen: str
    container: str
    batch: str
    """Stain batch."""
    taken: datetime
    """When the specimen was taken."""
    scanned: datetime
    rbc: tuple[float, float]
    """Size and pallor of red cells."""
    quality: int
    tile: int = 256
    cut_from: Canvas | None = None
    """The canvas, where it is larger than the scan."""
    comment: str = ""
    """Written into EXIF or ImageDescription."""

    @property
    def source(self) -> str:
        """Delivering site."""
        return self.person.source

    @property
    def is_field(self) -> bool:
        """Whether it is a JPEG field."""
        return self.kind == "field"

    @property
    def format(self) -> str:
        """dicom, svs or jpeg."""
        return "jpeg" if self.is_field else "dicom" if self.source == "helsinki" else "svs"

    @property
    def canvas(self) -> Canvas:
        """What is drawn."""
        return self.cut_from or Canvas(self.width, self.height, self.cells)

    @property
    def files(self) -> list[str]:
        """Landing-relative paths of its image files."""
        return [f"{self.path}/{n}.dcm" for n in range(1, 5)] if self.format == "dicom" else [self.path]


@dataclass(frozen=True)
class Case:
    """A patient with a disease, a specimen and the scans of it."""

    person: Person
    disease: Disease
    taken: datetime
    specimen: str
    scans: tuple[Scan, ...]
    withdrawn: bool = False


@dataclass(frozen=True)
class Duplicate:
    """Two fields that show the same."""

    kind: str
    """exact, re-encoded or overlapping."""
    a: Scan
    b: Scan
    share: float
    """Of the area of either that both show."""


@dataclass(frozen=True)
class Vote:
    """What one examiner made of one cell."""

    scan: Scan
    cell: int
    """Index of the cell in its scan."""
    x: float
    y: float
    label: str
    examiner: Examiner
    at: datetime
    round: int = 1


@dataclass
class Hospital:
    """All cases and what is wrong with some."""

    seed: int
    cases: list[Case]
    duplicates: list[Duplicate] = field(default_factory=list)
    distinct_cells: int = 0
    """True cells, those on two fields counted once."""

    @property
    def scans(self) -> list[Scan]:
        """All scans, in the order of cases."""
        return [scan for case in self.cases for scan in case.scans]
