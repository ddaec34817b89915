import time
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from cli.jobs import reconcile
from cli.main import app
from shared.errors import Transient


class _Enough(Exception):
    pass


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the pauses; the second comparison meets a store that is away, and there is no pause after the third."""
    slept: list[float] = []

    def compared(_: object) -> Iterator[str]:
        if len(slept) == 1:
            msg = "no answer"
            raise Transient(msg)
        yield f"comparison {len(slept) + 1}"

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise _Enough

    monkeypatch.setattr(reconcile, "reconcile_bucket", compared)
    monkeypatch.setattr(time, "sleep", sleep)
    return slept


def test_a_comparison_on_a_schedule_goes_on_where_a_server_is_away(rounds: list[float]) -> None:
    result = CliRunner().invoke(app, ["reconcile", "--every", "30m"])
    assert isinstance(result.exception, _Enough)
    assert rounds == [1800, 1800, 1800]
    assert result.stdout.splitlines() == ["comparison 1", "comparison 3"]
    assert "no answer" in result.stderr


@pytest.mark.parametrize(("options", "status", "rounds_made"), [((), 1, 0), (("--every", "30m"), 1, 3)])
def test_removals_that_are_held_back_are_told_in_a_line_and_a_schedule_goes_on(
    rounds: list[float], monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], status: int, rounds_made: int
) -> None:
    def compared(_: object) -> Iterator[str]:
        yield "7 objects in the bucket"
        msg = "30 of 60 known photographs are not in the bucket"
        raise reconcile.RemovalsWithheld(msg)

    monkeypatch.setattr(reconcile, "reconcile_bucket", compared)
    result = CliRunner().invoke(app, ["reconcile", *options])
    assert (result.exit_code, len(rounds)) == (status, rounds_made)
    assert result.stdout.splitlines() == ["7 objects in the bucket"] * max(rounds_made, 1)
    said = result.stderr or str(result.exception)
    assert said.splitlines() == ["30 of 60 known photographs are not in the bucket"] * max(rounds_made, 1)


def test_without_a_schedule_there_is_one_comparison(rounds: list[float]) -> None:
    result = CliRunner().invoke(app, ["reconcile"])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["comparison 1"]
    assert not rounds
