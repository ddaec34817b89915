"""Histograms as geometry: two kinds of faces stacked in common bins, and a line at the threshold between them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 420, 210  # of the drawing area, in units of the picture
_BINS = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin from `low` to `high`, in the unit of the axis. Heights and places in units of the picture."""

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
    """A place on an axis and what is written there."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """`passed` and `failed` count the faces on either side of a decision, not of the line: faces of one photo compete."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    threshold: Tick
    passed: int
    failed: int


def similarity_histogram(
    assigned: Iterable[float | None], unknown: Iterable[float | None], threshold: float
) -> Histogram:
    """Count inner products, in equal bins; faces that were compared with nothing are left out."""
    passed = np.array([value for value in assigned if value is not None], dtype=np.float64)
    failed = np.array([value for value in unknown if value is not None], dtype=np.float64)
    low = min(0.0, math.floor(10 * min([threshold, *passed, *failed])) / 10)
    ticks = [(at / 10, f"{at / 10:g}") for at in range(round(low * 10), 11, 2)]
    return _histogram(passed, failed, np.linspace(low, 1.0, _BINS + 1), ticks, (threshold, f"{threshold:g}"), "{:.3f}")


def sharpness_histogram(accepted: Iterable[float], rejected: Iterable[float], threshold: float) -> Histogram:
    """Count variances of the Laplacian, in bins of equal ratio: they spread over four powers of ten."""
    passed, failed = (
        np.log10(np.maximum(1.0, np.array([*values], dtype=np.float64))) for values in (accepted, rejected)
    )
    high = max(3.0, math.ceil(max([0.0, *passed, *failed])))
    ticks = [(float(power), f"{10**power:,}") for power in range(int(high) + 1)]
    line = (math.log10(max(1.0, threshold)), f"{threshold:g}")
    return _histogram(passed, failed, np.linspace(0.0, high, _BINS + 1), ticks, line, "{:.3g}", power=True)


def _histogram(
    passed: NDArray[np.float64],
    failed: NDArray[np.float64],
    edges: NDArray[np.float64],
    ticks: Sequence[tuple[float, str]],
    line: tuple[float, str],
    number: str,
    *,
    power: bool = False,
) -> Histogram:
    # A value beyond the last edge by a rounding error belongs into the last bin.
    counts = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] for values in (passed, failed)]
    ceiling = _round_ceiling(int((counts[0] + counts[1]).max()))
    places = (edges - edges[0]) / (edges[-1] - edges[0]) * WIDTH
    labels = [number.format(10**edge if power else edge) for edge in edges]

    def at(value: float) -> float:
        return round((value - float(edges[0])) / float(edges[-1] - edges[0]) * WIDTH, 2)

    bars = tuple(
        Bar(
            labels[index],
            labels[index + 1],
            x=round(float(places[index]), 2),
            width=round(float(places[index + 1] - places[index]), 2),
            passed=int(good),
            failed=int(bad),
            passed_height=round(int(good) / ceiling * HEIGHT, 2),
            failed_height=round(int(bad) / ceiling * HEIGHT, 2),
        )
        for index, (good, bad) in enumerate(zip(*counts, strict=True))
        if good or bad
    )
    heights = [Tick(HEIGHT - HEIGHT * part / 2, f"{ceiling * part // 2:,}") for part in range(3)]
    return Histogram(
        bars=bars,
        x_ticks=tuple(Tick(at(value), label) for value, label in ticks),
        y_ticks=tuple(heights),
        threshold=Tick(at(line[0]), line[1]),
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
