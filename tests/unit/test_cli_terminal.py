"""Names, records and files of strangers cannot steer the terminal that shows them."""

import json
import logging
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.jobs.watch import json_line
from cli.main import app, main
from cli.output.terminal import LogLine
from shared.adapters.memory.repository import MemoryRepository
from shared.domain.events import Cause
from shared.domain.records import Membership
from shared.ports.streams import ConsumedRecord
from tests.support.random_records import cluster, generation
from tools.golden_events import event_bytes

EVIL = "a\x1b]0;title\x07\x9b31m\u202eb[red]c[/]\nd"
WHEN = datetime(2026, 11, 24, tzinfo=UTC)


def record(value: bytes) -> ConsumedRecord:
    return ConsumedRecord("faces.assigned", 3, 7, b"9b9d7ae7", value, {}, WHEN)


def is_harmless(printed: str) -> bool:
    return all(line.isprintable() for line in printed.split("\n"))


def test_an_error_line_is_one_printable_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["facestream", "get-medoids", str(tmp_path / EVIL.replace("/", "")), "out.csv"])
    with pytest.raises(SystemExit):
        main()
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert is_harmless(printed)
    assert "[red]c[]" in printed, "it is no markup"


def test_what_is_logged_is_one_printable_line() -> None:
    record = logging.LogRecord("kafka", logging.WARNING, "", 0, "the broker said %s", (EVIL,), None)
    line = LogLine().format(record)
    assert line.startswith("warning: the broker said a")
    assert line.isprintable()


def test_commands_print_warnings_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr("sys.argv", ["facestream", "get-medoids", "none.csv", "out.csv"])
    with pytest.raises(SystemExit):
        main()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler.formatter, LogLine)


def test_what_a_command_says_it_did_is_one_printable_line(tmp_path: Path) -> None:
    faces, out = tmp_path / "faces.csv", tmp_path / EVIL.replace("/", "")
    faces.write_text("0,1,2,3\na,x,0.6,0.8\n")
    printed = CliRunner().invoke(app, ["get-medoids", str(faces), str(out)]).stdout
    assert printed.startswith("1 embeddings: 1 medoids in ")
    assert printed.count("\n") == 1
    assert is_harmless(printed)


def test_clusters_of_files_are_json_that_steers_nothing_and_keeps_letters_as_they_are(tmp_path: Path) -> None:
    name = "é" + EVIL
    (tmp_path / "faces.csv").write_text(f'1,2,3\n0.6,0.8,"{name}"\n0.6,0.8,b\n', encoding="utf-8")
    printed = CliRunner().invoke(app, ["chinese-whispers", str(tmp_path / "faces.csv")]).stdout
    assert json.loads(printed) == [name, "b"]
    assert is_harmless(printed)
    assert printed.startswith('["é')


def test_an_event_for_programs_is_ascii() -> None:
    event = {"key": EVIL + "é", "cluster_id": None}
    line = json_line(record(json.dumps(event, ensure_ascii=False).encode()))
    assert json.loads(line) == event
    assert line.isascii()
    assert line.isprintable()


@pytest.mark.parametrize("value", [EVIL.encode(), b"\xff\x9b", b"[" * 100_000, b""])
def test_what_is_no_event_is_told_as_json_with_its_place(value: bytes) -> None:
    assert json.loads(json_line(record(value))) == {"place": record(value).record_id, "error": "no JSON"}


@pytest.mark.parametrize("name", ["arrived", "unknown", "reclustered"])
def test_every_event_stays_the_same_for_programs(name: str) -> None:
    event = event_bytes(f"FaceAssigned.{name}")
    assert json.loads(json_line(record(event))) == json.loads(event)


class Stranger(MemoryRepository):
    """What somebody else's database may say."""

    def active_generation(self) -> Any:
        return self.generation(1)

    def generation(self, number: int) -> Any:
        return replace(generation(number), reason=EVIL, model_id=EVIL, parameters={EVIL: EVIL})

    def generations(self) -> Any:
        return [self.generation(1)]

    def clusters(self, number: int, cluster_ids: Any = None) -> Any:  # noqa: ARG002  of the port
        return [replace(cluster(number, EVIL), medoid_face_id=EVIL, parents=(EVIL,))]

    def memberships(self, number: int) -> Any:
        return [Membership(number, "face", EVIL, 0.9, Cause.ARRIVED)]


@pytest.mark.parametrize("line", ["clusters list", "clusters show a", "generations list", "generations show 1"])
def test_a_stranger_s_database_steers_nothing(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.repositories.opened", lambda _result: nullcontext(Stranger()))
    result = CliRunner().invoke(app, line.split(), catch_exceptions=False)
    assert is_harmless(result.stdout)
    assert "[red]c[/]" in result.stdout, "it is no markup"
