"""Histograms as geometry: two kinds of faces in common bins, stacked, and a line at the threshold between them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 420, 210  # of the drawing area, in units of the picture
_BINS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bin from `low` to `high`, in the unit of the axis. Heights and positions in units of the picture."""

    low: str
    high: str
    x: float
    width: float
    passed: int
    failed: int
    passed_height: float
    failed_height: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A position on an axis, and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of faces in bins.

    `passed` and `failed` are decisions, not sides of the threshold: of two faces on one photograph that are similar to
    one person, only one is assigned to it.
    """

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    threshold: Tick
    passed: int
    failed: int


@dataclass(frozen=True, slots=True)
class _Axis:
    """`edges` of bins, `ticks` and `threshold` in one unit, each of the latter two with its label."""

    edges: NDArray[np.float64]
    labels: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]
    threshold: tuple[float, str]

    def position(self, value: float) -> float:
        """Return the position of a value in the picture, in units of the picture."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        return round((value - low) / (high - low) * WIDTH, 2)


def similarity_histogram(
    assigned: Iterable[float | None], unknown: Iterable[float | None], threshold: float
) -> Histogram:
    """Count inner products in equal bins; faces that were not compared (None) are left out."""
    passed, failed = (
        np.array([value for value in values if value is not None], dtype=np.float64) for values in (assigned, unknown)
    )
    low = min(0.0, math.floor(5 * min([threshold, *passed, *failed])) / 5)  # inner products may be negative
    edges = np.linspace(low, 1.0, _BINS + 1)
    axis = _Axis(
        edges,
        labels=tuple(f"{edge:.3f}" for edge in edges),
        ticks=tuple((at / 10, f"{at / 10:g}") for at in range(round(low * 10), 11, 2)),
        threshold=(threshold, f"{threshold:g}"),
    )
    return _stack(passed, failed, axis)


def sharpness_histogram(accepted: Iterable[float], rejected: Iterable[float], threshold: float) -> Histogram:
    """Count variances of the Laplacian in bins of equal ratio, since they range over four powers of ten."""
    passed, failed = (
        np.log10(np.maximum(1.0, np.array([*values], dtype=np.float64))) for values in (accepted, rejected)
    )
    powers = math.ceil(max([3.0, *passed, *failed]))
    edges = np.linspace(0.0, powers, _BINS + 1)
    axis = _Axis(
        edges,
        labels=tuple(f"{10**edge:.3g}" for edge in edges),
        ticks=tuple((float(power), f"{10**power:,}") for power in range(powers + 1)),
        threshold=(math.log10(max(1.0, threshold)), f"{threshold:g}"),
    )
    return _stack(passed, failed, axis)


def _stack(passed: NDArray[np.float64], failed: NDArray[np.float64], axis: _Axis) -> Histogram:
    edges = axis.edges
    # A value that exceeds the last edge by a rounding error belongs to the last bin.
    counts = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].tolist() for values in (passed, failed)]
    ceiling = _round_ceiling(max(map(sum, zip(*counts, strict=True))))
    bars = tuple(
        Bar(
            low=axis.labels[index],
            high=axis.labels[index + 1],
            x=axis.position(edges[index]),
            width=round(WIDTH / _BINS, 2),
            passed=good,
            failed=bad,
            passed_height=round(good / ceiling * HEIGHT, 2),
            failed_height=round(bad / ceiling * HEIGHT, 2),
        )
        for index, (good, bad) in enumerate(zip(*counts, strict=True))
        if good or bad
    )
    return Histogram(
        bars=bars,
        x_ticks=tuple(Tick(axis.position(value), label) for value, label in axis.ticks),
        y_ticks=tuple(Tick(HEIGHT * (1 - part / 2), f"{ceiling * part // 2:,}") for part in range(3)),
        threshold=Tick(axis.position(axis.threshold[0]), axis.threshold[1]),
        passed=len(passed),
        failed=len(failed),
    )


def _round_ceiling(count: int) -> int:
    """Return the least even number of the form 1, 2, 4, 6 or 8 times a power of ten that is not below `count`."""
    power = 1
    while True:
        for step in (2, 4, 6, 8, 10):
            if step * power >= count:
                return step * power
        power *= 10
