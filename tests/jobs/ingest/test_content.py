"""Sniffing, and the promise that no content raises."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import StoreUnreachable
from jobs.ingest.content import Content, parse_time, read_content, stem
from jobs.settings import Points, Source
from schemas.contract import MADE_BY
from schemas.identifiers import IDENTIFIERS
from schemas.reasons import Reason
from schemas.records import RECORDS
from schemas.shapes import SHAPES

PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Virtanen", "given": ["Aino"]}]}
FEATURE = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}


@pytest.mark.parametrize(
    ("inside", "data", "reason"),
    [
        ("fields/a.jpg", b"", Reason.EMPTY_FILE),
        ("slides/a.dcm", b"this is no DICOM file\n", Reason.WRONG_FORMAT),
        ("slides/a.svs", b"\xff\xd8\xff\xe0", Reason.WRONG_FORMAT),
        ("fields/a.jpg", b"<html></html>", Reason.WRONG_FORMAT),
        ("fields/a.jpg", bytes(1000), Reason.WRONG_FORMAT),
        ("a.csv", json.dumps(PATIENT).encode(), Reason.WRONG_FORMAT),
        ("fhir/Patient.ndjson", b"a,b\n1,2\n", Reason.WRONG_FORMAT),
        ("a.bin", bytes(range(256)), Reason.UNKNOWN_FORMAT),
        ("README.md", b"Read me.\n", Reason.UNKNOWN_FORMAT),
        ("a.csv", b"colour,shape\nred,round\n", Reason.UNKNOWN_FORMAT),
        ("a.json", b'{"a": 1}', Reason.UNKNOWN_FORMAT),
        ("a.xml", b"<Annotations/>", Reason.UNKNOWN_FORMAT),
        ("a.geojson", b'{"type": "FeatureCollection", "features": [', Reason.TRUNCATED),
        ("a.geojson", b'{"type": "FeatureColl', Reason.TRUNCATED),
        ("a.json", b'{"type": }', Reason.UNREADABLE),
        ("a.xml", b"<annotation><object>", Reason.TRUNCATED),
        ("a.xml", b"<annotation></object>", Reason.UNREADABLE),
        ("a.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', Reason.UNREADABLE),
        ("a.json", b'{"a":' * 100_000, Reason.UNREADABLE),
    ],
)
def test_a_file_that_cannot_be_used_is_held_as_a_whole(read, inside, data, reason):
    content = read(inside, data)
    assert content.held == [(None, reason)]
    assert content.records == content.shapes == []


@pytest.mark.parametrize(
    ("inside", "data", "media_type", "role"),
    [
        ("manifest.json", b'{"files": []}', "application/json", "other"),
        ("fhir/Patient.ndjson", json.dumps(PATIENT).encode(), "application/fhir+ndjson", "records"),
        ("patient.json", json.dumps(PATIENT, indent=1).encode(), "application/fhir+json", "records"),
        ("two.json", (json.dumps(PATIENT) + "\n").encode() * 2, "application/fhir+ndjson", "records"),
        ("a.geojson", json.dumps([FEATURE]).encode(), "application/geo+json", "annotations"),
        ("a.xml", b"<annotation/>", "application/xml", "annotations"),
        ("a.xml", b"<ASAP_Annotations/>", "application/xml", "annotations"),
        ("a.csv", b"image,x,y,label\n", "text/csv", "annotations"),
        ("laboratory.csv", b"lab_number,value\n", "text/csv", "records"),
        ("scans.csv", b"file,specimen\n", "text/csv", "records"),
        ("semicolons.csv", b"\xef\xbb\xbfLab_Number;value\n", "text/csv", "records"),
    ],
)
def test_the_content_decides_what_a_file_is(read, inside, data, media_type, role):
    content = read(inside, data)
    assert (content.media_type, content.role, content.held) == (media_type, role, [])


def test_rows_have_the_contracts_columns(read):
    given_by_caller = {"path", "source", "delivery"} | {column.name for column in MADE_BY}
    people = read("fhir/Patient.ndjson", json.dumps(PATIENT).encode())
    shapes = read("a.geojson", json.dumps(FEATURE).encode())
    for row, table in (
        (people.records[0], RECORDS),
        (people.identifiers[0], IDENTIFIERS),
        (shapes.shapes[0], SHAPES),
    ):
        assert set(row) == set(table.names) - given_by_caller


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fields/a.b.jpg", "a.b"),
        ("A-1.2", "A-1.2"),
        ("C:\\users\\x\\field 3.JPG", "field 3"),
        ("slide.svs.geojson", "slide"),
        ("Ha\u0308ma.png", "H\u00e4ma"),
    ],
)
def test_stem(name, expected):
    assert stem(name) == expected


def test_times_are_utc():
    assert parse_time("2024-03-04T10:30:00+02:00").isoformat() == "2024-03-04T08:30:00+00:00"
    assert parse_time("2024-03-04T10:30:00").isoformat() == "2024-03-04T10:30:00+00:00"
    assert parse_time("0001-01-01T00:00:00+02:00") is None
    assert parse_time("yesterday") is None


def test_identifiers_come_once_and_names_in_parts():
    content = Content()
    content.identify_name("Dr. von Bülow^Käthe Marie", ("s", "1"))
    content.identify_name("Käthe", ("s", "1"))
    assert [row["value"] for row in content.identifiers] == ["von", "Bülow", "Käthe", "Marie"]
    assert [row["position"] for row in content.identifiers] == [0, 1, 2, 3]


def test_a_failing_store_is_no_bad_content():
    class Gone(io.BytesIO):
        def read(self, *_):
            raise StoreUnreachable("no answer")

    with pytest.raises(StoreUnreachable):
        read_content("s/d/a.jpg", Gone(), 10, "s", Source())


MAGICS = [
    bytes(128) + b"DICM",
    b"II*\0",
    b"MM\0+\0\x08\0\0",
    b"\xff\xd8\xff\xe1",
    b"\x89PNG\r\n\x1a\n",
    b"BM\x40\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
    b'{"resourceType":"Patient"',
    b'[{"type":"Feature"',
    b"<annotation>",
    b"image,x,y\n",
    b"file,specimen\n",
    b"lab_number;value\n",
    b"",
]
NAMES = [
    "a.dcm",
    "a.svs",
    "a.jpg",
    "a.png",
    "a.bmp",
    "a.ndjson",
    "a.json",
    "a.geojson",
    "a.xml",
    "a.csv",
    "a.txt",
    "Label/a.txt",
    "a",
]


@settings(deadline=None)  # the first example imports the readers
@given(st.sampled_from(MAGICS), st.binary(max_size=300), st.sampled_from(NAMES))
def test_no_bytes_raise(magic, rest, name):
    data = magic + rest
    source = Source(identity_columns={"lab_number": "x"}, points=Points(folder="Label"))
    content = read_content(f"s/d/{name}", io.BytesIO(data), len(data), "s", source)
    assert isinstance(content, Content)
    assert content.role in ("image", "annotations", "records", "other")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceType",
                    "id",
                    "name",
                    "identifier",
                    "value",
                    "telecom",
                    "address",
                    "line",
                    "subject",
                    "reference",
                    "contained",
                    "entry",
                    "resource",
                    "geometry",
                    "coordinates",
                    "type",
                    "properties",
                    "classification",
                    "metadata",
                    "round",
                    "birthDate",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON, st.sampled_from(["Patient", "Bundle", "Observation", "FeatureCollection", "Feature"]))
def test_no_json_raises_or_makes_a_file_unreadable(value, kind):
    body = {**(value if isinstance(value, dict) else {}), "resourceType": kind, "type": kind}
    if kind.startswith("Feature"):
        body = {"type": "FeatureCollection", "features": [value, {**body, "type": "Feature"}]}
    data = json.dumps(body).encode()
    content = read_content("s/d/a.json", io.BytesIO(data), len(data), "s", Source())
    assert (None, Reason.UNREADABLE) not in content.held
