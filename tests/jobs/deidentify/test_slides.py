"""Slides in TIFF: nothing planted comes out, levels and pixels stay, for tifffile and OpenSlide alike."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from jobs import cli
from jobs.deidentify.images import deidentify_image
from jobs.errors import BadInput
from jobs.pixels.open import open_scan
from schemas.reasons import Reason
from tests.jobs.deidentify.slide_files import (
    SLIDES,
    TOKEN,
    Slide,
    Tokens,
    label,
    ndpi,
    ome,
    ome_xml,
    pages_of,
    picture,
    saved,
)

FORMS = [form for text in (TOKEN, TOKEN.lower()) for form in (text.encode(), text.encode("utf-16-le"))]


def cleaned(data: bytes, pseudonyms, shift: int = -30) -> tuple[bytes, list]:
    target = BytesIO()
    entries = deidentify_image(
        BytesIO(data), target, media_type="image/tiff", pseudonyms=pseudonyms, patient_id="p", shift_days=shift
    )
    return target.getvalue(), entries


@pytest.fixture(scope="module", params=list(SLIDES))
def slide(request) -> Slide:
    """A slide of each format in turn."""
    return SLIDES[request.param]()


@pytest.fixture(scope="module")
def output(slide, pseudonyms) -> bytes:
    """What comes out of it."""
    data, entries = cleaned(slide.data, pseudonyms)
    assert TOKEN not in str(entries)
    return data


def test_no_token_is_logged(slide, pseudonyms, caplog, capfd):
    cleaned(slide.data, pseudonyms)
    assert TOKEN not in caplog.text + "".join(capfd.readouterr())


def test_no_token_comes_out(slide, output):
    assert slide.data.count(TOKEN.encode()) > 5
    assert not [form for form in FORMS if form in output]


def test_tifffile_reads_the_same_levels(slide, output, tmp_path: Path):
    before, after = saved(slide, tmp_path), saved(Slide(output, [], suffix=slide.suffix), tmp_path, "out")
    with tifffile.TiffFile(before) as one, tifffile.TiffFile(after) as other:
        old, new = dict(pages_of(one)), [page for _, page in pages_of(other)]
        assert len(new) == len(slide.levels)
        for path, page in zip(slide.levels, new, strict=True):
            assert np.array_equal(old[path].asarray(), page.asarray())


def test_openslide_reads_the_same_levels(slide, output, tmp_path: Path):
    if not slide.openslide:
        pytest.skip("OpenSlide does not read the original")
    (tmp_path / "in").write_bytes(slide.data)
    (tmp_path / "out").write_bytes(output)
    with openslide.OpenSlide(tmp_path / "in") as one, openslide.OpenSlide(tmp_path / "out") as other:
        assert not other.associated_images
        for name in ("vendor", "mpp-x", "mpp-y", "objective-power"):
            key = f"openslide.{name}"
            assert other.properties.get(key) == one.properties.get(key)
        sizes = list(one.level_dimensions)
        assert len(other.level_dimensions) == slide.openslide
        for level, size in enumerate(other.level_dimensions):
            same = [n for n, old in enumerate(sizes) if old == size]
            seen = np.asarray(other.read_region((0, 0), level, size))
            assert any(np.array_equal(seen, np.asarray(one.read_region((0, 0), n, size))) for n in same)


def refusal(data: bytes, pseudonyms) -> Reason:
    """Why a file is refused."""
    with pytest.raises(BadInput) as error:
        cleaned(data, pseudonyms)
    return error.value.reason


def pages(*some: dict, **options) -> bytes:
    """A TIFF of the given pages."""
    out = BytesIO()
    with tifffile.TiffWriter(out, **options) as tiff:
        for page in some:
            tiff.write(page.pop("pixels"), **({"metadata": None, "software": False, "photometric": "rgb"} | page))
    return out.getvalue()


@pytest.mark.parametrize(
    "tags",
    [
        {"description": "<scn xmlns='http://www.leica-microsystems.com/scn/2010/10/01'><barcode>x</barcode></scn>"},
        {"software": "MedScan 1.0", "description": "Objective Power=20"},
        {"extratags": [(700, "B", 23, b"<iScan Barcode1D='x'/>\0", False)]},
        {"compression": "lzma"},
    ],
)  # fmt: skip
def test_formats_and_codecs_that_are_not_rewritten_are_refused(tags, pseudonyms):
    data = pages({"pixels": picture(512, 512), "tile": (128, 128), **tags})
    assert refusal(data, pseudonyms) is Reason.NOT_REWRITABLE


@pytest.mark.parametrize("kind", ["label", "macro"])
def test_a_label_alone_is_refused(kind, pseudonyms):
    for text in (f"Aperio Image Library\r\n{kind} 387x463|AppMag = 40", kind.title()):
        reason = refusal(pages({"pixels": label(), "description": text}), pseudonyms)
        assert reason is (Reason.LABEL_IMAGE if kind == "label" else Reason.OVERVIEW_IMAGE)


def test_a_page_in_tiles_that_is_larger_than_the_slide_does_not_take_its_place(pseudonyms):
    tiled = {"tile": (128, 128)}
    data = pages({"pixels": picture(512, 512), **tiled}, {"pixels": label(1024, 1024), **tiled})
    assert refusal(data, pseudonyms) is Reason.NOT_REWRITABLE


def test_channels_that_show_other_pictures_are_refused(pseudonyms):
    tokens, planes = Tokens(), [picture(256, 256, seed)[..., 0].copy() for seed in (1, 2, 3)]
    text = ome_xml(tokens, 256, 256, channels=3, samples=1).encode()
    tiled = {"tile": (128, 128), "photometric": "minisblack"}
    data = pages(*({"pixels": p, **tiled, **({} if n else {"description": text})} for n, p in enumerate(planes)))
    assert refusal(data, pseudonyms) is Reason.NOT_REWRITABLE


def test_a_lens_does_not_make_a_label_a_level(pseudonyms):
    output, _ = cleaned(ndpi(lying=True).data, pseudonyms)
    with tifffile.TiffFile(BytesIO(output)) as tiff:
        assert [page.shape[:2] for page in tiff.pages] == [(512, 1024), (512, 1024), (256, 512), (128, 256)]


def test_hamamatsus_own_layout_is_written(pseudonyms, tmp_path: Path):
    (tmp_path / "a.ndpi").write_bytes(cleaned(ndpi().data, pseudonyms)[0])
    with tifffile.TiffFile(tmp_path / "a.ndpi") as tiff:
        assert tiff.is_ndpi
        assert [page.tags[65421].value for page in tiff.pages] == [20.0, 20.0, 10.0, 5.0]
        assert np.array_equal(tiff.pages[0].asarray(), tifffile.imread(BytesIO(ndpi().data), key=0))


@pytest.mark.parametrize("way", ["thinned out", "resized", "noise"])
def test_levels_are_proven_however_they_were_made(way, pseudonyms):
    full = (
        np.random.default_rng(4).integers(0, 255, (512, 512, 3)).astype(np.uint8)
        if way == "noise"
        else picture(512, 512)
    )
    levels = [full, full[::2, ::2], full[::4, ::4]]
    if way == "resized":
        levels[1:] = [
            np.asarray(Image.fromarray(full).resize((side, side), Image.Resampling.LANCZOS)) for side in (199, 64)
        ]
    tiled = {"tile": (128, 128), "compression": "jpeg"}
    output, _ = cleaned(pages(*({"pixels": pixels, **tiled} for pixels in levels)), pseudonyms)
    with tifffile.TiffFile(BytesIO(output)) as tiff:
        assert len(tiff.pages) == 3


def test_dates_move_and_devices_on_the_market_stay(pseudonyms):
    output, _ = cleaned(ndpi().data, pseudonyms)
    with tifffile.TiffFile(BytesIO(output)) as tiff:
        tags = tiff.pages[0].tags
        assert tags["DateTime"].value == "2024:01:31 10:00:00"
        assert (tags["Make"].value, tags["Model"].value) == ("Hamamatsu", "NanoZoomer")


def test_ome_keeps_scale_and_lens(pseudonyms):
    output, _ = cleaned(ome().data, pseudonyms)
    with tifffile.TiffFile(BytesIO(output)) as tiff:
        assert tiff.is_ome
        assert [level.shape for level in tiff.series[0].levels] == [(512, 640, 3), (256, 320, 3), (128, 160, 3)]
        assert len(tiff.series) == 1
        text = tiff.pages[0].description
    for kept in ('PhysicalSizeX="0.25"', 'NominalMagnification="40.0"', 'LensNA="0.75"', "2024-01-31T10:00:00"):
        assert kept in text


def test_tiles_that_share_their_bytes_still_do(pseudonyms):
    tile = BytesIO()
    Image.fromarray(picture(128, 128)).save(tile, "JPEG")
    data = bytearray(pages({"pixels": picture(512, 512), "tile": (128, 128), "compression": "jpeg"}))
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        offsets, counts = tiff.pages[0].tags[324], tiff.pages[0].tags[325]
        struct.pack_into("<16I", data, offsets.valueoffset, *[offsets.value[0]] * 16)
        struct.pack_into(f"<16{'H' if counts.dtype == 3 else 'I'}", data, counts.valueoffset, *[counts.value[0]] * 16)
    output, _ = cleaned(bytes(data), pseudonyms)
    assert np.array_equal(tifffile.imread(BytesIO(output)), tifffile.imread(BytesIO(data)))
    assert len(output) < counts.value[0] + 4000


def mutations(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Files with changed tags, types, counts, values and pointers, loops, overlaps, and cut ends."""
    rng = np.random.default_rng(seed)
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        places = [page.offset for _, page in pages_of(tiff)]
        counts = [len(page.tags) for _, page in pages_of(tiff)]
    width, head = (20, 8) if big else (12, 2)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            page = int(rng.integers(len(places)))
            entry = places[page] + head + width * int(rng.integers(counts[page]))
            word = "Q" if big else "I"
            far = [0, 1, 8, 2**31, 2**32 - 1, len(data), len(data) - 1, *places, int(rng.integers(len(data)))]
            value = int(rng.choice(np.array(far, dtype=np.uint64)))
            kind = rng.choice(["tag", "type", "count", "value", "next", "number", "bytes", "cut"])
            if kind == "tag":
                tags = [254, 256, 258, 259, 262, 270, 273, 277, 278, 279, 322, 324, 325, 330, 347, 34675, 65420, 65426]
                struct.pack_into(order + "H", changed, entry, int(rng.choice(tags)))
            elif kind == "type":
                struct.pack_into(order + "H", changed, entry + 2, int(rng.integers(0, 20)))
            elif kind == "count":
                struct.pack_into(order + word, changed, entry + 4, value)
            elif kind == "value":
                struct.pack_into(order + word, changed, entry + width - (8 if big else 4), value)
            elif kind == "next":
                struct.pack_into(order + word, changed, places[page] + head + width * counts[page], value)
            elif kind == "number":
                struct.pack_into(order + ("Q" if big else "H"), changed, places[page], int(rng.integers(0, 70)))
            elif kind == "bytes":
                at = int(rng.integers(len(changed)))
                changed[at : at + 8] = rng.bytes(8)
            else:
                changed = changed[: int(rng.integers(1, len(changed)))]
                break
        yield bytes(changed)


