"""The vocabularies and their crosswalk, against the published totals."""

from __future__ import annotations

import csv
from collections import defaultdict

import pytest

from jobs.settings import Places, Settings, Source
from jobs.vocabulary import FOLDER, vocabularies

RELATIONS = {"exactMatch", "closeMatch", "broadMatch", "narrowMatch", "relatedMatch"}


def rows(name):
    return list(csv.DictReader((FOLDER / f"{name}.csv").read_text().splitlines()))


@pytest.mark.parametrize(("name", "classes", "images"), [("munich_bmc", 21, 171_374), ("mll23", 18, 41_621)])
def test_the_published_totals(name, classes, images):
    found = rows(name)
    assert len({row["code"] for row in found}) == len(found) == classes
    assert sum(int(row["images"]) for row in found) == images
    settings = Settings(places=Places(lake="", landing=""), sources={"s": Source(vocabulary=name)})
    assert len(vocabularies(settings)["s"].codes) == classes


class TestCrosswalk:
    CROSSWALK = rows("munich_bmc_mll23")

    @pytest.mark.parametrize("name", ["munich_bmc", "mll23"])
    def test_every_code_of_both_sides_stands_in_it(self, name):
        assert {row[name] for row in self.CROSSWALK} - {""} == {row["code"] for row in rows(name)}

    def test_relations_are_of_skos(self):
        for row in self.CROSSWALK:
            assert row["relation"] in RELATIONS | {""}
            assert bool(row["relation"]) == bool(row["mll23"])
            assert row["why"] or row["relation"] == "exactMatch"

    def test_a_pair_stands_once(self):
        pairs = [(row["munich_bmc"], row["mll23"]) for row in self.CROSSWALK]
        assert len(set(pairs)) == len(pairs)

    def test_a_code_with_an_exact_match_has_no_other(self):
        for side in ("munich_bmc", "mll23"):
            relations = defaultdict(list)
            for row in self.CROSSWALK:
                relations[row[side]].append(row["relation"])
            assert all(found == ["exactMatch"] for found in relations.values() if "exactMatch" in found)
