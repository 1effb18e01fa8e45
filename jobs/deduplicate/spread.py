"""Work in numbered blocks over arrays that lie beside the lake, where every executor maps them into its memory."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.session import in_executor
from jobs.store import Store, local_path

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TASKS_A_CORE = 8


@dataclass(frozen=True)
class Shared:
    """An array in a file of the lake."""

    store: Store
    uri: str
    dtype: str
    shape: tuple[int, ...]

    def read(self) -> NDArray[Any]:
        """The array, mapped into memory once a process; what lies on S3 is fetched for that."""
        return np.asarray(_mapped(self))


@dataclass(frozen=True)
class Bench:
    """Where arrays are laid for the executors; whoever made the place clears it."""

    spark: SparkSession
    store: Store
    place: str

    def share(self, array: NDArray[Any]) -> Shared:
        """Lay an array that is not empty."""
        shared = Shared(self.store, f"{self.place}/{uuid.uuid4().hex}", array.dtype.str, array.shape)
        with self.store.writing(shared.uri) as stream:
            stream.write(np.ascontiguousarray(array).view(np.uint8).data)
        return shared

    def rows(self, work: Callable[[int], pa.RecordBatch], blocks: int, schema: str) -> pa.Table:
        """What `work` gives for each number below `blocks`, from the executors, in order."""
        cores = self.spark.sparkContext.defaultParallelism
        numbers = self.spark.range(0, blocks, 1, max(1, min(blocks, _TASKS_A_CORE * cores)))

        @in_executor
        def worked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield from (work(number) for number in batch.column(0).to_pylist())

        return numbers.mapInArrow(worked, schema).toArrow()


@lru_cache(maxsize=4)
def _mapped(shared: Shared) -> np.memmap[Any, Any]:
    if shared.uri.startswith("file:"):
        return np.memmap(local_path(shared.uri), shared.dtype, "r", shape=shared.shape)
    with tempfile.TemporaryFile() as file, shared.store.open(shared.uri) as source:
        shutil.copyfileobj(source, file, 1 << 24)
        file.flush()
        return np.memmap(file, shared.dtype, "r", shape=shared.shape)
