"""One contract for every kind of store: a local folder, and a real S3 server."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pytest
import tifffile
from PIL import Image

from jobs.errors import StoreError, StoreUnreachable
from jobs.store import Store
from tests.s3 import s3_server


@pytest.fixture(scope="module", params=["file", "s3a"])
def root(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    if request.param == "file":
        yield Store(), folder.as_uri()
    else:
        with s3_server(folder) as endpoint:
            yield Store(endpoint), "s3a://lake"


@pytest.fixture
def place(root, request):
    store, base = root
    return store, f"{base}/{request.node.originalname}"


class TestStore:
    """What holds of every store."""

    def test_bytes_come_back(self, place):
        store, uri = place
        store.write(f"{uri}/å b.bin", b"abc")
        assert store.read(f"{uri}/å b.bin") == b"abc"
        assert store.exists(f"{uri}/å b.bin")

    def test_what_is_not_there_is_a_store_error_without_its_name(self, place):
        store, uri = place
        with pytest.raises(StoreError) as error:
            store.read(f"{uri}/Virtanen.jpg")
        assert "Virtanen" not in str(error.value)
        assert not store.exists(f"{uri}/Virtanen.jpg")

    def test_a_stream_seeks(self, place):
        store, uri = place
        data = bytes(range(256)) * 10_000
        store.write(f"{uri}/big", data)
        with store.open(f"{uri}/big") as stream:
            stream.seek(1_500_000)
            assert stream.read(10) == data[1_500_000:1_500_010]
            stream.seek(-5, io.SEEK_END)
            assert stream.read() == data[-5:]

    def test_libraries_read_what_it_opens(self, place):
        store, uri = place
        sample = Path(pydicom.data.get_testdata_file("CT_small.dcm"))
        picture = io.BytesIO()
        Image.new("RGB", (64, 64), "red").save(picture, "TIFF")
        store.write(f"{uri}/scan", sample.read_bytes())
        store.write(f"{uri}/picture", picture.getvalue())
        with store.open(f"{uri}/scan") as stream:
            assert pydicom.dcmread(stream, stop_before_pixels=True).Modality == "CT"
        with store.open(f"{uri}/picture") as stream:
            assert Image.open(stream).getpixel((1, 1)) == (255, 0, 0)
        with store.open(f"{uri}/picture") as stream, tifffile.TiffFile(stream) as tiff:
            assert tiff.pages[0].shape == (64, 64, 3)

    def test_of_two_who_write_the_same_new_place_one_wins(self, place):
        store, uri = place
        assert store.write_new(f"{uri}/lease", b"first")
        assert not store.write_new(f"{uri}/lease", b"second")
        assert store.read(f"{uri}/lease") == b"first"

    def test_an_interrupted_upload_leaves_nothing(self, place):
        store, uri = place

        def interrupted():
            with store.writing(f"{uri}/half") as stream:
                stream.write(b"ha")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            interrupted()
        assert list(store.list(uri)) == []

    def test_files_are_listed_below_a_folder_with_size_and_change(self, place):
        store, uri = place
        store.write(f"{uri}/a/1", b"x")
        store.write(f"{uri}/b/2", b"yy")
        before = {e.uri.rsplit("/", 1)[-1]: (e.bytes, e.modified) for e in store.list(uri)}
        assert {name: size for name, (size, _) in before.items()} == {"1": 1, "2": 2}
        assert list(store.folders(uri)) == ["a", "b"]
        store.write(f"{uri}/b/2", b"zzz")
        after = {e.uri.rsplit("/", 1)[-1]: (e.bytes, e.modified) for e in store.list(uri)}
        assert after["1"] == before["1"]
        assert after["2"] != before["2"]

    def test_deleting_is_final_and_may_be_repeated(self, place):
        store, uri = place
        store.write(f"{uri}/a/1", b"x")
        store.delete(f"{uri}/a/1")
        store.delete(f"{uri}/a/1")
        store.write(f"{uri}/b/2", b"x")
        store.delete_folder(f"{uri}/b")
        assert list(store.list(uri)) == []


def test_a_server_that_does_not_answer_is_said_to_be_unreachable(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(StoreUnreachable, match="s3_endpoint"):
        Store("http://127.0.0.1:9").check("s3a://lake")
