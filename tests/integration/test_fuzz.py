import random

import pytest

from services.detector.decoding.decode import decode
from services.detector.settings import DetectorSettings
from tools.fuzz.fuzzing import cases, fuzz
from tools.fuzz.mutations import mutated
from tools.fuzz.seeds import seeds

_COUNT = 150


def test_every_sound_photograph_of_the_fuzzer_is_read() -> None:
    for files in seeds().values():
        for data in files:
            assert decode(data, DetectorSettings()).image.size


def test_the_same_seed_gives_the_same_photographs_and_all_formats() -> None:
    first, again = list(cases(60, 7)), list(cases(60, 7))
    assert first == again
    assert {case.kind for case in first} == set(seeds())
    assert first != list(cases(60, 8))


def test_empty_bytes_can_be_mutated() -> None:
    for seed in range(50):
        name, _ = mutated(b"", random.Random(seed))  # noqa: S311  to be repeated
        assert name


@pytest.mark.slow
def test_mutated_photographs_of_all_formats_end_as_outcomes() -> None:
    report = fuzz(_COUNT, seed=1, processes=2)
    assert sum(report.counts.values()) == _COUNT
    assert report.lost == []
    outcomes = {reason for _, reason in report.counts}
    assert "read" in outcomes
    assert any(reason.startswith("truncated") for reason in outcomes)
    assert any(reason.startswith("damaged") for reason in outcomes)
