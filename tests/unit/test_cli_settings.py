"""Every command refuses a setting that nobody would read."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from cli.main import app
from shared.errors import InvalidInput
from tools.samples import ROOT

MISSPELT = "FACESTREAM_DETECTOR_UPSAMPEL"
LINES = """
run photos --out out
detect -d in -o out
cr2-to-jpg -s in -d out
preprocess -i in -o out
cluster --model-dir file --input in --output out
chinese-whispers file
export-embeddings file in out
get-medoids file out
validate file in out
tsne file out
models fetch
init
ingest in
watch
reconcile
announce
dead-letters list
dead-letters show 0@1
dead-letters replay --all
dead-letters drop --all
clusters list --result in
clusters show a --result in
clusters history a --result in
generations list --result in
generations show 1 --result in
generations diff 1 2 --result in
generations rollback 1 --result in
generations publish 1
generations remove 1 --result in
generations pin 1 --result in
generations unpin 1 --result in
""".strip().splitlines()


def names_of(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from names_of(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_all_commands_are_here() -> None:
    for name in names_of(get_command(app)):
        assert any(f"{line} ".startswith(f"{name} ") for line in LINES), name


@pytest.fixture
def misspelt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MISSPELT, "2")


@pytest.mark.usefixtures("misspelt")
@pytest.mark.parametrize("line", LINES)
def test_a_misspelt_setting_is_refused_with_the_nearest_one_by_every_command(line: str) -> None:
    result = CliRunner().invoke(app, line.split())
    assert isinstance(result.exception, InvalidInput)
    assert str(result.exception) == f"{MISSPELT}: no such setting; the nearest is FACESTREAM_DETECTOR_UPSAMPLE"


@pytest.mark.usefixtures("misspelt")
@pytest.mark.parametrize("line", ["--help", "--version", "run --help", "clusters list --help", "dead-letters --help"])
def test_help_is_there_for_whoever_got_a_setting_wrong(line: str) -> None:
    assert CliRunner().invoke(app, line.split()).exit_code == 0


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("FACESTREAM_DETECTR_UPSAMPLE", "FACESTREAM_DETECTOR_UPSAMPLE"),
        ("FACESTREAM_MODELS_DRI", "FACESTREAM_MODELS_DIR"),
        ("FACESTREAM_SECRETS_DRI", "FACESTREAM_SECRETS_DIR"),
        ("FACESTREAM_ASSIGNER_TRESHOLD", "FACESTREAM_ASSIGNER_THRESHOLD"),
    ],
)
def test_any_part_of_a_name_may_be_the_misspelt_one(name: str, nearest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "2")
    result = CliRunner().invoke(app, ["models", "fetch"])
    assert str(result.exception) == f"{name}: no such setting; the nearest is {nearest}"


def test_without_settings_nothing_is_imported_for_the_check() -> None:
    script = "import os, sys; [os.environ.pop(name) for name in list(os.environ) if name.startswith('FACESTREAM_')]\n"
    script += "from cli.settings_check import check_settings; check_settings(); print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n"
