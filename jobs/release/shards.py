"""Write the files of a release that hold pixels: what an executor does with the cells of its shards.

Bytes depend on the rows alone. Rows come in key order, are cut into row groups of a fixed size whatever batches they
arrived in, and every choice of the Parquet writer is stated here.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.store import Store
from schemas.contract import Column
from schemas.released_cells import IMAGE, RELEASED_CELLS

ROW_GROUP = 256
"""Rows of one row group: some 20 MB of pixels."""
WRITTEN_SCHEMA = "path string, bytes bigint, sha256 string, rows int"
WRITTEN = pa.schema([("path", pa.string()), ("bytes", pa.int64()), ("sha256", pa.string()), ("rows", pa.int32())])
UNIQUE = ("cell_id", "pixel_sha256")
"""Text columns in which hardly a value occurs twice."""
PNG = b"\x89PNG\r\n\x1a\n"
_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "double": pa.float64(),
    "int": pa.int32(),
    "binary": pa.binary(),
    "array<struct<examiner_key:string,round:int,label_code:string>>": pa.list_(
        pa.field(
            "element",
            pa.struct([("examiner_key", pa.string()), ("round", pa.int32()), ("label_code", pa.string())]),
        )
    ),
}
Row = dict[str, Any]


def schema() -> pa.Schema:
    """The released Parquet's schema; each field says what it means, and in which unit."""
    return pa.schema([_field(column) for column in RELEASED_CELLS.columns])


def shard_path(side: str, shard: int) -> str:
    """Where a shard lies in a release."""
    return f"data/{side}/cells-{shard:05d}.parquet"


def image_path(side: str, label: str, cell_id: str) -> str:
    """Where a cell's image lies in a release, so that its folder is its class."""
    return f"images/{side}/{label}/{cell_id}.png"


@dataclass(frozen=True)
class ShardWriter:
    """Writes shards and class folders; may be sent to executors."""

    store: Store
    folder: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Take rows sorted by side, shard and cell_id; give a row of `WRITTEN` for each file written.

        A file whose image is not what its row says has `rows` = -1, and the driver refuses the release.
        """
        rows = (row for batch in batches for row in batch.to_pylist())
        for (side, shard), cells in groupby(rows, key=lambda row: (row["side"], row["shard"])):
            yield from _batches(self._shard(side, shard, cells))

    def _shard(self, side: str, shard: int, cells: Iterable[Row]) -> Iterator[Row]:
        path, count = shard_path(side, shard), 0
        with ExitStack() as stack:
            stream = _Hashing(stack.enter_context(self.store.writing(f"{self.folder}/{path}")))
            writer = stack.enter_context(parquet_writer(stream))
            for group in _groups(cells, ROW_GROUP):
                for row in group:
                    yield self._image(row)
                writer.write_table(pa.Table.from_pylist(group, schema=schema()), row_group_size=ROW_GROUP)
                count += len(group)
        yield {"path": path, "bytes": stream.bytes, "sha256": stream.sha256, "rows": count}

    def _image(self, row: Row) -> Row:
        path, image = image_path(row["side"], row["label_code"], row["cell_id"]), row[IMAGE]
        expected = (round(row["width"] * row["scale"]), round(row["height"] * row["scale"]))
        if png_size(image) != expected:
            return {"path": path, "bytes": 0, "sha256": "", "rows": -1}
        self.store.write(f"{self.folder}/{path}", image)
        return {"path": path, "bytes": len(image), "sha256": hashlib.sha256(image).hexdigest(), "rows": 0}


def parquet_writer(stream: Any) -> pq.ParquetWriter:
    """A writer with every option stated that could change the bytes.

    Pixels are compressed already, and statistics of them would be copies of them.
    """
    plain = [leaf for leaf in _leaves() if leaf != IMAGE]
    coded = [c.name for c in RELEASED_CELLS.columns if c.type == "string" and c.name not in UNIQUE]
    return pq.ParquetWriter(
        stream,
        schema(),
        version="2.6",
        data_page_version="1.0",
        compression={IMAGE: "NONE", **dict.fromkeys(plain, "ZSTD")},
        compression_level=dict.fromkeys(plain, 9),
        use_dictionary=coded,
        write_statistics=plain,
        data_page_size=1 << 20,
        write_batch_size=ROW_GROUP,
        store_schema=True,
    )


def png_size(image: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG's header states (PNG specification, 11.2.2 IHDR); None where it is no PNG."""
    if len(image) < 33 or not image.startswith(PNG) or image[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", image[16:24])
    return width, height


class _Hashing:
    """A stream that hashes and counts what passes."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream, self._digest, self.bytes = stream, hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self.bytes += len(data)
        return int(self._stream.write(data))

    def flush(self) -> None:
        self._stream.flush()

    def tell(self) -> int:
        return self.bytes

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """The store closes the stream."""

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _field(column: Column) -> pa.Field:
    said = {"comment": column.comment, **({"unit": column.unit} if column.unit else {})}
    return pa.field(column.name, _TYPES[column.type], nullable=column.nullable, metadata=said)


def _leaves() -> list[str]:
    """Parquet's names of the columns, of which an array of structs has several."""
    found = []
    for field in schema():
        children = field.type.value_type if pa.types.is_list(field.type) else []
        found += [f"{field.name}.list.element.{child.name}" for child in children] or [field.name]
    return found


def _groups(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _batches(rows: Iterable[Row]) -> Iterator[pa.RecordBatch]:
    for group in _groups(rows, ROW_GROUP):
        yield pa.RecordBatch.from_pylist(group, schema=WRITTEN)
