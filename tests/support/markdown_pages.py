"""Markdown pages and what they name: links, commands, `make` targets, modules, settings, metrics, topics, files."""

import importlib.util
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "bench/**/*.md", "deploy/**/*.md", "docs/**/*.md", "findings/**/*.md")
    for page in ROOT.glob(pattern)
)
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_CODE_BLOCKS = {"fence", "code_block"}
_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=")
_OPERATORS = {"&&", "||", "|", ";", ">", ">>", "<"}
_FOLDERS = ("bench", "cli", "deploy", "docs", "findings", "services", "shared", "tests", "tools")


@dataclass(frozen=True)
class Page:
    """One Markdown page. Relative links start at the folder of `path`."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> "Page":
        return cls(path, path.read_text(encoding="utf-8"))

    def tokens(self) -> Iterator[Token]:
        """All tokens, with those inside paragraphs, headings and cells."""
        for token in _MARKDOWN.parse(self.text):
            yield token
            yield from token.children or ()

    def links(self) -> Iterator[str]:
        for token in self.tokens():
            if target := token.attrs.get("href" if token.type == "link_open" else "src"):
                yield str(target)

    def anchors(self) -> set[str]:
        """The anchors of the headings, as GitHub makes them."""
        tokens = _MARKDOWN.parse(self.text)
        found: Counter[str] = Counter()
        anchors = set()
        for opening, heading in pairwise(tokens):
            if opening.type == "heading_open":
                words = "".join(token.content for token in heading.children or ())
                slug = re.sub(r"[^\w -]", "", words).strip().lower().replace(" ", "-")
                anchors.add(f"{slug}-{found[slug]}" if found[slug] else slug)
                found[slug] += 1
        return anchors

    def code_lines(self) -> list[str]:
        """The lines of code blocks, without the prompt; continued lines are joined."""
        blocks = [token.content for token in self.tokens() if token.type in _CODE_BLOCKS]
        lines = "".join(blocks).replace("\\\n", " ").splitlines()
        return [line.strip().removeprefix("$ ") for line in lines]

    def code_spans(self) -> list[str]:
        return [token.content for token in self.tokens() if token.type == "code_inline"]

    def command_cells(self) -> Iterator[list[str]]:
        """The code spans in the first cell of each row, of tables whose first column is called `command`."""
        row: list[list[Token]] = []
        inside = False
        for token in _MARKDOWN.parse(self.text):
            if token.type == "table_open":
                inside = False
            elif token.type == "tr_open":
                row = []
            elif token.type == "inline":
                row.append(token.children or [])
            elif token.type == "tr_close" and inside:
                if names := [part.content for part in row[0] if part.type == "code_inline"]:
                    yield names
            elif token.type == "thead_close":
                inside = "".join(part.content for part in row[0]) == "command"


def broken_links(page: Page) -> list[str]:
    """The links that lead to no file, out of the repository, or to no heading of a page."""
    unread = ["](" for token in page.tokens() if token.type == "text" and "](" in token.content]
    return unread + [link for link in page.links() if not re.match(r"[a-z]+:", link) and not _leads(page, link)]


def unreached(start: Path, pages: Iterable[Path]) -> list[Path]:
    """The pages to which no chain of links leads from `start`."""
    reached: set[Path] = set()
    coming = [start]
    while coming:
        path = coming.pop()
        if path not in reached and path.suffix == ".md" and path.exists():
            reached.add(path)
            names = (link.partition("#")[0] for link in Page.read(path).links())
            coming += [(path.parent / name).resolve() for name in names if name and ":" not in name]
    return [page for page in pages if page not in reached]


def wrong_commands(page: Page) -> list[str]:
    """The command lines that `facestream` does not understand; those in code blocks have to be whole."""
    wrong = [line for line in page.code_lines() for words in _commands(line) if not understood(words, whole=True)]
    wrong += [span for span in page.code_spans() for words in _commands(span) if not understood(words)]
    for first, *others in page.command_cells():
        words = _words(first.removeprefix("facestream "))
        if not understood(words):
            wrong.append(first)
        group = [word for word in words[:1] if isinstance(_root().commands.get(word), TyperGroup)]
        wrong += [other for other in others if not understood([*group, *_words(other)])]
    return wrong


def commands_in_tables(page: Page) -> set[str]:
    """The commands that have a row in a table of commands, as `generations list`."""
    named = set()
    for first, *others in page.command_cells():
        words = _words(first.removeprefix("facestream "))
        named.add(" ".join(words[: len(command_path(words))]))
        named |= {f"{words[0]} {_words(other)[0]}" for other in others}
    return named


def every_command() -> set[str]:
    return set(_leaves(_root(), ()))


def wrong_targets(page: Page) -> list[str]:
    """The `make` targets that the Makefile does not have."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [_words(line) for line in [*page.code_lines(), *page.code_spans()]]
    return [words[1] for words in lines if words[:1] == ["make"] and len(words) > 1 and words[1] not in known]


