import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from cli.files.input_files import content
from services.detector.photo_pool import PhotoPool
from shared.errors import Fatal, Undecoded, Unreadable
from shared.process_pool import ProcessPool, TaskFailed, TaskKilledProcess, TaskOutOfMemory, TaskTimedOut
from tests.support.crashing_tasks import fill_memory, hold_the_interpreter, killed_the_first_time, without_memory
from tools.samples import ROOT

T = TypeVar("T")
R = TypeVar("R")


def in_processes(
    work: Callable[[T], R], tasks: Sequence[T], processes: int, timeout: float = 300
) -> list[tuple[T, R | Unreadable]]:
    with PhotoPool(processes, timeout) as pool:
        return list(pool.each(work, tasks, Unreadable))


pytestmark = pytest.mark.slow  # each starts processes


def test_the_pool_itself_tells_apart_what_a_task_failed_for(tmp_path: Path) -> None:
    with ProcessPool(1, 2, memory=100_000_000) as pool:
        outcomes = [
            *(outcome for _, outcome in pool.each(os._exit, [3], TaskFailed)),
            *(outcome for _, outcome in pool.each(time.sleep, [600, 0], TaskFailed)),
            *(outcome for _, outcome in pool.each(fill_memory, [200_000_000, 5], TaskFailed)),
        ]
        with pytest.raises(Unreadable, match="no such file"):
            pool.call(partial(content, max_bytes=9), tmp_path / "missing")
    killed, endless, short, large, small = outcomes
    assert isinstance(killed, TaskKilledProcess)
    assert killed.status == 3
    assert isinstance(endless, TaskTimedOut)
    assert isinstance(large, TaskOutOfMemory)
    assert (short, small) == (None, 5)


def test_results_come_in_the_order_of_the_tasks() -> None:
    tasks = list(range(20))
    assert list(in_processes(operator.neg, tasks, 2)) == [(task, -task) for task in tasks]


def test_an_unreadable_file_is_a_result_and_the_others_are_done(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"12")
    tasks = [tmp_path / name for name in ("missing", "good")]
    (_, missing), (_, good) = in_processes(partial(content, max_bytes=9), tasks, 1)
    assert isinstance(missing, Unreadable)
    assert not isinstance(missing, Undecoded)
    assert str(missing) == "no such file or directory"
    assert good == b"12"


def test_a_file_that_kills_its_process_is_unreadable() -> None:
    ((_, outcome),) = in_processes(os._exit, [3], 1)
    assert isinstance(outcome, Undecoded)
    assert str(outcome) == "decoding it killed its process (exit status 3)"


def test_a_file_whose_process_was_killed_for_another_reason_is_tried_again(tmp_path: Path) -> None:
    ((_, outcome),) = in_processes(killed_the_first_time, [tmp_path / "mark"], 1)
    assert outcome == "done"


def test_a_file_that_takes_too_long_is_unreadable_and_the_next_one_is_done() -> None:
    (_, endless), (_, short) = in_processes(time.sleep, [600, 0], 1, timeout=2)
    assert isinstance(endless, Undecoded)
    assert str(endless) == "it took longer than 2 s"
    assert short is None


def test_a_decoder_that_hangs_with_the_lock_of_the_interpreter_takes_too_long_like_any_other() -> None:
    ((_, outcome),) = in_processes(hold_the_interpreter, [None], 1, timeout=1)
    assert str(outcome) == "it took longer than 1 s"


def test_that_a_photograph_was_not_decoded_this_time_comes_back_from_the_process() -> None:
    ((_, outcome),) = in_processes(without_memory, [None], 1)
    assert isinstance(outcome, Undecoded)
    assert str(outcome) == "not enough memory to decode it"


def test_any_other_error_ends_it() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(in_processes(int, ["no number"], 1))


def test_what_goes_wrong_while_a_process_prepares_is_told_to_every_caller(tmp_path: Path) -> None:
    with PhotoPool(1, 300, partial(content, tmp_path / "missing", 9)) as pool:
        for call in (pool.ready, partial(pool.call, operator.neg, 1)):
            with pytest.raises(Unreadable, match="no such file"):
                call()


def test_time_to_prepare_is_not_the_time_of_a_photograph() -> None:
    with PhotoPool(1, 0.5, partial(time.sleep, 1)) as pool:
        assert pool.call(operator.neg, 1) == -1


def test_processes_that_are_killed_while_they_idle_cost_nothing() -> None:
    with PhotoPool(2, 300) as pool:
        assert pool.call(operator.neg, 1) == -1
        for process in _children():
            process.kill()
        assert [result for _, result in pool.each(operator.neg, range(20), Unreadable)] == [-task for task in range(20)]


def test_a_signal_to_the_whole_group_leaves_the_end_to_the_parent() -> None:
    with PhotoPool(1, 300) as pool:
        number = pool.call(operator.methodcaller("pid"), _Pid())
        for told in (signal.SIGTERM, signal.SIGINT):
            os.kill(number, told)
        assert pool.call(operator.methodcaller("pid"), _Pid()) == number
    assert not psutil.pid_exists(number)


def test_a_call_that_is_at_work_when_the_processes_are_ended_is_told_so() -> None:
    with ThreadPoolExecutor(1) as threads:
        with PhotoPool(1, 300) as pool:
            number = pool.call(operator.methodcaller("pid"), _Pid())
            future = threads.submit(pool.call, time.sleep, 600)
            while not future.running() or pool._idle.qsize():
                time.sleep(0.01)
        with pytest.raises(Fatal, match="closed while a task was at work"):
            future.result()
    assert not psutil.pid_exists(number)


def test_a_parent_that_is_killed_leaves_no_process_even_where_one_hangs_in_c() -> None:
    command = [sys.executable, "-m", "tests.support.crashing_tasks", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout
        children = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
        parent.kill()
        gone, alive = psutil.wait_procs(children, timeout=60)
    assert (len(gone), alive) == (2, [])


class _Pid:
    def pid(self) -> int:
        return os.getpid()


def _children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # among others what other tests started, which may have ended
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found
