"""Kalman filter and Rauch–Tung–Striebel smoother for all fixes at once.

Both are written as associative scans (Särkkä & García-Fernández 2021, Temporal parallelization of Bayesian smoothers,
IEEE Trans. Automatic Control 66(1)): the same numbers as the usual recursion, in O(log n) numpy calls instead of O(n).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Elements = tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Measurements:
    """What was measured at each of n moments: ``value = matrix @ state + noise``, the noises independent.

    Attributes:
        value: float64 (n, m).
        matrix: float64 (n, m, s); a row of zeros says that this was not measured.
        variance: float64 (n, m), positive.
    """

    value: Array
    matrix: Array
    variance: Array


@dataclass(frozen=True, slots=True)
class Model:
    """How the state moves: `prior_mean` (s,) and `prior_cov` (s, s) at the first moment, then n - 1 steps (s, s)."""

    prior_mean: Array
    prior_cov: Array
    transition: Array
    noise: Array


@dataclass(frozen=True, slots=True)
class Smoothed:
    """The states given all measurements.

    Attributes:
        mean: float64 (n, s).
        cov: float64 (n, s, s).
        lag: float64 (n - 1, s, s), covariance of each state (rows) with the next one (columns).
    """

    mean: Array
    cov: Array
    lag: Array


def smooth_states(model: Model, measured: Measurements) -> Smoothed:
    """The states given all measurements, before and after them."""
    mean, cov = _filter(model, measured)
    f = model.transition
    ahead_mean, ahead_cov = _predict(model, mean, cov)
    gain = _t(np.linalg.solve(ahead_cov[1:], f @ cov[:-1]))
    first = (
        np.concatenate([gain, np.zeros_like(cov[:1])]),
        np.concatenate([mean[:-1] - _apply(gain, ahead_mean[1:]), mean[-1:]]),
        np.concatenate([cov[:-1] - gain @ ahead_cov[1:] @ _t(gain), cov[-1:]]),
    )
    backward = _scan(_join_smoothing, tuple(array[::-1] for array in first))
    smooth_mean, smooth_cov = backward[1][::-1], _symmetric(backward[2][::-1])
    return Smoothed(smooth_mean, smooth_cov, gain @ smooth_cov[1:])


def log_likelihood(model: Model, measured: Measurements) -> Array:
    """The Gaussian log likelihoods of k models at once, float64 (k,), up to a constant they share.

    By the prediction error decomposition (Harvey 1989, Forecasting, Structural Time Series Models and the Kalman
    Filter, § 3.4): each measurement against what the ones before it led to expect. It is the plain recursion, because
    short series under many models are quickest so: every array carries an axis k after that of time (`prior_mean` and
    `prior_cov` lead with it).
    """
    mean, cov = model.prior_mean, model.prior_cov
    out = np.zeros(len(mean))
    for i, (y, h) in enumerate(zip(measured.value, measured.matrix, strict=True)):
        if i:
            f = model.transition[i - 1]
            mean, cov = _apply(f, mean), f @ cov @ _t(f) + model.noise[i - 1]
        projected = h @ cov
        innovation = (y - _apply(h, mean))[..., None]
        expected = projected @ _t(h) + _diagonal(measured.variance[i])
        solved = np.linalg.solve(expected, np.concatenate([projected, innovation], axis=-1))
        out -= 0.5 * (np.linalg.slogdet(expected)[1] + (innovation * solved[..., -1:])[..., 0].sum(axis=-1))
        mean = mean + (_t(projected) @ solved[..., -1:])[..., 0]
        cov = _symmetric(cov - _t(projected) @ solved[..., :-1])
    return out


def _predict(model: Model, mean: Array, cov: Array) -> tuple[Array, Array]:
    """What the filtered states, and the prior before the first, lead to expect at each moment."""
    f = model.transition
    ahead_cov = f @ cov[:-1] @ _t(f) + model.noise
    return (
        np.concatenate([model.prior_mean[None], _apply(f, mean[:-1])]),
        np.concatenate([model.prior_cov[None], ahead_cov]),
    )


def _filter(model: Model, measured: Measurements) -> tuple[Array, Array]:
    size = model.prior_mean.size
    h, y = measured.matrix, measured.value
    q = np.concatenate([model.prior_cov[None], model.noise])
    f = np.concatenate([np.zeros((1, size, size)), model.transition])
    drift = np.zeros((len(y), size))
    drift[0] = model.prior_mean
    s = h @ q @ _t(h) + _diagonal(measured.variance)
    gain = _t(np.linalg.solve(s, h @ q))
    left = np.eye(size) - gain @ h
    surprise = np.linalg.solve(s, (y - _apply(h, drift))[..., None])
    elements = (
        left @ f,
        _apply(left, drift) + _apply(gain, y),
        _symmetric(left @ q),
        (_t(h @ f) @ surprise)[..., 0],
        _t(h @ f) @ np.linalg.solve(s, h @ f),
    )
    scanned = _scan(_join_filtering, elements)
    return scanned[1], _symmetric(scanned[2])


def _join_filtering(early: Elements, late: Elements) -> Elements:
    a1, b1, c1, eta1, j1 = early
    a2, b2, c2, eta2, j2 = late
    spread = np.eye(a1.shape[-1]) + c1 @ j2
    onward = _t(np.linalg.solve(_t(spread), _t(a2)))
    back = _t(np.linalg.solve(spread, a1))
    return (
        onward @ a1,
        _apply(onward, b1 + _apply(c1, eta2)) + b2,
        _symmetric(onward @ c1 @ _t(a2)) + c2,
        _apply(back, eta2 - _apply(j2, b1)) + eta1,
        _symmetric(back @ j2 @ a1) + j1,
    )


def _join_smoothing(late: Elements, early: Elements) -> Elements:
    e1, g1, l1 = early
    e2, g2, l2 = late
    return e1 @ e2, _apply(e1, g2) + g1, _symmetric(e1 @ l2 @ _t(e1)) + l1


def _scan(join: Callable[[Elements, Elements], Elements], items: Elements) -> Elements:
    """All prefixes of an associative operation, in 2 n operations and 2 log2 n calls (Blelloch 1990)."""
    n = len(items[0])
    if n == 1:
        return items
    pairs = join(tuple(x[0 : n - 1 : 2] for x in items), tuple(x[1::2] for x in items))
    odd = _scan(join, pairs)
    out = tuple(np.empty_like(x) for x in items)
    for target, source, first in zip(out, odd, items, strict=True):
        target[1::2], target[0] = source, first[0]
    if n > 2:
        n_even = (n - 1) // 2
        even = join(tuple(x[:n_even] for x in odd), tuple(x[2::2] for x in items))
        for target, source in zip(out, even, strict=True):
            target[2::2] = source
    return out


def _t(matrices: npt.NDArray[np.floating]) -> Array:
    return np.asarray(np.swapaxes(matrices, -1, -2), np.float64)


def _apply(matrices: Array, vectors: Array) -> Array:
    return np.asarray((matrices @ vectors[..., None])[..., 0])


def _symmetric(matrices: Array) -> Array:
    return (matrices + _t(matrices)) / 2


def _diagonal(variance: Array) -> Array:
    return np.asarray(variance[..., None] * np.eye(variance.shape[-1]))
