"""Cut cells out of their scans: what an executor does for each range of cells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jobs.crop.fingerprints import fingerprint
from jobs.crop.plan import Options, places, sides
from jobs.crop.presets import OVERVIEW, Preset, presets
from jobs.errors import BadInput, HemalakeError, UsageError
from jobs.frames import Row, ddl
from jobs.parts import Made, Parts, part_name
from jobs.pixels.crop import Crop as Cut
from jobs.pixels.crop import Ints, band_at, cut, resampled
from jobs.pixels.digest import pixel_sha256
from jobs.pixels.encode import ENCODER_VERSIONS, ENCODERS, MEDIA_TYPES
from jobs.pixels.open import open_scan
from jobs.pixels.reader import Mpp, Reader
from jobs.pixels.shrink import shrunk
from jobs.settings import Settings
from jobs.store import Store
from schemas.reasons import Reason

OVERVIEW_SIDE = 320
"""Longer side of an overview, in pixels."""

CROPS, FINGERPRINTS = "curated.crops", "curated.fingerprints"
RANGE_SCHEMA = ddl({
    "part": "string",
    "failed": "array<struct<unit_id:string,unit_kind:string,preset:string,scan_id:string,reason:string>>",
})  # fmt: skip
Found = tuple[str, Preset, Made | Reason]
"""A unit, one of its presets, and that crop with its fingerprint, or why there is none."""
WHOLE = Preset(OVERVIEW, "region", OVERVIEW_SIDE)


@dataclass(frozen=True)
class Cutter:
    """Cuts one range of units after another; holds nothing between them.

    What cannot be cut is told with its reason, and the rest goes on: a broken tile costs the crops that show it, a
    broken scan its own.
    """

    store: Store
    settings: Settings
    parts: Parts

    def __call__(self, row: Row) -> Iterator[Row]:
        """Cut the units of one range and write them as one part.

        Args:
            row: scans, each with scan_id, uri, mpp_x, mpp_y and its units (unit_id, unit_kind, x, y).

        Yields:
            One row of `RANGE_SCHEMA`; the part is empty where no unit could be cut.
        """
        failed: list[Row] = []
        name = part_name(unit["unit_id"] for scan in row["scans"] for unit in scan["units"])
        count = self.parts.write(name, (crop for scan in row["scans"] for crop in self._crops(scan, failed)))
        yield {"part": name if count else "", "failed": failed}

    def _crops(self, scan: Row, failed: list[Row]) -> Iterator[Made]:
        """Crops of one scan; what could not be cut is added to `failed`."""
        of_cells = presets(self.settings.crop)
        left = {
            (unit["unit_id"], preset.name): preset
            for unit in scan["units"]
            for preset in (of_cells if unit["unit_kind"] == "cell" else (WHOLE,))
        }
        without: dict[str, Reason] = {}

        def fail(unit: str, preset: Preset, reason: Reason) -> None:
            place = {"unit_id": unit, "unit_kind": preset.kind, "preset": preset.name, "scan_id": scan["scan_id"]}
            failed.append(place | {"reason": reason.value})

        problem = Reason.UNREADABLE
        try:
            for unit, preset, found in self._of_scan(scan):
                del left[unit, preset.name]
                # A cell's own crop comes before wider ones, which are of no use without it.
                found = without.get(unit, found)
                if isinstance(found, Reason):
                    without |= {unit: found} if preset.kind == "cell" else {}
                    fail(unit, preset, found)
                else:
                    yield found
        except BadInput as bad:
            problem = bad.reason
        except (HemalakeError, MemoryError):
            raise
        except Exception:  # a decoder failed in a way of its own; the crops so far are good
            pass
        for (unit, _), preset in left.items():
            fail(unit, preset, problem)

    def _of_scan(self, scan: Row) -> Iterator[Found]:
        root = self.settings.zone_root("curated")
        with ExitStack() as stack:
            streams = [stack.enter_context(self.store.open(f"{root}/{uri}")) for uri in scan["uri"].split(" ")]
            reader = open_scan(streams)
            yield from self._of_cells(scan, reader, [u for u in scan["units"] if u["unit_kind"] == "cell"])
            for unit in scan["units"]:
                if unit["unit_kind"] == "region":
                    yield unit["unit_id"], WHOLE, _overview(scan, reader, unit["unit_id"])

    def _of_cells(self, scan: Row, reader: Reader, cells: list[Row]) -> Iterator[Found]:
        """Crops of all presets, so that each tile is decoded once for all of them."""
        crop = self.settings.crop
        options = Options(border=crop.border, mpp=crop.mpp or None)
        mpp = Mpp(scan["mpp_x"], scan["mpp_y"], "") if scan["mpp_x"] and scan["mpp_y"] else None
        centers = np.array([(cell["x"], cell["y"]) for cell in cells], dtype=np.float64).reshape(-1, 2)
        wanted: list[tuple[str, Preset]] = []
        windows: list[Ints] = [np.empty((0, 4), dtype=np.int64)]
        for preset in presets(crop):
            try:
                side = sides(replace(options, size=preset.size), mpp, "")
            except UsageError:
                yield from ((cell["unit_id"], preset, Reason.PIXEL_SIZE_MISSING) for cell in cells)
                continue
            lie = places(centers, side, reader.levels[0], crop.border)
            skipped = lie.crosses & (crop.border == "skip")
            for reason, left_out in ((Reason.OUTSIDE_SCAN, ~lie.known), (Reason.BEYOND_EDGE, lie.known & skipped)):
                yield from ((cells[n]["unit_id"], preset, reason) for n in np.flatnonzero(left_out))
            taken = lie.known & ~skipped
            wanted += [(cells[n]["unit_id"], preset) for n in np.flatnonzero(taken)]
            windows.append(lie.windows[taken])
        pad = (crop.pad[0], crop.pad[1], crop.pad[2])
        for index, found in cut(reader, np.vstack(windows), pad, band_at(self.settings.zone_root("curated"))):
            unit, preset = wanted[index]
            yield unit, preset, self._made(scan, unit, preset, found, reader)

    def _made(self, scan: Row, unit: str, preset: Preset, found: Cut | BadInput, reader: Reader) -> Made | Reason:
        if isinstance(found, BadInput):
            return found.reason
        if not found.valid_fraction:
            return Reason.OUTSIDE_SCAN
        height, width = found.pixels.shape[:2]
        pixels = resampled(found.pixels, preset.size)
        crop = {
            **_pixels(pixels, self.settings.crop.encoding),
            "unit_id": unit,
            "unit_kind": preset.kind,
            "preset": preset.name,
            "scan_id": scan["scan_id"],
            "x": found.x,
            "y": found.y,
            "width": width,
            "height": height,
            "scale": preset.size / width,
            "out_mpp_x": scan["mpp_x"] * width / preset.size if scan["mpp_x"] else None,
            "out_mpp_y": scan["mpp_y"] * height / preset.size if scan["mpp_y"] else None,
            "border_policy": self.settings.crop.border,
            "valid_fraction": found.valid_fraction,
            "absent_fraction": found.absent_fraction,
        }
        if preset.kind != "cell":
            return {CROPS: crop}
        return {CROPS: crop, FINGERPRINTS: fingerprint(crop, found.pixels, reader.size)}


def _overview(scan: Row, reader: Reader, region: str) -> Made | Reason:
    try:
        pixels, scale = overview(reader, OVERVIEW_SIDE)
    except BadInput as bad:
        return bad.reason
    crop = {
        **_pixels(pixels, "png"),
        "unit_id": region,
        "unit_kind": "region",
        "preset": OVERVIEW,
        "scan_id": scan["scan_id"],
        "x": 0,
        "y": 0,
        "width": reader.size[0],
        "height": reader.size[1],
        "scale": scale,
        "out_mpp_x": scan["mpp_x"] / scale if scan["mpp_x"] else None,
        "out_mpp_y": scan["mpp_y"] / scale if scan["mpp_y"] else None,
        "border_policy": "pad",
        "valid_fraction": 1.0,
        "absent_fraction": 0.0,
    }
    return {CROPS: crop, FINGERPRINTS: fingerprint(crop, pixels, reader.size)}


def overview(reader: Reader, side: int) -> tuple[NDArray[np.uint8], float]:
    """The whole scan in small, from the smallest level that is large enough.

    Returns:
        Pixels (height, width, 3) whose longer side is `side` or the scan's own, and pixels per level-0 pixel.
    """
    width, height = reader.size
    scale = min(1.0, side / max(width, height))
    large_enough = [n for n, level in enumerate(reader.levels) if level.width >= width * scale]
    number = max(large_enough, default=0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return shrunk(reader, number, *size), scale


def _pixels(pixels: NDArray[np.uint8], encoding: str) -> Row:
    """The encoded image and what identifies it."""
    return {
        "pixel_sha256": pixel_sha256(pixels),
        "encoding": MEDIA_TYPES[encoding],
        "encoder_version": ENCODER_VERSIONS[encoding],
        "image": ENCODERS[encoding](pixels),
    }
