"""Gather votes into annotation files, and keep account of which vote stands where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobs.hospital import formats
from jobs.hospital.people import Examiner
from jobs.hospital.plan import Scan, Vote
from jobs.hospital.seeds import pick, rng
from jobs.hospital.truth import Truth

Box = tuple[int, int, int, int]
FIELD_FORMATS = ("voc", "csv", "voc", "geojson")
SLIDE_FORMATS = ("geojson", "csv", "geojson")


@dataclass
class VocFile:
    """A Pascal VOC file in the making."""

    scan: Scan
    examiner: Examiner
    at: str
    turn: int
    boxes: list[tuple[str, Box]] = field(default_factory=list)


@dataclass
class Collection:
    """The annotation files of one delivery in the making."""

    folder: str
    """Landing-relative folder of the delivery."""
    truth: Truth
    features: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    boxes: dict[str, VocFile] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)

    @property
    def points_path(self) -> str:
        """The one table of points."""
        return f"{self.folder}/annotations/points.csv"

    def add(self, scan: Scan, votes: list[Vote], seed: int, turn: int) -> list[str]:
        """Write a scan's votes down, each examiner's in one format; their places, in the order of the votes."""
        allowed = FIELD_FORMATS if scan.is_field else SLIDE_FORMATS
        chosen: dict[str, str] = {}
        places = []
        for vote in votes:
            name = vote.examiner.name
            if name not in chosen:
                random = pick(rng(seed, "format", scan.path, name), allowed)
                chosen[name] = random if chosen else allowed[turn % len(allowed)]
            places.append(self.add_vote(vote, chosen[name]))
        return places

    def add_vote(self, vote: Vote, kind: str) -> str:
        """Write one vote down; its place."""
        if kind == "csv":
            self._identify(vote, self.points_path)
            self.rows.append(formats.point(vote))
            return f"{self.points_path}#{len(self.rows) - 1}"
        if kind == "voc":
            return self.add_box(vote, formats.voc_box(vote))
        return self.add_feature(vote.scan.name, formats.feature(vote), vote)

    def add_feature(self, name: str, feature: dict[str, Any], vote: Vote) -> str:
        """Add a feature to the file of the scan of this name; its place."""
        path = f"{self.folder}/annotations/geojson/{name}.geojson"
        features = self.features.setdefault(path, [])
        features.append(feature)
        self._identify(vote, path)
        return f"{path}#{len(features) - 1}"

    def add_box(self, vote: Vote, box: Box) -> str:
        """Add a box to the vote's VOC file; its place."""
        scan, examiner = vote.scan, vote.examiner
        path = f"{self.folder}/annotations/voc/{examiner.user}/{scan.name}.xml"
        file = self.boxes.setdefault(path, VocFile(scan, examiner, f"{vote.at:%Y-%m-%dT%H:%M:%SZ}", vote.round))
        file.boxes.append((vote.label, box))
        self._identify(vote, path)
        self.truth.identify(examiner.user, None, "user", path)
        return f"{path}#{len(file.boxes) - 1}"

    def _identify(self, vote: Vote, path: str) -> None:
        self.truth.identify(vote.examiner.name, None, "staff", path)
        if path != self.points_path:
            self.truth.identify_name_of(vote.scan, path)

    def files(self) -> dict[str, bytes]:
        """All files, by landing-relative path."""
        found = {path: formats.geojson(features) for path, features in self.features.items()}
        for path, file in self.boxes.items():
            found[path] = formats.voc(file.scan, file.examiner, file.at, file.boxes, file.turn)
        if self.rows:
            found[self.points_path] = formats.table(formats.POINT_COLUMNS, self.rows)
        return found
