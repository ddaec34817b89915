"""What is installed: known by its hash, from no index that is named here, built by nothing that was not checked."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.docker.audit import LOCKS, lines

_ROOT = Path(__file__).parents[2]
_DOCKERFILE, _MAKEFILE = _ROOT / "deploy" / "docker" / "Dockerfile", _ROOT / "Makefile"
_PIP = re.compile(r"\bpip\b[^\n&|;]*?\s(install|wheel|download)\s([^\n&|;]*)")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_has_a_version_and_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"://|^\s*-|\s@\s|--(extra-)?index|--find-links", text.replace("--hash=", ""), re.MULTILINE)
    entries = re.split(r"^(?=[A-Za-z])", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry


def _unchecked(text: str) -> Iterator[str]:
    """Yield what pip is told that may run or install what no hash was looked at for."""
    for words in (f"{how} {options}" for how, options in _PIP.findall(text.replace("\\\n", " "))):
        from_outside = {"--require-hashes", "--only-binary :all:"}
        from_here = {"--no-index", "--no-deps"} | ({"--no-build-isolation"} if ".whl" not in words else set())
        if not any(all(option in words for option in wanted) for wanted in (from_outside, from_here)):
            yield words


@pytest.mark.parametrize("file", [_DOCKERFILE, _MAKEFILE], ids=lambda file: file.name)
def test_pip_installs_wheels_by_their_hashes_and_builds_only_what_is_here(file: Path) -> None:
    text = file.read_text()
    assert len(_PIP.findall(text)) >= 3
    assert list(_unchecked(text)) == []


@pytest.mark.parametrize("option", ["--require-hashes", "--only-binary :all:", "--no-index", "--no-build-isolation"])
@pytest.mark.parametrize("file", [_DOCKERFILE, _MAKEFILE], ids=lambda file: file.name)
def test_an_option_less_would_be_found(file: Path, option: str) -> None:
    text = file.read_text()
    places = [match.start() for match in re.finditer(re.escape(option), text)]
    assert places
    for place in places:
        assert list(_unchecked(text[:place] + text[place + len(option) :]))


def _answer(**packages: Any) -> dict[str, Any]:
    return {"dependencies": [{"name": name, "version": "1.0", **said} for name, said in packages.items()]}


_CLEAN: dict[str, Any] = {"vulns": []}
_HOLE = {"vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}]}
_UNKNOWN = {"skip_reason": "not found"}


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (_answer(a=_CLEAN, b=_CLEAN), 0, "no vulnerability is known in 2 packages"),
        (_answer(a=_CLEAN, b=_HOLE), 1, "b 1.0: PYSEC-1, fixed in 1.1, 2.0"),
        (_answer(a=_UNKNOWN, b=_HOLE), 1, "b 1.0: PYSEC-1, fixed in 1.1, 2.0"),
        (
            _answer(a=_UNKNOWN, b=_CLEAN),
            3,
            "expected an answer for 2 packages, found none for 1, the first: a: not found",
        ),
        (_answer(), 3, "expected an answer for 0 packages, found none for 0"),
    ],
)
def test_an_audit_that_got_no_answer_is_not_taken_for_a_good_one(
    answer: dict[str, Any], status: int, said: str
) -> None:
    found, told = lines(answer)
    assert found == status
    assert told[0] == said