@pytest.mark.parametrize(
    "name", ["svs", "generic lzw", "generic deflate big-endian", "ome", "ndpi", "philips", "strips"]
)
def test_mutated_slides_are_cleaned_or_refused(name, pseudonyms):
    """No error but ours, no token out, and no more bytes out than in."""
    data = SLIDES[name]().data
    refused = 0
    for changed in mutations(data, 150, 3):
        try:
            output, _ = cleaned(changed, pseudonyms)
        except BadInput:
            refused += 1
            continue
        assert len(output) < 2 * len(data)
        assert not [form for form in FORMS if form in output]
    assert refused < 150


def test_a_folder_of_slides_comes_out_whole(tmp_path: Path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "key").write_bytes(bytes(range(32)))
    for name, make in SLIDES.items():
        saved(make(), tmp_path / "in", name)
    (tmp_path / "in" / "tissue.mrxs").write_bytes((tmp_path / "in" / "strips.tif").read_bytes())
    (tmp_path / "in" / "vms").mkdir()
    (tmp_path / "in" / "vms" / "a.vms").write_text("[Virtual Microscope Specimen]")
    Image.fromarray(label()).save(tmp_path / "in" / "vms" / "a_macro.jpg")
    report = tmp_path / "report.json"
    command = ["deidentify-files", str(tmp_path / "in"), str(tmp_path / "out"), "--key", f"@{tmp_path / 'key'}"]
    assert cli.main([*command, "--jobs", "1", "--report", str(report)]) == 0
    lines = [json.loads(line) for line in (tmp_path / "out.map.jsonl").read_text().splitlines()]
    refused = {Path(line["input"]).name: line["reason"] for line in lines if line["reason"]}
    assert refused == {"tissue.mrxs": "not_rewritable", "a_macro.jpg": "not_rewritable", "a.vms": "unknown_format"}
    outputs = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(outputs) == len(SLIDES)
    for path in (*outputs, report):
        assert not [form for form in FORMS if form in path.read_bytes()]


