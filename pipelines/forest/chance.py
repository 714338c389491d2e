"""What two imperfect looks at the same trees differ by, and what is more than that.

A model that finds 60 % of the trees does not find 40 % of them again, cut or not. So how often a crown is found
again is taken from the survey itself, where nothing speaks of damage; and every piece of ground is weighed by two
counts, the old crowns that are not found again and the new crowns that were not there before. Chance takes and gives
alike; damage only takes.

The counts are beta-binomial and negative binomial (Griffiths 1973; Lawless 1987), their spread beyond chance
measured, since light and species make a model's luck differ from place to place. Damage leaves any share of the trees
between none and `1 - least_gone`, all as likely. Bayes' rule turns both into the probability that a disc of ground is
damaged; the places with a high one are left out of what is undisturbed, and the measure is taken again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import betaln, gammaln, logsumexp

from pipelines.forest.params import ChangeParams

__all__ = ["CELL_M", "Chance", "Tally", "damaged", "learn_chance", "windows"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELL_M: Final = 5.0
_RADII_M: Final = (12.5, 20.0, 30.0)
"""Discs of 0.05, 0.13 and 0.28 ha."""
_GONE_STEPS: Final = 5
_ASSUMED: Final = 0.5
"""Share found again where nothing can be measured, and how many crowns that guess is worth beside measured ones."""
_WORTH: Final = 20.0
_FEWEST: Final = 30
_BINS: Final = 5
_BIN_CROWNS: Final = 60
_ROUNDS: Final = 6
_SPREAD: Final = (0.01, 0.2)
_BLOCK: Final = 5
_LIMIT: Final = 0.95 - 1e-9
_CERTAIN: Final = 0.99
"""No probability is higher: the model of chance itself may be wrong."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Crowns on ground that both flights photographed, by 5 m cell.

    Attributes:
        shape: rows and columns of cells.
        cell: int64 (n,), flat cell of each old counted crown.
        score: float64 (n,), its score; nan where it has none.
        lost: bool (n,), not found again.
        gained: int64 (m,), flat cell of each new counted crown that was not there before.
    """

    shape: tuple[int, int]
    cell: Ints
    score: Floats
    lost: NDArray[np.bool_]
    gained: Ints

    def counts(self, cells: Ints, weights: Floats | None = None) -> Floats:
        """Sums by cell, float64 (rows, columns)."""
        return (
            np.bincount(cells, weights, minlength=self.shape[0] * self.shape[1]).astype(np.float64).reshape(self.shape)
        )


@dataclass(frozen=True, slots=True)
class Chance:
    """What chance alone does.

    Attributes:
        found_again: share of old crowns found again on undisturbed ground.
        edges: scores that divide the crowns into groups; one fewer than `shares`.
        shares: share found again of each group.
        gained: new crowns for each old one on undisturbed ground.
        spread: correlation of the fates of crowns in one place.
        n: old crowns that it was measured from; 0 where it is assumed.
    """

    found_again: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    gained: float
    spread: float
    n: int

    def lost(self, score: Floats) -> Floats:
        """Probability that a crown of each score is not found again, float64 (n,)."""
        group = np.searchsorted(self.edges, np.nan_to_num(score, nan=np.inf), side="right")
        return np.asarray(1 - np.asarray(self.shares)[group], np.float64)

    def limit(self, n: Floats, expected: Floats) -> Floats:
        """Losses that chance exceeds once in twenty at most, where it takes `expected` of `n` crowns: whole numbers.

        The 95 % quantile of the beta-binomial; a normal distribution in its stead is exceeded in 5 to 8 % of meshes.
        """
        count = np.rint(n).astype(np.int64)
        share = np.divide(expected, n, out=np.zeros_like(expected), where=n > 0)
        # All counts of all places in a row: there are about as many as crowns.
        start = np.cumsum(count + 1) - count - 1
        place = np.repeat(np.arange(len(count)), count + 1)
        k, total = (np.arange(len(place)) - start[place]).astype(np.float64), count[place].astype(np.float64)
        ways = gammaln(total + 1) - gammaln(k + 1) - gammaln(total - k + 1)
        likely = np.exp(ways + _beta_binomial(k, total, np.clip(share, 1e-9, 1 - 1e-9)[place], self.spread))
        up_to = np.cumsum(likely)
        below = up_to - (up_to[start] - likely[start])[place] < _LIMIT
        return np.bincount(place, below, minlength=len(count)).astype(np.float64)


def learn_chance(tally: Tally, params: ChangeParams) -> Chance:
    """Measure what chance does where nothing speaks of damage.

    It begins with half of the crowns found again, or with more if more are, so that it holds when most of the forest is
    gone; of two ways to see it, a poorer flight or damage nearly everywhere, it takes the first.
    """
    chance = _guess(tally)
    for _ in range(_ROUNDS):
        hurt = damaged(tally, chance, params, params.prior).ravel() > 0.5
        chance = _measured(tally, ~hurt)
        if not chance.n:
            break
    return chance


def _guess(tally: Tally) -> Chance:
    again = max(_ASSUMED, float((~tally.lost).mean())) if len(tally.lost) else _ASSUMED
    return Chance(again, (), (again,), _ASSUMED, 0.05, 0)


def _measured(tally: Tally, bulk: NDArray[np.bool_]) -> Chance:
    inside = bulk[tally.cell]
    n = int(inside.sum())
    if n < _FEWEST:
        return Chance(_ASSUMED, (), (_ASSUMED,), _ASSUMED, 0.05, 0)
    lost, score = tally.lost[inside], tally.score[inside]
    edges = _edges(score)
    group = np.searchsorted(edges, np.nan_to_num(score, nan=np.inf), side="right")
    kept = [float((~lost[group == one]).sum() + _WORTH * (1 - lost.mean())) for one in range(len(edges) + 1)]
    shares = [k / (float((group == one).sum()) + _WORTH) for one, k in enumerate(kept)]
    gained = (float(bulk[tally.gained].sum()) + _WORTH * _ASSUMED) / (n + _WORTH)
    chance = Chance(float((~lost).mean()), edges, tuple(shares), gained, 0.05, n)
    return Chance(chance.found_again, edges, chance.shares, gained, _spread(tally, bulk, chance), n)


def _edges(score: Floats) -> tuple[float, ...]:
    """Scores that divide crowns into groups of at least 60; crowns without a score go with the highest."""
    known = np.sort(score[np.isfinite(score)])
    groups = min(_BINS, len(known) // _BIN_CROWNS)
    if groups < 2:
        return ()
    return tuple(np.unique(np.quantile(known, np.arange(1, groups) / groups)).tolist())


def _spread(tally: Tally, bulk: NDArray[np.bool_], chance: Chance) -> float:
    """Correlation of fates within blocks of 25 m: what chi-square has beyond its degrees of freedom (Fleiss 1981)."""
    inside = bulk[tally.cell]
    cell = tally.cell[inside]
    expected = chance.lost(tally.score[inside])
    block = (cell // tally.shape[1] // _BLOCK) * tally.shape[1] + cell % tally.shape[1] // _BLOCK
    number = np.unique(block, return_inverse=True)[1]
    n, lost, mean, variance = (
        np.bincount(number, weights) for weights in (None, tally.lost[inside], expected, expected * (1 - expected))
    )
    some = (n >= 4) & (variance > 0)
    if some.sum() < 5:
        return 0.05
    excess = float(np.mean((lost[some] - mean[some]) ** 2 / variance[some])) - 1
    return float(np.clip(excess / float(np.mean(n[some] - 1)), *_SPREAD))


def damaged(tally: Tally, chance: Chance, params: ChangeParams, prior: float) -> Floats:
    """Probability that the ground around each cell is damaged, float64 (rows, columns): the most telling of its discs.

    Args:
        tally: the crowns.
        chance: what chance does.
        params: the least damage looked for.
        prior: probability before looking.
    """
    discs = [probability for _, probability in by_radius(tally, chance, params, prior)]
    return np.asarray(np.max(discs, axis=0), np.float64)


def by_radius(tally: Tally, chance: Chance, params: ChangeParams, prior: float) -> Sequence[tuple[float, Floats]]:
    """Radius, m, and probability that the disc around each cell is damaged."""
    risk = chance.lost(tally.score)
    layers = [
        tally.counts(tally.cell),
        tally.counts(tally.cell, risk),
        tally.counts(tally.cell[tally.lost]),
        tally.counts(tally.gained),
    ]
    odds = np.log(prior / (1 - prior))
    found = []
    for radius in _RADII_M:
        n, expected, lost, gained = (windows(layer, radius) for layer in layers)
        telling = (lost > expected) & (n >= 3)
        probability = np.zeros(tally.shape)
        if telling.any():
            factor = _factor(n[telling], expected[telling], lost[telling], gained[telling], chance, params)
            probability[telling] = np.minimum(1 / (1 + np.exp(-np.clip(odds + factor, -50, 50))), _CERTAIN)
        found.append((radius, probability))
    return found


def windows(layer: Floats, radius_m: float) -> Floats:
    """Sums over the disc around each cell; counts stay whole, weights to nine digits."""
    reach = int(radius_m // CELL_M)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (np.hypot(rows, columns) * CELL_M <= radius_m).astype(np.float64)
    return np.asarray(np.round(ndimage.convolve(layer, disc, mode="constant"), 9), np.float64)


def _factor(n: Floats, expected: Floats, lost: Floats, gained: Floats, chance: Chance, params: ChangeParams) -> Floats:
    """Logarithm of Bayes' factor, damage against chance."""
    risk = np.clip(expected / n, 0.02, 0.98)
    gone = np.linspace(params.least_gone, 1, _GONE_STEPS)

    def likelihood(share: float) -> Floats:
        taken = np.minimum(1 - (1 - risk) * (1 - share), 0.98)
        mean = chance.gained * n * np.maximum(1 - share, 0.03)
        return _beta_binomial(lost, n, taken, chance.spread) + _negative_binomial(gained, mean, n, chance.spread)

    hurt = logsumexp([likelihood(float(share)) for share in gone], axis=0) - np.log(_GONE_STEPS)
    return np.asarray(hurt - likelihood(0.0), np.float64)


def _beta_binomial(k: Floats, n: Floats, share: Floats, spread: float) -> Floats:
    """Log-probability of `k` of `n`, less the binomial coefficient."""
    a, b = share * (1 - spread) / spread, (1 - share) * (1 - spread) / spread
    return np.asarray(betaln(k + a, n - k + b) - betaln(a, b), np.float64)


def _negative_binomial(k: Floats, mean: Floats, n: Floats, spread: float) -> Floats:
    """Log-probability of `k`, less its factorial: the true density behind `n` old crowns is itself known from them."""
    shape = (n + 0.5) / (1 + (n + 0.5) * spread)
    share = mean / (mean + shape)
    return np.asarray(gammaln(k + shape) - gammaln(shape) + shape * np.log1p(-share) + k * np.log(share), np.float64)
