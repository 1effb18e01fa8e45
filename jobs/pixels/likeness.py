"""Are two pictures one: changed copies or retakes of each other, and no mere look-alikes?

Coarse shape does not tell: distinct red cells on one background correlate up to 0.96. What a copy keeps is the
texture in every part, so band-passed pictures are correlated after registration. How much agreement is telling
depends on the content: a lone round cell agrees with any other about as well as with itself turned or flipped, a
crowded field with nothing. That is the measure: a pair is the same when it differs by at most half of what either
picture differs from itself turned or flipped, wherever that fits best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.pixels import register
from jobs.pixels.register import DIHEDRALS, SIDE, Floats
from jobs.pixels.texture import elsewhere, spread

CONFIRMED, CONFIRMED_SMALL, SMALL = 0.65, 0.82, 200
"""Scores from here on are confirmed; the second for crops of fewer pixels than that a side, which show a cell alone.

See docs/decisions/one-cell-or-two.md.
"""
_TRIED, _ROUND, _ABOUT_AS_GOOD, _TEXTURE_LEAST = 2, 0.88, 0.05, 0.6
"""So many turns are tried, and of round cells, which fit in any, all that fit so well and about as well as the best;
and agreement in texture that may be enough in the end."""
_SELF_LEAST = 0.3
"""However little a picture fits itself, this much agreement proves nothing."""
_ELSEWHERE_MOST = 0.065
"""So much of the texture may lie where the two disagree (`texture.elsewhere`)."""
_SPREADS, _ASKED = (0.125, 0.2, 0.36, 0.5, 0.6, 0.7), (0.95, 0.92, 0.83, 0.78, 0.74, 0.0)
"""Scores that are asked for by how far the texture of what both show spreads: a lone cell is like many another."""
_DETAIL_SPREADS, _DETAIL_ASKED = (0.13, 0.2, 0.26, 0.4), (0.92, 0.75, 0.5, 0.0)
"""Agreement in detail that is asked for by the same: outlines of lone cells are alike, not what lies inside them."""
_BENT_LEAST, _BENT_SPREADS, _BENT_ASKED = 0.06, (0.5, 0.7), (0.8, 0.0)
"""A retake may lose detail but lies straight, a changed copy keeps it: where the map turns, scales or stretches by more
than this (`register.bending`), so much detail is asked for by spread."""
_ASKED_OF_PADDED = 0.85
"""A score that is asked for where either picture is padded: of less area, agreement says less."""
_SCALE_MOST, _UNEVEN_MOST = 1.25, 0.18
"""Bounds of what a map may scale, and stretch one direction more than the one at right angles before its last steps."""
_SHARED_LEAST = 0.15
"""Of the square that both pictures know; less is no evidence."""
_SHARED_OF_PADDED = 0.75
"""Of what the one that is padded more knows, the other must know so much: copies of a crop at an edge have 0.89 and
retakes 0.81 at least, look-alikes with other edges 0.72 at most (BCCD, first half, 226,795 pairs)."""
_BAND = (1.0, 4.0)
"""Standard deviations of the band of texture, in pixels of the square."""
_HALF_BAND = (0.5, 2.0)
"""The same in pixels of half the size."""
_DETAIL_BAND, _DETAIL_WINDOW, _DETAIL_NOISE = (0.5, 2.0), 1.5, 30.0
"""Standard deviations of the band of detail and of the windows, in pixels of the square; variance of their noise."""
_LIGHT = 0.1
"""Standard deviation of what counts as light, in sides: what changes more slowly says nothing of where things are."""
_CHUNK = 128


@dataclass(frozen=True)
class Match:
    """What makes one picture of another."""

    score: float
    """1: the same; 0: no more alike than either is to itself turned or flipped."""
    turn: int
    """Degrees, anticlockwise, by which b is turned to lie as a, after the flip."""
    flip: bool
    """Whether b is mirrored left to right first."""
    dx: float
    dy: float
    """Where b's centre then lies from a's, in sides of the square: 0.1 is a tenth of a's width or height."""

    def undone(self) -> Match:
        """What makes b of a; for pictures of one size, or for one that is neither turned nor flipped."""
        x, y = -self.dx, -self.dy
        for _ in range(self.turn // 90):
            x, y = -y, x
        if self.flip:
            return replace(self, dx=-x, dy=y)
        return replace(self, turn=-self.turn % 360, dx=x, dy=y)


@dataclass(frozen=True)
class _Gates:
    """What a turn must reach to be looked at further, each on the half-size pictures."""

    coarse: float
    """Correlation at the best shift."""
    behind: float
    """How far that may lie behind the best turn's."""
    start: float
    """Agreement in texture before any step."""
    stepped: tuple[float, ...]
    """The same after every four steps."""
    tried: int
    """How many turns are tried at most."""
    uneven: float
    """By what share the map may stretch one direction more than the one at right angles in the end."""


_OF_TWO = _Gates(0.72, 0.1, 0.35, (0.6,), DIHEDRALS, 0.06)
"""Copies and retakes have 0.83, 0.5 and 0.79 at least, and stretch by 0.04 at most (BCCD); most look-alikes fall here,
which is where the time goes."""
_OF_ITSELF = _Gates(0.3, 0.2, -1.0, (0.3, 0.5), _TRIED, 0.12)
"""Wider, since an agreement that is missed here would make every pair look surer. Two turns do: with all of them, 8 of
348 lone cells made brighter would be lost, and no look-alike."""


@dataclass(frozen=True)
class _Fits:
    """The best registration of each pair."""

    texture: Floats
    which: NDArray[np.int64]
    maps: Floats


@dataclass(frozen=True)
class _Views:
    """Stacks of pictures and of what is known of them, of one size."""

    a: Floats
    known_a: Floats
    b: Floats
    known_b: Floats

    def at(self, which: NDArray[Any]) -> _Views:
        """Some of the pairs."""
        return _Views(self.a[which], self.known_a[which], self.b[which], self.known_b[which])

    def cleared(self, sigma: float) -> _Views:
        """Band-passed, so that steps are neither caught in noise nor led astray by uneven light."""
        a, b = (
            register.band(one, (known > 0.99).astype(np.float32), sigma, _LIGHT * one.shape[-1])
            for one, known in ((self.a, self.known_a), (self.b, self.known_b))
        )
        return _Views(a, self.known_a, b, self.known_b)

    def refine(self, maps: Floats) -> Floats:
        """Maps after four more steps."""
        return register.refine(self.a, self.known_a, self.b, self.known_b, maps, 4)

    def texture(self, maps: Floats, fine: float, coarse: float) -> Floats:
        """Correlation of the band-passed pictures over what both know; -1 where that is too little."""
        return _agreement(*self._bands(maps, fine, coarse))

    def whole(self) -> NDArray[np.bool_]:
        """Which pairs are of pictures without padding."""
        return np.asarray(self.known_a.all(axis=(1, 2)) & self.known_b.all(axis=(1, 2)))

    def asked(self, maps: Floats, bent: NDArray[np.bool_]) -> Floats:
        """Scores that are asked of pairs, some of whose maps do more than a shift; infinite where none is enough."""
        *bands, both = self._bands(maps, *_BAND)
        first, second = (band * both for band in bands)
        spreads, whole = np.minimum(spread(first), spread(second)), self.whole()
        detail = np.interp(spreads, _DETAIL_SPREADS, _DETAIL_ASKED)
        of_bent = np.where(bent, np.interp(spreads, _BENT_SPREADS, _BENT_ASKED), 0)
        enough = self.detail(maps) >= np.maximum(detail, of_bent)
        enough &= whole | (self._shared(both) >= _SHARED_OF_PADDED)
        enough &= elsewhere(first, second) <= _ELSEWHERE_MOST
        score = np.interp(spreads, _SPREADS, _ASKED)
        asked = np.where(whole, score, np.maximum(score, _ASKED_OF_PADDED))
        return np.where(enough, asked, np.inf).astype(np.float32)

    def detail(self, maps: Floats) -> Floats:
        """Agreement in detail: mean correlation in small windows, outlines and what lies inside them alike."""
        return register.local_ncc(*self._bands(maps, *_DETAIL_BAND), _DETAIL_WINDOW, _DETAIL_NOISE)

    def _shared(self, both: NDArray[np.bool_]) -> Floats:
        """Share of what the picture that knows less knows that the other knows too."""
        least = np.minimum(self.known_a.mean(axis=(1, 2)), self.known_b.mean(axis=(1, 2)))
        return np.asarray(both.mean(axis=(1, 2)) / np.maximum(least, 1e-6), dtype=np.float32)

    def _bands(self, maps: Floats, fine: float, coarse: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Both pictures band-passed, b as it lies on a, and what both know."""
        bands = [
            register.band(one, (known > 0.99).astype(np.float32), fine, coarse)
            for one, known in ((self.a, self.known_a), (self.b, self.known_b))
        ]
        side = self.a.shape[-1]
        seen, inside = register.warp(bands[1], maps, side)
        both = (self.known_a > 0.99) & inside
        if not self.known_b.all():
            both &= register.warp(self.known_b, maps, side)[0] > 0.99
        return bands[0], seen, np.asarray(both)


@dataclass(frozen=True)
class _Halves:
    """Pictures of half the size, prepared once for all pairs that they are in."""

    luma: Floats
    known: Floats
    texture: Floats
    """Band-passed."""

    @staticmethod
    def of(luma: Floats, known: Floats) -> _Halves:
        """Those of whole pictures."""
        small, seen = register.half(luma), register.half(known)
        return _Halves(small, seen, register.band(small, (seen > 0.99).astype(np.float32), *_HALF_BAND))

    def at(self, which: NDArray[Any]) -> _Halves:
        """Some of the pictures."""
        return _Halves(self.luma[which], self.known[which], self.texture[which])

    def turned(self, which: NDArray[np.int64]) -> _Halves:
        """Each turned or flipped; a band-pass is the same in all directions."""
        return _Halves(*(register.dihedrals(one, which) for one in (self.luma, self.known, self.texture)))


def _agreement(first: Floats, second: Floats, both: NDArray[np.bool_]) -> Floats:
    """Correlation of two band-passed pictures of each pair over what both know; -1 where that is too little."""
    texture = register.weighted_ncc(first, second, both.astype(np.float32))
    return np.where(both.mean(axis=(1, 2)) >= _SHARED_LEAST, texture, -1).astype(np.float32)


class Likeness:
    """Compares pictures of one collection, given by number."""

    def __init__(
        self,
        squares: NDArray[np.uint8],
        reach: tuple[Floats, Floats],
        least: Floats | None = None,
        aspects: Floats | None = None,
    ) -> None:
        """Compare `squares`, (n, 64, 64).

        Args:
            squares: of `jobs.pixels.square`.
            reach: how far the centre of a copy may lie off, by picture, in sides: along its width and its height.
            least: score from which a pair is confirmed, by picture; the higher of two counts. `CONFIRMED` if None.
            aspects: height by width, by picture; 1 if None.
        """
        self._squares, self._reach = squares, reach
        self._aspects = np.ones(len(squares), dtype=np.float32) if aspects is None else aspects
        self._least = np.full(len(squares), CONFIRMED, dtype=np.float32) if least is None else least
        self._own: dict[int, float] = {}

    def compare(self, pairs: NDArray[np.int64]) -> list[Match | None]:
        """The verdict on each pair (n, 2): None for pictures that are not the same."""
        found: list[Match | None] = []
        for first in range(0, len(pairs), 2048):
            found += self._some(pairs[first : first + 2048])
        return found

    def _some(self, pairs: NDArray[np.int64]) -> list[Match | None]:
        fits = self._register(pairs, range(DIHEDRALS), _OF_TWO)
        found: list[Match | None] = [None] * len(pairs)
        likely = np.nonzero(fits.texture >= _TEXTURE_LEAST)[0]
        if not len(likely):
            return found
        which, maps = fits.which[likely], fits.maps[likely]
        bent = register.bending(self._linear(pairs[likely], which, maps)) > _BENT_LEAST
        asked = self._views(pairs[likely], which).asked(maps, bent)
        likely, asked = likely[asked <= 1], asked[asked <= 1]
        self._know_own(np.unique(pairs[likely]))
        for n, least in zip(likely, asked, strict=True):
            a, b = (int(one) for one in pairs[n])
            own = max(_SELF_LEAST, self._own[a], self._own[b])
            score = 1 - (1 - float(fits.texture[n])) / max(1 - own, 1e-3)
            turn = int(fits.which[n])
            if score >= max(self._least[a], self._least[b], least):
                dx, dy = (-np.linalg.solve(fits.maps[n, :, :2], fits.maps[n, :, 2]) / 2).tolist()
                found[n] = Match(min(1.0, score), turn % 4 * 90, turn >= 4, dx, dy)
        return found

    def _know_own(self, numbers: NDArray[np.int64]) -> None:
        """How well pictures fit themselves, turned or flipped."""
        new = np.array([n for n in numbers if int(n) not in self._own], dtype=np.int64)
        if not len(new):
            return
        fits = self._register(np.stack([new, new], axis=1), range(1, DIHEDRALS), _OF_ITSELF)
        self._own.update(zip(new.tolist(), fits.texture.tolist(), strict=True))

    def _register(self, pairs: NDArray[np.int64], turns: range, gates: _Gates) -> _Fits:
        """The best fit of each pair among some turns and flips of b; texture -1 where nothing fits."""
        n = len(pairs)
        best = _Fits(np.full(n, -1, dtype=np.float32), np.zeros(n, dtype=np.int64), np.zeros((n, 2, 3), np.float32))
        used, places = np.unique(pairs, return_inverse=True)
        luma, known = register.as_floats(self._squares[used])
        halves, places = _Halves.of(luma, known), places.reshape(-1, 2)
        scores, maps = _coarse(halves, places, turns)
        order = np.argsort(-scores, axis=0, kind="stable")
        for rank in range(min(gates.tried, len(turns))):
            score = np.take_along_axis(scores, order[rank : rank + 1], axis=0)[0]
            least = np.maximum(gates.coarse, scores.max(axis=0) - gates.behind)
            if rank >= _TRIED:
                least = np.maximum(_ROUND, scores.max(axis=0) - _ABOUT_AS_GOOD)
            tried = np.nonzero(score >= least)[0]
            for first in range(0, len(tried), _CHUNK):
                some = tried[first : first + _CHUNK]
                which = np.asarray(turns)[order[rank, some]]
                a, b = halves.at(places[some, 0]), halves.at(places[some, 1]).turned(which)
                self._fine(pairs[some], which, maps[order[rank, some], some], (a, b), gates, some, best)
        return best

    def _fine(
        self,
        pairs: NDArray[np.int64],
        which: NDArray[np.int64],
        maps: Floats,
        halves: tuple[_Halves, _Halves],
        gates: _Gates,
        at: NDArray[np.int64],
        best: _Fits,
    ) -> None:
        """Refine each pair from a coarse map; write into `best` at `at` what is better there."""
        a, b = halves
        seen, inside = register.warp(b.texture, maps, register.COARSE)
        both = (a.known > 0.99) & inside
        if not b.known.all():
            both &= register.warp(b.known, maps, register.COARSE)[0] > 0.99
        keep = np.nonzero(_agreement(a.texture, seen, both) >= gates.start)[0]
        small, maps = _Views(a.luma, a.known, b.luma, b.known).at(keep), maps[keep]
        for least in gates.stepped:
            if not len(keep):
                return
            maps = small.cleared(1).refine(maps)
            going = small.texture(maps, *_HALF_BAND) >= least
            going &= self._plausible(pairs[keep], which[keep], maps, _UNEVEN_MOST, 1.5)
            small, keep, maps = small.at(going), keep[going], maps[going]
        if not len(keep):
            return
        whole = self._views(pairs[keep], which[keep])
        maps = whole.cleared(0.7).refine(maps)
        plausible = self._plausible(pairs[keep], which[keep], maps, gates.uneven)
        texture = np.where(plausible, whole.texture(maps, *_BAND), -1)
        better = texture > best.texture[at[keep]]
        place = at[keep][better]
        best.texture[place], best.which[place], best.maps[place] = texture[better], which[keep][better], maps[better]

    def _views(self, pairs: NDArray[np.int64], which: NDArray[np.int64]) -> _Views:
        """Both pictures of each pair, the second turned."""
        turned = register.dihedrals(self._squares[pairs[:, 1]], which)
        return _Views(*register.as_floats(self._squares[pairs[:, 0]]), *register.as_floats(turned))

    def _plausible(
        self, pairs: NDArray[np.int64], which: NDArray[np.int64], maps: Floats, uneven: float, slack: float = 1
    ) -> NDArray[np.bool_]:
        """Whether maps neither scale, stretch nor shift more than a copy of the same view may be."""
        linear, most = self._linear(pairs, which, maps), 1 + (_SCALE_MOST - 1) * slack
        stretch = np.linalg.svd(linear, compute_uv=False)
        even = stretch[:, 0] / np.maximum(stretch[:, 1], 1e-6) <= 1 + uneven
        sized = (stretch[:, 0] <= most) & (stretch[:, 1] >= 1 / most) & (np.linalg.det(linear) > 0)
        reach = np.stack([one[pairs].min(axis=1) for one in self._reach], axis=1)
        return np.asarray(even & sized & (np.abs(maps[:, :, 2]) <= 2 * reach * slack).all(axis=1))

    def _linear(self, pairs: NDArray[np.int64], which: NDArray[np.int64], maps: Floats) -> Floats:
        """What maps do besides a shift and a change of size, (n, 2, 2), in pixels, where a turn stretches nothing.

        Pictures of other aspects may be trimmed, or squeezed into another format: what bends less is taken.
        """
        of_a, of_b = self._aspects[pairs].T
        trimmed = register.in_pixels(maps, of_a, np.where(which % 2, 1 / of_b, of_b))
        squeezed = register.in_pixels(maps, of_a, of_a)
        return np.where((register.bending(trimmed) < register.bending(squeezed))[:, None, None], trimmed, squeezed)


def _coarse(halves: _Halves, pairs: NDArray[np.int64], turns: range) -> tuple[Floats, Floats]:
    """Correlations (turns, n) and maps (turns, n, 2, 3) of b, turned, on a."""
    shown = register.coarse(halves.luma, halves.known)
    of_a = register.spectra(shown)[pairs[:, 0]]
    second, at_second = np.unique(pairs[:, 1], return_inverse=True)
    scores = np.zeros((len(turns), len(pairs)), dtype=np.float32)
    maps = np.zeros((len(turns), len(pairs), 2, 3), dtype=np.float32)
    for n, which in enumerate(turns):
        of_b = register.spectra(register.dihedral(shown[second], which))
        scores[n], maps[n] = register.coarse_fits(of_a, of_b[at_second])
    return scores, maps


def reach_of(
    widths: NDArray[np.int64], heights: NDArray[np.int64], share: Floats, pixels: float
) -> tuple[Floats, Floats]:
    """How far the centre of a copy may lie off: `share` of a side by picture, or `pixels` where that is more."""
    across, down = (np.maximum(share, pixels / np.maximum(side, 1)).astype(np.float32) for side in (widths, heights))
    return across, down


__all__ = ["CONFIRMED", "CONFIRMED_SMALL", "SIDE", "SMALL", "Likeness", "Match", "reach_of"]
