"""Cells: each from its own seed, and told apart by what makes their class."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.hospital.cells import Body, draw
from jobs.hospital.diseases import DISEASES, counts, deal
from jobs.hospital.looks import CONFUSED, LOOKS
from jobs.hospital.stain import make_stain

STAIN = make_stain("smear", "helsinki", "MGG-H1")


def test_every_munich_class_can_be_drawn() -> None:
    assert set(LOOKS) == set(CONFUSED) == set(counts())
    assert {label for labels in CONFUSED.values() for label in labels.split()} <= set(LOOKS)
    assert {code for disease in DISEASES for code in disease.cells} <= set(LOOKS)


@pytest.mark.parametrize("code", LOOKS)
def test_a_cell_depends_on_its_seed_alone(code: str) -> None:
    first, again, other = draw(code, 5, 0.2, STAIN), draw(code, 5, 0.2, STAIN), draw(code, 6, 0.2, STAIN)
    assert np.array_equal(first.rgb, again.rgb)
    assert np.array_equal(first.alpha, again.alpha)
    assert first.rgb.shape != other.rgb.shape or not np.array_equal(first.rgb, other.rgb)
    assert first.rgb.min() >= 0
    assert first.rgb.max() <= 255
    assert first.alpha.max() > 0.5
    assert not np.any(np.concatenate([first.alpha[0], first.alpha[-1], first.alpha[:, 0], first.alpha[:, -1]]) > 0.1)


@pytest.mark.parametrize("code", ["NGS", "LYT", "PMO"])
def test_outline_lies_where_the_cell_is(code: str) -> None:
    stamp = draw(code, 11, 0.2, STAIN)
    x, y = np.array(Body(code, 11).polygon(0.2, 40)).T
    columns, rows = (
        np.flatnonzero(stamp.alpha.max(axis=0) > 0.5),
        np.flatnonzero(stamp.alpha.max(axis=1) > 0.5),
    )
    assert np.ptp(x) == pytest.approx(np.ptp(columns), abs=4)
    assert np.ptp(y) == pytest.approx(np.ptp(rows), abs=4)
    assert x.min() == pytest.approx(-x.max())


def test_eosinophils_are_redder_than_neutrophils() -> None:
    def redness(code: str) -> float:
        stamps = [draw(code, seed, 0.2, STAIN) for seed in range(8)]
        return float(np.mean([(s.rgb[..., 0] - s.rgb[..., 2])[s.alpha > 0.9].mean() for s in stamps]))

    assert redness("EOS") > redness("NGS") + 20


def test_scanners_differ() -> None:
    a, b = (draw("LYT", 3, 0.2, make_stain("smear", source, "MGG-1")).rgb for source in ("helsinki", "munich"))
    assert np.abs(a - b).mean() > 4


def test_dealt_cells_have_munichs_imbalance() -> None:
    shares = [100, 120, 80]
    dealt = deal(7, 300, [DISEASES[0], DISEASES[3], DISEASES[4]], shares)
    assert [len(codes) for codes in dealt] == shares
    total = sum(counts().values())
    for code, number in counts().items():
        assert abs(sum(codes.count(code) for codes in dealt) - 300 * number / total) <= 1
    assert dealt[1].count("PLM") > dealt[0].count("PLM") + dealt[2].count("PLM")
