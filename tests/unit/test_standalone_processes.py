import operator
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from cli.jobs.pictures import content
from services.standalone.processes import Processes
from services.standalone.settings import StandaloneSettings
from shared.errors import Unreadable

T = TypeVar("T")
R = TypeVar("R")


def in_processes(work: Callable[[T], R], tasks: Sequence[T], processes: int) -> list[tuple[T, R | Unreadable]]:
    with Processes(StandaloneSettings(processes=processes)) as pool:
        return list(pool.each(work, tasks))


pytestmark = pytest.mark.slow  # each starts processes


def test_results_come_in_the_order_of_the_tasks() -> None:
    tasks = list(range(20))
    assert list(in_processes(operator.neg, tasks, 2)) == [(task, -task) for task in tasks]


def test_an_unreadable_file_is_a_result_and_the_others_are_done(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"12")
    tasks = [tmp_path / name for name in ("missing", "good")]
    (_, missing), (_, good) = in_processes(partial(content, max_bytes=9), tasks, 1)
    assert isinstance(missing, Unreadable)
    assert str(missing) == "no such file or directory"
    assert good == b"12"


def test_a_file_that_kills_its_process_is_unreadable() -> None:
    ((_, outcome),) = in_processes(os._exit, [3], 1)
    assert str(outcome) == "decoding it killed its process (exit status 3)"


def test_a_file_that_takes_too_long_is_unreadable_and_the_next_one_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTREAM_STANDALONE_PHOTO_TIMEOUT", "2")
    (_, endless), (_, short) = in_processes(time.sleep, [600, 0], 1)
    assert str(endless) == "it took longer than 2 s"
    assert short is None


def test_any_other_error_ends_it() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(in_processes(int, ["no number"], 1))
