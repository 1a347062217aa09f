"""Measures of how fast a learning curve converges, for many runs at once.

Every function takes one curve per row, ``(runs, epochs)``, whose first column is epoch 1 and whose
missing epochs are NaN, and returns one value per run, ``(runs,)``, NaN where the measure is
undefined. Nothing is interpolated: a measure over the first T epochs is undefined as soon as one of
them is missing, and an infinite value (a run that diverged) counts as missing. Values compare only
within one dataset, schedule and split.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

TSE_EMA_DECAY = 0.999
"""Weight lost per epoch of age in `tse_ema` (Ru et al. 2021)."""


@dataclass(frozen=True, slots=True)
class FirstEpochs:
    """When each run first reached a threshold.

    `epochs` (runs,): the epoch, counted from 1; NaN where the run is censored or undefined.
    `censored` (runs,): true where every epoch up to the last recorded one is there and all lie
    below the threshold, so the run would have needed longer, if it ever got there. A run that is
    neither reached nor censored is undefined: nothing was recorded, or an epoch before the
    crossing is missing.
    """

    epochs: FloatArray
    censored: BoolArray


def aulc(values: npt.ArrayLike, upto: int) -> FloatArray:
    """Area under the learning curve: the mean of epochs 1..`upto`, in the unit of the values.

    Raises ValueError if `values` is not (runs, epochs) or `upto` < 1.
    """
    return sotl(values, upto) / upto


def sotl(losses: npt.ArrayLike, upto: int) -> FloatArray:
    """Sum over training losses Σ l_t of epochs 1..`upto`; lower is faster.

    Ru et al., "Speedy Performance Estimation for Neural Architecture Search" (NeurIPS 2021,
    arXiv 2006.04492). Raises ValueError if `losses` is not (runs, epochs) or `upto` < 1.
    """
    return _weighted_sum(losses, np.ones(_epoch(upto)))


def sotl_e(losses: npt.ArrayLike, upto: int) -> FloatArray:
    """The part of `sotl` that its last epoch contributes: l_T for T = `upto`.

    Ru et al. 2021 (arXiv 2006.04492), with E = 1: only that epoch has to be recorded. Raises
    ValueError if `losses` is not (runs, epochs) or `upto` < 1.
    """
    curves = _curves(losses)
    last = _epoch(upto) - 1
    if last >= curves.shape[1]:
        return np.full(curves.shape[0], np.nan)
    return curves[:, last].copy()


def tse_ema(losses: npt.ArrayLike, upto: int, decay: float = TSE_EMA_DECAY) -> FloatArray:
    """Σ decay^(T−t) l_t over epochs t = 1..T, T = `upto`; lower is faster.

    The exponential moving average form of the sum over training losses (Ru et al. 2021, arXiv
    2006.04492, "TSE-EMA"), unnormalised. Raises ValueError if `losses` is not (runs, epochs),
    `upto` < 1 or `decay` lies outside (0, 1].
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay must lie in (0, 1], not {decay}")
    return _weighted_sum(losses, decay ** np.arange(_epoch(upto) - 1, -1, -1.0))


def epochs_to(values: npt.ArrayLike, threshold: float) -> FirstEpochs:
    """First epoch t, counted from 1, with a_t ≥ `threshold` (in the unit of the values).

    Every epoch up to the crossing must be recorded; epochs after it need not be. Raises ValueError
    if `values` is not (runs, epochs) or the threshold is not finite.
    """
    if not np.isfinite(threshold):
        raise ValueError(f"threshold must be finite, not {threshold}")
    return _first(_curves(values), np.float64(threshold))


def half_life(values: npt.ArrayLike) -> FloatArray:
    """First epoch t, counted from 1, with a_t − a_1 ≥ ½ (a_end − a_1).

    a_end is the value in the last column, the end of the schedule; it and every epoch up to the
    crossing must be recorded. A curve that ends no higher than it began has no rise to be half of:
    by the letter its half-life would be 1, and a run stuck at chance the fastest of all, so it is
    undefined. Raises ValueError if `values` is not (runs, epochs).
    """
    curves = _curves(values)
    gain = curves - curves[:, :1]
    epochs = _first(gain, gain[:, -1:] / 2).epochs
    return np.where((gain[:, -1:] > 0).any(axis=1), epochs, np.nan)


def _first(curves: FloatArray, thresholds: FloatArray | np.float64) -> FirstEpochs:
    """First epoch at or above the run's threshold, looking only at the gap-free beginning."""
    recorded = np.isfinite(curves)
    unbroken = np.logical_and.accumulate(recorded, axis=1)
    reached = unbroken & (curves >= thresholds)
    found = reached.any(axis=1)
    if not curves.shape[1]:
        return FirstEpochs(np.full(found.shape, np.nan), np.zeros(found.shape, np.bool_))
    epochs = np.where(found, reached.argmax(axis=1) + 1.0, np.nan)
    gap_free = unbroken[:, 0] & (recorded == unbroken).all(axis=1)
    return FirstEpochs(epochs, gap_free & ~found)


def _weighted_sum(values: npt.ArrayLike, weights: FloatArray) -> FloatArray:
    """Σ weights_t values_t over the first len(weights) epochs; NaN where one is missing."""
    curves = _curves(values)
    if weights.size > curves.shape[1]:
        return np.full(curves.shape[0], np.nan)
    total: FloatArray = np.vecdot(curves[:, : weights.size], weights)
    return total


def _epoch(upto: int) -> int:
    if upto < 1:
        raise ValueError(f"epochs are counted from 1: {upto} is none")
    return upto


def _curves(values: npt.ArrayLike) -> FloatArray:
    """The curves as float64 (runs, epochs) with infinities made NaN."""
    curves = np.asarray(values, dtype=np.float64)
    if curves.ndim != 2:
        raise ValueError(f"curves must be an array of (runs, epochs), not of {curves.ndim} axes")
    return np.where(np.isfinite(curves), curves, np.nan)