def wrong_modules(page: Page) -> list[str]:
    """The modules after `python -m` that cannot be run."""
    named = re.findall(r"python3? -m ([\w.]+)", "\n".join([*page.code_lines(), *page.code_spans()]))
    return [name for name in named if not _can_be_run(name)]


def wrong_settings(page: Page, known: Iterable[str]) -> list[str]:
    """The `FACESTREAM_` variables that are no settings; `FACESTREAM_KAFKA_...` stands for all that begin so."""
    names, wrong = set(known), []
    for name, more in re.findall(r"(?<![A-Z_])(FACESTREAM_[A-Z0-9_]*)(\.\.\.|\*)?", page.text):
        exists = any(setting.startswith(name) for setting in names) if more or name.endswith("_") else name in names
        if not exists:
            wrong.append(name + more)
    return wrong


def wrong_words(page: Page, pattern: str, known: Iterable[str]) -> list[str]:
    """The words that match the pattern and are unknown."""
    return sorted(set(re.findall(pattern, page.text)) - set(known))


def wrong_files(page: Page) -> list[str]:
    """The files and folders of the repository that are named in code spans and are not there."""
    path = re.compile(rf"(?:{'|'.join(_FOLDERS)})/[\w./*-]+")
    named = [span for span in page.code_spans() if path.fullmatch(span)]
    return [name for name in named if not any(ROOT.glob(name.rstrip("/")))]


def understood(words: Sequence[str], *, whole: bool = False) -> bool:
    """Whether these words after `facestream` are a command with options and arguments that it has.

    `whole`: with all arguments that it needs. Otherwise words in capitals and `...` may stand for a command,
    everything from `...` on is left out, and an option at the end may be without its value.
    """
    if whole:
        return _parsed(words, whole=True)
    words = words[: words.index("...")] if "..." in words else words
    return _parsed(words) or (any(word.startswith("--") for word in words[-1:]) and _parsed([*words, "value"]))


def _parsed(words: Sequence[str], *, whole: bool = False) -> bool:
    command: Any = _root()
    context = command.context_class(command, **command.context_settings)
    while True:
        try:
            options, rest, _ = command.make_parser(context).parse_args(list(words))
        except TyperException:
            return False
        if not isinstance(command, TyperGroup):
            needed = {param.name for param in command.params if param.required}
            given = {name for name, value in options.items() if value is not None}
            return not rest and (not whole or "help" in options or needed <= given)
        if not rest:
            return not whole or bool(options)
        if rest[0].isupper() and not whole:
            return True
        subcommand = command.commands.get(rest[0])
        if subcommand is None:
            return False
        context = subcommand.context_class(subcommand, parent=context, info_name=rest[0], **subcommand.context_settings)
        command, words = subcommand, rest[1:]


def command_path(words: Sequence[str]) -> list[str]:
    """The names of groups and of the command at the beginning of these words."""
    command: Any = _root()
    path = []
    for word in words:
        if not isinstance(command, TyperGroup) or word not in command.commands:
            break
        command = command.commands[word]
        path.append(word)
    return path


def _leads(page: Page, link: str) -> bool:
    name, _, anchor = link.partition("#")
    if not name:
        return anchor in page.anchors()
    target = (page.path.parent / name).resolve()
    if not (target.exists() and target.is_relative_to(ROOT)):
        return False
    return not anchor or (target.suffix == ".md" and anchor in Page.read(target).anchors())


def _commands(line: str) -> Iterator[list[str]]:
    """The words after each `facestream` in a line where it is a command, also in a container of the compose file."""
    words = _words(line)
    composed = words[:3] == ["docker", "compose", "run"]
    start = 0
    for end in [*(index for index, word in enumerate(words) if word in _OPERATORS), len(words)]:
        part = words[start:end]
        while part and _ASSIGNMENT.match(part[0]):
            part = part[1:]
        if composed and "facestream" in part:
            yield part[part.index("facestream") + 1 :]
        elif composed and "cli" in part:
            yield part[part.index("cli") + 1 :]
        elif part and part[0].rpartition("/")[2] == "facestream":
            yield part[1:]
        start = end + 1


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # no line for a shell, as of JSON or prose
        return line.split()


def _can_be_run(name: str) -> bool:
    try:
        found = importlib.util.find_spec(name)
        if found is None or found.submodule_search_locations is None:
            return found is not None
        return importlib.util.find_spec(f"{name}.__main__") is not None
    except ModuleNotFoundError:
        return False


@cache
def _root() -> TyperGroup:
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    return root


def _leaves(group: TyperGroup, path: tuple[str, ...]) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _leaves(command, (*path, name))
        else:
            yield " ".join((*path, name))
