"""What is said where a program that the servers of the tests need is not on this machine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fixtures import needed
from tools.stack import install
from tools.stack.install import Missing


@pytest.mark.parametrize(
    ("get", "what"),
    [
        (install.java, "Java"),
        (install.kafka_jars, "Maven"),
        (install.minio_program, "Go"),
        (install.mongo_program, "nx"),
    ],
)
def test_what_is_missing_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, get: Callable[[], object], what: str
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(install, "CACHE", tmp_path)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(Missing, match=f"needs {what}.*: .*(apt-get|make setup)"):
        get()
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"], "nothing half made is left behind"


def test_a_java_that_is_too_old_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match=r"Java at least 17: .*11"):
        install.java()


def test_without_a_program_a_test_is_skipped_and_in_continuous_integration_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = Missing("a program", "get it")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="a program: get it"), needed():
        raise missing
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="a program: get it"), needed():
        raise missing