@pytest.mark.parametrize(
    ("name", "source"), [("ome", "OME-XML PhysicalSize"), ("ndpi", "hamamatsu by OpenSlide"), ("svs", "Aperio MPP")]
)
def test_our_reader_finds_scale_and_lens_in_what_comes_out(name, source, pseudonyms):
    reader = open_scan([BytesIO(cleaned(SLIDES[name]().data, pseudonyms)[0])])
    assert reader.mpp is not None
    assert reader.mpp.source == source
    assert reader.mpp.x == pytest.approx(0.25, abs=0.001)
    assert reader.info.objective == {"ome": 40.0, "ndpi": 20.0, "svs": 40.0}[name]


def test_tiles_without_bytes_stay_without(pseudonyms):
    data = bytearray(pages({"pixels": picture(512, 512), "tile": (128, 128), "compression": "jpeg"}))
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        for tag in (324, 325):
            place = tiff.pages[0].tags[tag].valueoffset + 5 * 4
            data[place : place + 4] = bytes(4)
    output, _ = cleaned(bytes(data), pseudonyms)
    with tifffile.TiffFile(BytesIO(output)) as tiff:
        assert tiff.pages[0].databytecounts[5] == 0
        assert np.array_equal(tiff.pages[0].asarray(), tifffile.imread(BytesIO(data)))
