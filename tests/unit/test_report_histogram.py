"""The histograms of the report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.standalone.report.histogram import HEIGHT, WIDTH, sharpness_histogram, similarity_histogram

SIMILARITY = st.lists(st.none() | st.floats(-1.0000001, 1.0000001))
SHARPNESS = st.lists(st.floats(0, 1e6))


@given(SIMILARITY, SIMILARITY)
def test_every_known_similarity_is_in_one_bar(assigned: list[float | None], unknown: list[float | None]) -> None:
    histogram = similarity_histogram(assigned, unknown, 0.75)
    assert sum(bar.passed for bar in histogram.bars) == histogram.passed == sum(x is not None for x in assigned)
    assert sum(bar.failed for bar in histogram.bars) == histogram.failed == sum(x is not None for x in unknown)


@given(SHARPNESS, SHARPNESS)
def test_bars_stay_inside_the_picture(accepted: list[float], rejected: list[float]) -> None:
    histogram = sharpness_histogram(accepted, rejected, 25)
    assert sum(bar.passed + bar.failed for bar in histogram.bars) == len(accepted) + len(rejected)
    for bar in histogram.bars:
        assert 0 <= bar.x < bar.x + bar.width <= WIDTH + 0.02
        assert 0 < bar.passed_height + bar.failed_height <= HEIGHT + 0.02


def test_bars_to_the_left_of_the_line_are_below_the_threshold() -> None:
    histogram = sharpness_histogram([26, 900], [3, 24], 25)
    assert [bar.failed for bar in histogram.bars if bar.x < histogram.threshold.at] == [1, 1, 0][
        : len(histogram.bars) - 1
    ]
    assert histogram.threshold.label == "25"
    (line,) = {round(similarity_histogram([1.0], [0.0], 0.75).threshold.at)}
    assert line == round(0.75 * WIDTH)


def test_equal_values_stand_on_top_of_each_other() -> None:
    (bar,) = similarity_histogram([0.81, 0.81, 0.81], [0.81], 0.75).bars
    assert (bar.passed, bar.failed) == (3, 1)
    assert bar.passed_height == pytest.approx(3 * bar.failed_height)


def test_nothing_gives_an_empty_histogram() -> None:
    assert similarity_histogram([], [None], 0.75).bars == ()
    assert sharpness_histogram([], [], 25).bars == ()
