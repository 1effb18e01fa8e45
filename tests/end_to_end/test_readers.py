"""Curated tables open in everything that researchers use, with the same rows."""

from __future__ import annotations

import pytest

from jobs.lake import contract
from jobs.store import local_path
from schemas.stages import VALIDATE


@pytest.fixture(scope="module")
def counts(ran) -> dict[str, int]:
    return {name: ran.lake.read(name).count() for name in VALIDATE.reads}


def path(ran, name: str) -> str:
    return str(local_path(ran.lake.uri(contract(name))))


def test_delta_rs_reads_what_spark_wrote(ran, counts):
    from deltalake import DeltaTable

    assert {name: DeltaTable(path(ran, name)).count() for name in counts} == counts


def test_polars_reads_what_spark_wrote(ran, counts):
    import polars

    assert {name: polars.read_delta(path(ran, name)).height for name in counts} == counts


def test_duckdb_reads_what_spark_wrote(ran, counts):
    import duckdb
    import duckdb_extensions

    duckdb_extensions.import_extension("delta")
    connection = duckdb.connect()
    connection.load_extension("delta")
    found = {
        name: connection.execute("SELECT count(*) FROM delta_scan(?)", [path(ran, name)]).fetchone()[0]
        for name in counts
    }
    assert found == counts


def test_pandas_gets_an_image_that_opens(ran):
    import io

    from deltalake import DeltaTable
    from PIL import Image

    rows = DeltaTable(path(ran, "curated.crops")).to_pandas(columns=["unit_kind", "image"])
    cells = rows[rows.unit_kind == "cell"]
    assert Image.open(io.BytesIO(cells.image.iloc[0])).size == (250, 250)


def test_a_query_of_the_command_line_counts_the_same(ran, counts, capsys):
    from jobs.cli import main

    settings = str(ran.folder / "hemalake.toml")
    assert main(["query", "SELECT count(*) AS n FROM curated.cells", "--csv", "--settings", settings]) == 0
    assert capsys.readouterr().out.split() == ["n", str(counts["curated.cells"])]
