"""Bytes at a URI: a local folder (`file:///…`) or S3 (`s3a://bucket/key`, through boto3).

A `Store` is small and can be pickled, so that functions in Spark's executors open what they need themselves; the
S3 client is made on first use in each process. Credentials come from the environment, as boto3 reads them.
"""

from __future__ import annotations

import io
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from jobs.errors import BadInput, StoreError, StoreUnreachable
from jobs.ranges import RangeStream
from schemas.reasons import Reason

BUFFER_BYTES = 16 << 10
"""Of a stream on S3, in front of the ranges that were read."""


@dataclass(frozen=True)
class Entry:
    """One file or object."""

    uri: str
    bytes: int
    modified: str
    """Modification time in nanoseconds, or the ETag: differs when the content does."""
    modified_seconds: float
    """Modification time in seconds since 1970."""


@dataclass(frozen=True)
class Store:
    """Reads and writes bytes at URIs of either scheme."""

    endpoint: str = ""
    """Address of an S3 server other than Amazon's."""

    def open(self, uri: str) -> BinaryIO:
        """A seekable stream over the bytes; on S3 it reads by ranges.

        Raises:
            StoreError: there is nothing at the URI.
            StoreUnreachable: the server does not answer.
            BadInput: CHANGED, while it is read: the object was replaced.
        """
        if _is_s3(uri):
            # Parsers read a few bytes at a time; tiles are mostly smaller than the buffer.
            return cast(BinaryIO, io.BufferedReader(_ranges(self, uri), BUFFER_BYTES))
        try:
            return _local(uri).open("rb")
        except OSError as error:
            raise StoreError(f"cannot read from the store: {error.strerror}.") from None

    def read(self, uri: str) -> bytes:
        """All bytes at the URI; raises as `open` does."""
        if _is_s3(uri):
            with _s3_errors():
                return cast(bytes, self._s3().get_object(**_bucket_key(uri))["Body"].read())
        with self.open(uri) as stream:
            return stream.read()

    def write(self, uri: str, data: bytes) -> None:
        """Put bytes at the URI, all or nothing."""
        with self.writing(uri) as stream:
            stream.write(data)

    def writing(self, uri: str, *, read_soon: bool = True) -> _Upload:
        """A context whose stream becomes the content of the URI when it ends without an error.

        Args:
            uri: of the file or object.
            read_soon: False for what nobody reads in a while: it goes to the disk at once and leaves the system's
                cache to others, which costs less than to find memory for all of it.
        """
        return _Upload(self, uri, read_soon)

    def write_new(self, uri: str, data: bytes) -> bool:
        """Put bytes at the URI unless something is there; whether it was put. Holds among concurrent writers."""
        if _is_s3(uri):
            return self._s3_write_new(uri, data)
        path = _local(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        temporary.write_bytes(data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def link(self, source: str, target: str) -> None:
        """Give the same bytes another URI as well, without a way through this process.

        A hard link where the file system has them; else a copy, on S3 by the server.
        """
        if _is_s3(target):
            with _s3_errors():
                self._s3().copy(_bucket_key(source), **_bucket_key(target))
            return
        path = _local(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        try:
            os.link(_local(source), path)
        except OSError:
            shutil.copyfile(_local(source), path)

    def exists(self, uri: str) -> bool:
        """Whether there is a file or object at the URI."""
        if not _is_s3(uri):
            return _local(uri).is_file()
        try:
            with _s3_errors():
                self._s3().head_object(**_bucket_key(uri))
        except StoreUnreachable:
            raise
        except StoreError:
            return False
        return True

    def list(self, prefix: str) -> Iterator[Entry]:
        """Every file below the folder, in the order of their names."""
        if _is_s3(prefix):
            yield from self._s3_list(prefix)
            return
        root = _local(prefix)
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(files):
                path = Path(folder, name)
                stat = path.stat()
                yield Entry(path.as_uri(), stat.st_size, str(stat.st_mtime_ns), stat.st_mtime)

    def folders(self, prefix: str) -> Sequence[str]:
        """Names of the folders right below the URI."""
        if not _is_s3(prefix):
            root = _local(prefix)
            return sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
        place = _bucket_key(prefix.rstrip("/") + "/")
        with _s3_errors():
            pages = self._s3().get_paginator("list_objects_v2")
            found = [
                item["Prefix"].rstrip("/").rsplit("/", 1)[-1]
                for page in pages.paginate(Bucket=place["Bucket"], Prefix=place["Key"], Delimiter="/")
                for item in page.get("CommonPrefixes", [])
            ]
        return sorted(found)

    def delete(self, uri: str) -> None:
        """Remove one file or object; nothing happens where there is none."""
        if _is_s3(uri):
            with _s3_errors():
                self._s3().delete_object(**_bucket_key(uri))
        else:
            _local(uri).unlink(missing_ok=True)

    def delete_folder(self, uri: str) -> None:
        """Remove everything below the URI."""
        if _is_s3(uri):
            for entry in list(self._s3_list(uri)):
                self.delete(entry.uri)
        else:
            shutil.rmtree(_local(uri), ignore_errors=True)

    def check(self, uri: str) -> None:
        """Raise StoreUnreachable or StoreError unless the place answers."""
        if _is_s3(uri):
            with _s3_errors():
                self._s3().head_bucket(Bucket=_bucket_key(uri)["Bucket"])

    def _s3(self) -> Any:
        return _s3_client(self.endpoint)

    def _s3_list(self, prefix: str) -> Iterator[Entry]:
        place = _bucket_key(prefix.rstrip("/") + "/")
        with _s3_errors():
            for page in (
                self._s3().get_paginator("list_objects_v2").paginate(Bucket=place["Bucket"], Prefix=place["Key"])
            ):
                for item in page.get("Contents", []):
                    seconds = item["LastModified"].timestamp()
                    yield Entry(
                        f"s3a://{place['Bucket']}/{item['Key']}",
                        item["Size"],
                        item["ETag"].strip('"'),
                        seconds,
                    )

    def _s3_write_new(self, uri: str, data: bytes) -> bool:
        from botocore.exceptions import ClientError

        with _s3_errors():
            try:
                self._s3().put_object(**_bucket_key(uri), Body=data, IfNoneMatch="*")
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
                    return False
                raise
        return True


class _Upload:
    """Collects bytes beside the target and puts them there at the end."""

    def __init__(self, store: Store, uri: str, read_soon: bool) -> None:
        self._store, self._uri, self._read_soon = store, uri, read_soon
        self._path: Path | None = None
        self._stream: BinaryIO

    def __enter__(self) -> BinaryIO:
        if _is_s3(self._uri):
            self._stream = io.BytesIO()
        else:
            path = _local(self._uri)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._path = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            self._stream = self._path.open("w+b")
        return self._stream

    def __exit__(self, kind: object, *_: object) -> None:
        if self._path is not None:
            if not self._read_soon:
                self._stream.flush()
                os.fdatasync(self._stream.fileno())
                os.posix_fadvise(self._stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self._stream.close()
            if kind is None:
                self._path.replace(_local(self._uri))
            else:
                self._path.unlink(missing_ok=True)
        elif kind is None:
            self._stream.seek(0)
            with _s3_errors():
                self._store._s3().upload_fileobj(self._stream, *_bucket_key(self._uri).values())


def _ranges(store: Store, uri: str) -> RangeStream:
    """An S3 object as a stream."""
    place = _bucket_key(uri)
    with _s3_errors():
        head = store._s3().head_object(**place)

    def fetch(first: int, last: int) -> bytes:
        # The ETag makes an object that is replaced while it is read an error instead of a mixture.
        span = {"Range": f"bytes={first}-{last - 1}", "IfMatch": head["ETag"]}
        with _s3_errors():
            return cast(bytes, store._s3().get_object(**place, **span)["Body"].read())

    return RangeStream(int(head["ContentLength"]), fetch)


class _s3_errors:
    """Turns boto3's errors into ours, without the names of keys in them."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, (StoreError, BadInput)):
            return
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 412:
                raise BadInput(Reason.CHANGED) from None
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise StoreError(f"S3 refused the request ({code}). Check bucket, key and credentials.") from None
        if isinstance(error, BotoCoreError):
            raise StoreUnreachable(
                f"S3 does not answer ({type(error).__name__}). Check `places.s3_endpoint` and the network."
            ) from None


@lru_cache(maxsize=4)
def _s3_client(endpoint: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 3}, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=endpoint or None, config=config)


def _is_s3(uri: str) -> bool:
    return uri.startswith("s3a://")


def _bucket_key(uri: str) -> dict[str, str]:
    bucket, _, key = uri.removeprefix("s3a://").partition("/")
    return {"Bucket": bucket, "Key": key}


def _local(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path)) if uri.startswith("file:") else Path(uri)


def hadoop_path(uri: str) -> str:
    """A URI as Spark wants it: Hadoop's paths are not percent-encoded, and its local ones have one slash."""
    return uri if _is_s3(uri) else f"file:{_local(uri)}"


def local_path(uri: str) -> Path:
    """The path of a `file:` URI.

    Raises:
        StoreError: the URI is not local.
    """
    if _is_s3(uri):
        raise StoreError("this needs a local folder, but the place is on S3.")
    return _local(uri)
