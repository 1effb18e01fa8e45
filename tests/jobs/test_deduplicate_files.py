"""`hemalake deduplicate-files` on planted copies: all found, no look-alike, the same by one process or two."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from jobs.cli import main
from jobs.pixels import partial

Pixels = NDArray[np.uint8]
SIDE = 250


def smear(seed: int, width: int = 340, height: int = 340) -> Pixels:
    """A crowd of round cells on a pale ground, the nucleated one in the middle, all with grain and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), (228, 214, 220), dtype=np.float32)
    grain = ndimage.gaussian_filter(random.normal(size=(height, width)), 3) * 60
    spots = random.uniform((0, 0), (width, height), (width * height // 7000, 2))
    for column, row in spots:
        ring = np.hypot(x - column, y - row) / random.uniform(24, 30)
        inside = (ring < 1)[..., None]
        tint = np.array((205, 150, 160)) + 25 * np.exp(-((ring / 0.4) ** 2))[..., None] + grain[..., None] * 0.3
        picture = np.where(inside, tint, picture)
    inside = np.hypot((x - width / 2) / 1.2, y - height / 2) < 48 + grain * 0.4
    picture = np.where(inside[..., None], np.array((110, 70, 150)) + grain[..., None], picture)
    picture = ndimage.gaussian_filter(picture, (1.2, 1.2, 0)) + random.normal(0, 2, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def crop(picture: Pixels, dx: int = 0, dy: int = 0, side: int = SIDE) -> Pixels:
    """The middle of a picture, moved."""
    x, y = (picture.shape[1] - side) // 2 + dx, (picture.shape[0] - side) // 2 + dy
    return picture[y : y + side, x : x + side]


def turned(picture: Pixels, degrees: float) -> Pixels:
    """The middle of a picture that was turned; nothing is empty."""
    return crop(np.asarray(Image.fromarray(picture).rotate(degrees, Image.Resampling.BICUBIC)))


def resized(picture: Pixels, side: int) -> Pixels:
    """A picture of another size."""
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def framed(picture: Pixels, side: int, colour: int) -> Pixels:
    """A picture with its middle only, padded with one colour."""
    edge = (SIDE - side) // 2
    return np.pad(crop(picture, side=side), ((edge, edge), (edge, edge), (0, 0)), constant_values=colour)


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "shifted.png": lambda picture: crop(picture, 12, -12),
    "turned.png": lambda picture: np.rot90(crop(picture)),
    "flipped.png": lambda picture: crop(picture)[:, ::-1],
    "flipped_and_turned.webp": lambda picture: np.rot90(crop(picture, -8, 5)[:, ::-1], 3),
    "encoded.jpg": crop,
    "small.png": lambda picture: resized(crop(picture), 160),
    "bright.bmp": lambda picture: np.clip(crop(picture) * 0.8 + 40, 0, 255).astype(np.uint8),
    "degrees.png": lambda picture: turned(picture, 5),
    "scaled.png": lambda picture: resized(crop(picture, side=round(SIDE * 0.93)), SIDE),
    "framed.png": lambda picture: framed(picture, 230, 0),
}


def save(pixels: Pixels, to: Path) -> None:
    """Write a picture by its suffix; JPEG and WebP lossy."""
    Image.fromarray(np.ascontiguousarray(pixels)).save(to, quality=60)


def report(folder: Path, *options: str, expected: int = 0) -> list[dict[str, str]]:
    """Run the command and read its report."""
    to = folder.parent / "pairs.csv"
    assert main(["deduplicate-files", str(folder), "--report", str(to), *options]) == expected
    with to.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty crops, of which each of the first has one changed copy in a subfolder."""
    folder = tmp_path_factory.mktemp("crops") / "in"
    (folder / "copies").mkdir(parents=True)
    for n in range(30):
        save(crop(smear(n)), folder / f"{n:02d}.png")
    for n, (name, change) in enumerate(CHANGES.items()):
        save(change(smear(n)), folder / "copies" / f"{n:02d}_{name}")
    return folder


@pytest.fixture(scope="module")
def found(planted: Path) -> list[dict[str, str]]:
    """The report on the planted folder."""
    return report(planted, "--jobs", "1")


class TestPlantedCopies:
    @pytest.mark.parametrize(("number", "name"), list(enumerate(CHANGES)))
    def test_a_changed_copy_is_found(self, found: list[dict[str, str]], number: int, name: str) -> None:
        pair = [row for row in found if row["b"] == f"copies/{number:02d}_{name}"]
        assert [(row["a"], row["kind"]) for row in pair] == [(f"{number:02d}.png", "near")]
        assert 0.65 <= float(pair[0]["score"]) <= 1

    def test_nothing_else_is(self, found: list[dict[str, str]]) -> None:
        assert len(found) == len(CHANGES)

    @pytest.mark.parametrize(
        ("name", "transform"),
        [("shifted.png", (0, 0, 12, -12)), ("turned.png", (270, 0, 0, 0)), ("flipped.png", (0, 1, 0, 0))],
    )
    def test_the_transform_says_what_was_done(
        self, found: list[dict[str, str]], name: str, transform: tuple[int, ...]
    ) -> None:
        row = next(row for row in found if row["b"].endswith(f"_{name}") and "and" not in row["b"])
        said = [float(part.partition("=")[2]) for part in row["transform"].split()]
        assert said == pytest.approx(transform, abs=1)

    def test_more_processes_find_the_same(self, planted: Path, found: list[dict[str, str]]) -> None:
        assert report(planted, "--jobs", "2") == found


class TestEqualPictures:
    def test_the_format_does_not_matter(self, tmp_path: Path) -> None:
        pixels = crop(smear(1))
        (tmp_path / "in" / "b").mkdir(parents=True)
        for name in ("c.png", "a.bmp", "b/x.tif"):
            save(pixels, tmp_path / "in" / name)
        (tmp_path / "in" / "z.jxl").write_bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))
        rows = report(tmp_path / "in")
        names = ["a.bmp", "b/x.tif", "c.png", "z.jxl"]
        assert [(row["a"], row["b"]) for row in rows] == [(x, y) for n, x in enumerate(names) for y in names[n + 1 :]]
        assert {(row["kind"], row["score"], row["transform"]) for row in rows} == {
            ("exact", "1.0000", "turn=0 flip=0 dx=0.0 dy=0.0")
        }

    def test_a_copy_of_one_is_a_copy_of_all(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        for name in ("a.png", "c.png"):
            save(crop(smear(1)), tmp_path / "in" / name)
        save(crop(smear(1), 6, 0), tmp_path / "in" / "b.png")
        rows = {(row["a"], row["b"]): (row["kind"], row["transform"]) for row in report(tmp_path / "in")}
        assert [kind for kind, _ in rows.values()] == ["near", "exact", "near"]
        shifts = [float(rows[pair][1].split()[2][3:]) for pair in (("a.png", "b.png"), ("b.png", "c.png"))]
        assert shifts == pytest.approx([6, -6], abs=0.5)

    def test_sixteen_bits_and_alpha_are_read(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        pixels = crop(smear(1))
        save(pixels, tmp_path / "in" / "a.png")
        (tmp_path / "in" / "b.png").write_bytes(imagecodecs.png_encode(pixels.astype(np.uint16) * 257))
        opaque = np.full((*pixels.shape[:2], 1), 255, dtype=np.uint8)
        Image.fromarray(np.concatenate([pixels, opaque], axis=2)).save(tmp_path / "in" / "c.png")
        assert [row["kind"] for row in report(tmp_path / "in")] == ["exact"] * 3


class TestUnevenLight:
    """A microscope that was not set up well darkens the corners of everything that it takes."""

    @staticmethod
    def darkened(picture: Pixels, most: float) -> Pixels:
        y, x = (np.linspace(-1, 1, side) for side in picture.shape[:2])
        light = 1 - most * (x[None, :] ** 2 + y[:, None] ** 2)
        return np.rint(picture * light[..., None]).astype(np.uint8)

    @pytest.mark.parametrize("most", [0.15, 0.25])
    def test_a_copy_with_dark_corners_is_found(self, tmp_path: Path, most: float) -> None:
        for seed in range(6):
            save(crop(smear(seed)), tmp_path / f"{seed}.png")
            save(self.darkened(crop(smear(seed), 4, -3), most), tmp_path / f"{seed}_dark.png")
        assert [(row["a"][0], row["b"]) for row in report(tmp_path)] == [(str(n), f"{n}_dark.png") for n in range(6)]

    def test_fields_with_dark_corners_overlap(self, tmp_path: Path) -> None:
        for seed in range(3):
            slide = smear(seed, 1000, 480)
            save(self.darkened(slide[:, :640], 0.2), tmp_path / f"{seed}_a.png")
            save(self.darkened(slide[:, 360:], 0.2), tmp_path / f"{seed}_b.png")
        found = [(row["a"], row["b"], row["kind"]) for row in report(tmp_path)]
        assert found == [(f"{n}_a.png", f"{n}_b.png", "overlap") for n in range(3)]


class TestTransform:
    def test_of_unequal_sizes_it_is_in_pixels_of_a(self, tmp_path: Path) -> None:
        """An exact copy that comes later in the alphabet is the other side of the same pair."""
        save(crop(smear(1)), tmp_path / "a.png")
        save(resized(crop(smear(1), 12, -8), 310), tmp_path / "m.png")
        save(crop(smear(1)), tmp_path / "z.bmp")
        moved = {(row["a"], row["b"]): row["transform"].split() for row in report(tmp_path)}
        for pair, by in ((("a.png", "m.png"), 1), (("m.png", "z.bmp"), -310 / SIDE)):
            dx, dy = (float(moved[pair][n][3:]) for n in (2, 3))
            assert (dx, dy) == pytest.approx((12 * by, -8 * by), abs=1)

    def test_of_a_trimmed_field_it_is_where_the_centre_lies(self, tmp_path: Path) -> None:
        whole = smear(3, 640, 480)
        save(whole, tmp_path / "a.png")
        save(whole[:408, :544], tmp_path / "b.png")
        (row,) = report(tmp_path)
        dx, dy = (float(part[3:]) for part in row["transform"].split()[2:])
        assert row["kind"] == "near"
        assert (dx, dy) == pytest.approx((-48, -36), abs=3)

    def test_large_groups_are_listed_whole(self, tmp_path: Path) -> None:
        picture = crop(smear(1))
        for n in range(120):
            save(picture, tmp_path / f"{n}.png")
        assert len(report(tmp_path)) == 120 * 119 / 2


class TestFields:
    def test_fields_that_share_a_part_overlap(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        slide = smear(7, 1100, 480)
        save(slide[:, :640], tmp_path / "in" / "a.jpg")
        save(slide[:, 460:], tmp_path / "in" / "b.jpg")
        save(smear(8, 640, 480), tmp_path / "in" / "c.jpg")
        rows = report(tmp_path / "in")
        assert [(row["a"], row["b"], row["kind"]) for row in rows] == [("a.jpg", "b.jpg", "overlap")]
        assert float(rows[0]["transform"].split()[2][3:]) == pytest.approx(460, abs=2)

    @pytest.mark.parametrize(("width", "height"), [(670, 500), (1100, 480), (400, 480), (330, 470)])
    def test_fields_of_other_sizes_overlap(self, tmp_path: Path, width: int, height: int) -> None:
        slide = smear(7, 1640, 500)
        save(slide[:480, :640], tmp_path / "a.jpg")
        save(slide[:height, 300 : 300 + width], tmp_path / "b.jpg")
        save(smear(8, width, height), tmp_path / "c.jpg")
        (row,) = report(tmp_path)
        assert (row["a"], row["b"], row["kind"]) == ("a.jpg", "b.jpg", "overlap")
        assert float(row["transform"].split()[2][3:]) == pytest.approx(300, abs=2)

    def test_too_many_fields_are_only_searched_when_asked_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        slide = smear(7, 1100, 480)
        save(slide[:, :640], tmp_path / "a.jpg")
        save(slide[:, 460:], tmp_path / "b.jpg")
        monkeypatch.setattr(partial, "PAIRS_MOST", 1)
        assert report(tmp_path) == []
        assert "2 fields are too many" in capsys.readouterr().out
        assert [row["kind"] for row in report(tmp_path, "--field-from", "320")] == ["overlap"]

    def test_a_part_of_a_field_overlaps_it(self, tmp_path: Path) -> None:
        whole = smear(3, 640, 480)
        save(whole, tmp_path / "a.png")
        save(whole[60:420, 150:600], tmp_path / "b.png")
        (row,) = report(tmp_path)
        assert (row["kind"], row["transform"]) == ("overlap", "turn=0 flip=0 dx=150.0 dy=60.0")


class TestBadInput:
    def test_unreadable_files_are_named_and_the_rest_goes_on(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        for name in ("a.png", "b.png"):
            save(crop(smear(1)), folder / name)
        save(crop(smear(2)), folder / "cut.jpg")
        (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:3000])
        (folder / "empty.png").touch()
        (folder / "text.jpg").write_text("no picture")
        (folder / "notes.txt").write_text("no picture, and none claimed")
        assert len(report(folder, expected=1)) == 1
        said = capsys.readouterr().out
        assert "cut.jpg: The file ends before its data does." in said
        assert "empty.png: The file has no bytes." in said
        assert "text.jpg: " in said
        assert "notes.txt" not in said
        report(folder, "--json", expected=1)
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (told["pictures"], told["others"], len(told["unreadable"])) == (2, 1, 3)

    def test_flat_and_tiny_pictures_do_no_harm(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        for name, shape in (("a", (1, 1)), ("b", (2, 300)), ("c", (64, 64)), ("d", (250, 250))):
            save(np.full((*shape, 3), 200, dtype=np.uint8), tmp_path / "in" / f"{name}.png")
        assert report(tmp_path / "in") == []

    def test_no_folder_and_no_picture_are_wrong_use(self, tmp_path: Path) -> None:
        assert main(["deduplicate-files", str(tmp_path / "absent"), "--report", str(tmp_path / "r.csv")]) == 2
        (tmp_path / "in").mkdir()
        assert main(["deduplicate-files", str(tmp_path / "in"), "--report", str(tmp_path / "r.csv")]) == 2

    def test_a_name_that_is_no_utf_8_is_written_as_it_is(self, tmp_path: Path) -> None:
        for name in (b"a.png", b"b\xff.png"):
            save(crop(smear(1)), tmp_path / os.fsdecode(name))
        to = tmp_path / "pairs.csv"
        assert main(["deduplicate-files", str(tmp_path), "--report", str(to)]) == 0
        assert b"a.png,b\xff.png,exact" in to.read_bytes()

    def test_a_pipe_is_no_picture(self, tmp_path: Path) -> None:
        save(crop(smear(1)), tmp_path / "a.png")
        os.mkfifo(tmp_path / "b.png")
        assert report(tmp_path) == []

    def test_jpeg_xl_has_the_same_limit(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        save(crop(smear(1)), tmp_path / "a.png")
        flat = np.zeros((9600, 9600), dtype=np.uint8)
        (tmp_path / "b.jxl").write_bytes(imagecodecs.jpegxl_encode(flat, lossless=True, effort=1))
        report(tmp_path, expected=1)
        assert "b.jxl: " in capsys.readouterr().out

    @pytest.mark.parametrize("options", [["--report", "."], ["--report", "a.png"], ["--jobs", "-3"]])
    def test_wrong_use_is_told_before_the_work(self, tmp_path: Path, options: list[str]) -> None:
        save(crop(smear(1)), tmp_path / "a.png")
        before = (tmp_path / "a.png").read_bytes()
        options = [str(tmp_path / one) if one in (".", "a.png") else one for one in options]
        given = options if "--report" in options else [*options, "--report", str(tmp_path / "pairs.csv")]
        assert main(["deduplicate-files", str(tmp_path), *given]) == 2
        assert (tmp_path / "a.png").read_bytes() == before
