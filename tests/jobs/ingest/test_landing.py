"""Deliveries are taken when they are closed, and held back where they differ from their manifest."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.errors import BadInput, SettingsError, StoreError
from jobs.frames import PIECE
from jobs.ingest.landing import landed_files
from jobs.ingest.stage import keep, read_file
from jobs.settings import Source
from jobs.store import Store
from schemas.reasons import Reason

TABLE = b"image,x,y,label,examiner\nfield_1.jpg,10,20,NGS,Dr. Lehtonen\n"


def deliver(settings, files: dict[str, bytes], *, manifest: bool = True) -> Path:
    folder = Path(settings.places.landing.removeprefix("file://")) / "helsinki" / "d1"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    if manifest:
        told = [
            {"path": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        ]
        (folder / "manifest.json").write_text(json.dumps({"files": told}))
    return folder


def held(settings) -> dict[str, str]:
    found = {}
    for landed in landed_files(Store(), settings):
        for part in read_file(Store(), settings, landed, 1):
            found |= {row["unit_id"]: row["reason"] for row in part["held"]}
    return found


def test_a_closed_delivery_is_taken(settings):
    deliver(settings, {"points.csv": TABLE, "å ä.csv": TABLE})
    assert [landed.path for landed in landed_files(Store(), settings)] == [
        "helsinki/d1/points.csv",
        "helsinki/d1/å ä.csv",
    ]
    assert held(settings) == {}


def test_a_file_of_many_shapes_comes_in_pieces_of_which_one_tells_of_the_file(settings):
    lines = [f"field_1.jpg,{n},20,NGS,Dr. Lehtonen" for n in range(2 * PIECE + 1)]
    deliver(settings, {"points.csv": "\n".join(["image,x,y,label,examiner", *lines]).encode()})
    (landed,) = landed_files(Store(), settings)
    pieces = read_file(Store(), settings, landed, 1)
    assert [piece["file"] is not None for piece in pieces] == [True, False, False]
    assert [shape["coordinates"][0] for piece in pieces for shape in piece["shapes"]] == list(range(len(lines)))
    assert max(len(piece["shapes"]) for piece in pieces) <= PIECE


def test_a_half_written_file_is_held_back_until_it_is_whole(settings):
    folder = deliver(settings, {"points.csv": TABLE})
    (folder / "points.csv").write_bytes(TABLE[:30])
    assert held(settings) == {"helsinki/d1/points.csv": "manifest_mismatch"}
    (folder / "points.csv").write_bytes(TABLE)
    assert held(settings) == {}


def test_a_file_of_the_right_size_and_other_bytes_is_held_back(settings):
    folder = deliver(settings, {"points.csv": TABLE})
    (folder / "points.csv").write_bytes(TABLE[::-1])
    assert held(settings) == {"helsinki/d1/points.csv": "manifest_mismatch"}


def test_a_file_that_the_manifest_names_and_nobody_brought_is_held_back(settings):
    folder = deliver(settings, {"points.csv": TABLE, "more.csv": TABLE})
    (folder / "more.csv").unlink()
    assert held(settings) == {"helsinki/d1/more.csv": "manifest_mismatch"}


def test_without_a_manifest_a_delivery_is_open_until_it_settles(settings):
    folder = deliver(settings, {"points.csv": TABLE}, manifest=False)
    assert list(landed_files(Store(), settings)) == []
    os.utime(folder / "points.csv", (1_700_000_000, 1_700_000_000))
    assert len(list(landed_files(Store(), settings))) == 1


def test_a_half_written_manifest_says_what_it_must_be(settings):
    folder = deliver(settings, {"points.csv": TABLE})
    (folder / "manifest.json").write_text('{"files": [{"path": "poi')
    with pytest.raises(StoreError, match="written last"):
        list(landed_files(Store(), settings))


def test_a_source_that_no_setting_knows_is_named_as_a_setting_to_add(settings):
    deliver(settings, {"points.csv": TABLE})
    with pytest.raises(SettingsError, match=r"\[sources\.helsinki\]"):
        list(landed_files(Store(), replace(settings, sources={"munich": Source()})))


def test_originals_lie_under_the_hash_of_their_content(settings):
    deliver(settings, {"points.csv": TABLE})
    held(settings)
    place = f"{settings.zone_root('restricted')}/objects/{hashlib.sha256(TABLE).hexdigest()}"
    assert Store().read(place) == TABLE


def test_what_the_settings_ignore_is_kept_and_not_read(settings):
    deliver(settings, {"notes/readme.md": b"what?"})
    assert held(settings) == {"helsinki/d1/notes/readme.md": "unknown_format"}
    assert held(replace(settings, sources={"helsinki": Source(ignore=("notes/*",))})) == {}


class Replacing(Store):
    """A store in which another process replaces a file as soon as it was opened."""

    def open(self, uri):
        stream = super().open(uri)
        self.write(uri, b"another scan")
        return stream


def test_a_file_that_is_replaced_while_it_is_kept_is_held_and_leaves_no_object(tmp_path):
    (tmp_path / "scan").write_bytes(b"a scan")
    with pytest.raises(BadInput) as problem:
        keep(Replacing(), (tmp_path / "scan").as_uri(), (tmp_path / "objects").as_uri())
    assert problem.value.reason is Reason.CHANGED
    assert not list((tmp_path / "objects").iterdir())
