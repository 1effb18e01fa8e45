"""Planted copies in a lake that grows: what a batch brings is found against what was there, which stays as it was."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jobs.crop.fingerprints import fingerprint
from jobs.deduplicate.stage import run
from jobs.lake import EVERYTHING, Lake, contract
from jobs.pixels import partial
from jobs.pixels.digest import pixel_sha256
from jobs.settings import Source
from schemas.stages import CROP, DEDUPLICATE, DEIDENTIFY, Stage
from tests.jobs.test_deduplicate_files import crop, resized, smear, turned

SIDE = 250


@dataclass(frozen=True)
class Shown:
    """A scan with what it shows: cells by name with their pixels, and the overview of the whole."""

    name: str
    patient: str
    cells: dict[str, np.ndarray]
    overview: np.ndarray
    kind: str = "field"
    site: str = ""
    by: int = 1
    """By how much the overview is reduced."""


def key(name: str) -> str:
    """A key that sorts as its name does."""
    return name.encode().hex().ljust(32, "0")


def name_of(key: str) -> str:
    return bytes.fromhex(key).rstrip(b"\0").decode()


def put(lake: Lake, stage: Stage, name: str, rows: Iterable[dict[str, Any]]) -> None:
    schema = ", ".join(f"{column.name} {column.type}" for column in contract(name).own_columns)
    made = lake.spark.createDataFrame(list(rows), schema)
    made = made.selectExpr(*[f"`{column.name}`" for column in contract(name).own_columns])
    lake.write(lake.work(stage, rebuild=True), name, made, scope=EVERYTHING)


def crop_row(unit: str, kind: str, scan: Shown, pixels: np.ndarray, by: int = 1) -> dict[str, Any]:
    row = {
        "unit_id": key(unit), "unit_kind": kind, "preset": "overview" if kind == "region" else "cell_250",
        "scan_id": key(scan.name), "x": 500, "y": 500, "width": pixels.shape[1] * by, "height": pixels.shape[0] * by,
        "pixel_sha256": pixel_sha256(pixels),
    }  # fmt: skip
    return fingerprint(row, np.ascontiguousarray(pixels), (5000, 5000))


def fill(lake: Lake, scans: list[Shown], *, far: float = 300.0) -> None:
    """Make these scans all that the lake holds, as the stages before leave it; cells lie `far` from each other."""
    blank = {column.name: None for column in contract("curated.scans").own_columns}
    put(lake, DEIDENTIFY, "curated.scans", [
        blank | {"scan_id": key(s.name), "patient_key": key(s.patient), "kind": s.kind, "uri": "x",
                 "site_key": s.site or key("site"),
                 "width_px": s.overview.shape[1] * s.by, "height_px": s.overview.shape[0] * s.by,
                 "mpp_source": "header", "scanner_key": key("k"), "lossy_source": False, "stain": "Pappenheim",
                 "codec": "jpeg"}
        for s in scans
    ])  # fmt: skip
    put(lake, CROP, "curated.cells", [
        {"cell_id": key(cell), "scan_id": key(s.name), "region_id": key(s.name), "center_x": far * n, "center_y": 0.0,
         "sampling": "annotated"}
        for s in scans for n, cell in enumerate(s.cells)
    ])  # fmt: skip
    rows = [crop_row(f"r {s.name}", "region", s, s.overview, s.by) for s in scans]
    rows += [crop_row(cell, "cell", s, pixels) for s in scans for cell, pixels in s.cells.items()]
    put(lake, CROP, "curated.fingerprints", rows)


def deduplicate(lake: Lake) -> dict[tuple[str, str], Any]:
    work = lake.work(DEDUPLICATE)
    accounts = run(lake, work)
    assert accounts[0].came == accounts[0].passed
    return {(name_of(row.unit_a), name_of(row.unit_b)): row for row in lake.read("curated.duplicates").collect()}


def jpeg(pixels: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def photographed_again(pixels: np.ndarray) -> np.ndarray:
    """Two degrees turned, a little larger, darker, softer."""
    seen = np.asarray(Image.fromarray(pixels).rotate(2, Image.Resampling.BICUBIC))
    seen = np.asarray(Image.fromarray(crop(seen, 3, -4, side=242)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return np.clip(seen * 0.9, 0, 255).astype(np.uint8)


def shrunk(field: np.ndarray) -> np.ndarray:
    """A field of four to three as its overview shows it."""
    return np.asarray(Image.fromarray(field).resize((320, 240), Image.Resampling.BOX))


CHANGES = {
    "same": crop,
    "shifted": lambda picture: crop(picture, 12, -12),
    "turned": lambda picture: np.rot90(crop(picture)),
    "flipped": lambda picture: crop(picture)[:, ::-1],
    "encoded": lambda picture: jpeg(crop(picture)),
    "degrees": lambda picture: turned(picture, 5),
    "scaled": lambda picture: resized(crop(picture, side=232), SIDE),
    "retaken": photographed_again,
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory, spark):
    """A lake to which a second patient's scans came, whose cells are changed copies of the first's."""
    from jobs.settings import Places, Settings

    root = tmp_path_factory.mktemp("grown")
    (root / "key").write_bytes(bytes(range(32)))
    places = Places(lake=(root / "lake").as_uri(), landing=(root / "in").as_uri(), key=f"@{root / 'key'}")
    lake = Lake(Settings(places=places, sources={"helsinki": Source()}), spark)
    lake.running = "deduplicate"
    first = Shown("scan 1", "patient 1", {f"a{n:02d}": crop(smear(n)) for n in range(20)}, smear(900, 320, 240))
    deduplicate_first = (fill(lake, [first]), deduplicate(lake))[1]
    copies = {f"b {name}": change(smear(n)) for n, (name, change) in enumerate(CHANGES.items())}
    more = {f"b{n:02d}": crop(smear(100 + n)) for n in range(6)}
    second = Shown("scan 2", "patient 2", copies | more, smear(901, 320, 240))
    fill(lake, [first, second], far=300.0)
    read = []
    decode = Image.open
    Image.open = lambda *a, **k: read.append(a) or decode(*a, **k)
    try:
        pairs = deduplicate(lake)
    finally:
        Image.open = decode
    return lake, deduplicate_first, pairs, read


class TestALakeThatGrows:
    def test_distinct_cells_are_no_pair(self, grown):
        assert grown[1] == {}

    @pytest.mark.parametrize(("number", "name"), list(enumerate(CHANGES)))
    def test_a_changed_copy_that_comes_later_is_found(self, grown, number, name):
        pair = grown[2][f"a{number:02d}", f"b {name}"]
        assert pair.unit_kind == "cell"
        assert pair.kind == ("exact" if name == "same" else "near")

    def test_nothing_else_is(self, grown):
        assert len(grown[2]) == len(CHANGES)

    def test_the_change_is_told(self, grown):
        told = {name: grown[2][f"a{n:02d}", f"b {name}"] for n, name in enumerate(CHANGES)}
        assert (told["turned"].turn, told["turned"].flip) == (270, False)
        assert (told["flipped"].turn, told["flipped"].flip) == (0, True)
        assert (told["shifted"].dx, told["shifted"].dy) == pytest.approx((12, -12), abs=1)

    def test_two_patients_are_for_review(self, grown):
        assert {pair.decision for pair in grown[2].values()} == {"review"}

    def test_no_pixel_is_decoded(self, grown):
        assert grown[3] == []

    def test_nothing_is_left_beside_the_lake(self, grown):
        lake = grown[0]
        assert not list(lake.store.list(f"{lake.settings.zone_root('curated')}/_staging"))

    def test_a_batch_without_crops_changes_nothing(self, grown):
        lake, _, pairs, _ = grown
        before = lake.version("curated.duplicates")
        assert deduplicate(lake) == pairs
        assert lake.version("curated.duplicates") == before


class TestScans:
    def test_copies_and_retakes_are_near_and_parts_overlap(self, lake):
        canvas = smear(7, 460, 330)
        fields = {
            "plain": canvas[:240, :320],
            "equal": canvas[:240, :320],
            "encoded": jpeg(canvas[:240, :320]),
            "mirrored": canvas[:240, :320][:, ::-1],
            "next": canvas[60:300, 130:450],
            "other": smear(8, 320, 240),
        }
        lake.running = "deduplicate"
        fill(lake, [Shown(name, "patient", {}, pixels) for name, pixels in fields.items()])
        found = deduplicate(lake)
        assert {pair: row.kind for pair, row in found.items()} == {
            ("encoded", "equal"): "near",
            ("encoded", "mirrored"): "near",
            ("encoded", "next"): "overlap",
            ("encoded", "plain"): "near",
            ("equal", "mirrored"): "near",
            ("equal", "next"): "overlap",
            ("equal", "plain"): "exact",
            ("mirrored", "plain"): "near",
            ("next", "plain"): "overlap",
        }
        assert {row.decision for row in found.values()} == {"linked"}
        assert (found["next", "plain"].dx, found["next", "plain"].dy) == pytest.approx((-130, -60), abs=1.5)

    def test_fields_of_other_sizes_overlap(self, lake):
        canvas = smear(7, 1280, 720)
        small, large = canvas[:480, :640], canvas[:720, 200:1160]
        lake.running = "deduplicate"
        fill(lake, [
            Shown("large", "patient", {}, shrunk(large), by=3),
            Shown("other", "patient", {}, shrunk(smear(8, 640, 480)), by=2),
            Shown("small", "patient", {}, shrunk(small), by=2),
        ])  # fmt: skip
        (pair,) = deduplicate(lake).items()
        assert (pair[0], pair[1].kind) == (("large", "small"), "overlap")
        assert (pair[1].dx, pair[1].dy) == pytest.approx((-200, 0), abs=3)

    def test_too_many_fields_at_a_time_are_told(self, lake, monkeypatch):
        canvas = smear(7, 460, 330)
        cut = {"one": canvas[:240, :320], "again": jpeg(canvas[:240, :320]), "next": canvas[60:300, 130:450]}
        monkeypatch.setattr(partial, "PAIRS_MOST", 4)
        lake.running = "deduplicate"
        fill(lake, [Shown(name, "patient", {}, pixels) for name, pixels in cut.items()])
        work = lake.work(DEDUPLICATE)
        run(lake, work)
        (pair,) = lake.read("curated.duplicates").collect()
        assert (name_of(pair.unit_a), name_of(pair.unit_b), pair.kind) == ("again", "one", "near")
        assert len(work.warnings) == 1
        assert work.warnings[0].startswith("3 fields of one owner are too many at a time")

    def test_cells_on_one_spot_of_a_turned_field_are_linked(self, lake):
        field = smear(9, 320, 240)
        lake.running = "deduplicate"
        one = Shown("one", "patient", {"c1": crop(smear(1))}, field)
        other = Shown("other", "patient", {"c2": crop(smear(2))}, np.rot90(field, 2))
        fill(lake, [one, other])
        lake.store.delete_folder(lake.uri(contract("curated.cells")))
        at = {"region_id": key("r"), "sampling": "annotated"}
        put(lake, CROP, "curated.cells", [
            at | {"cell_id": key("c1"), "scan_id": key("one"), "center_x": 100.0, "center_y": 50.0},
            at | {"cell_id": key("c2"), "scan_id": key("other"), "center_x": 220.0, "center_y": 190.0},
        ])  # fmt: skip
        assert deduplicate(lake)["c1", "c2"].kind == "near"

    def test_where_a_source_names_no_patients_nobody_is_mixed_up(self, lake):
        from jobs.pseudonyms import Pseudonyms

        site = Pseudonyms.from_file(lake.settings.key_path()).key_for("site", "open")
        lake = Lake(replace(lake.settings, sources={"open": Source(patients="none")}), lake.spark)
        lake.running = "deduplicate"
        canvas = smear(7, 460, 330)
        cut = {"one": canvas[:240, :320], "next": canvas[60:300, 130:450]}
        fill(lake, [Shown(name, f"of {name}", {}, pixels, site=site) for name, pixels in cut.items()])
        (pair,) = deduplicate(lake).values()
        assert (pair.kind, pair.decision) == ("overlap", "linked")
