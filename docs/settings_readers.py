# ruff: noqa: INP001  a script beside the documents, no package
"""Which program reads which settings, found in the source: what `main` of a service or a command's function can reach.

A function reaches the functions and classes that it names, wherever they are imported, and all methods of such a class.
It reads a settings class where it calls it, and a variable where it asks `os.environ` for it. Annotations do not count.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from shared.settings import PLAIN_VARIABLES

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("cli", "services", "shared")

Definition = tuple[str, str]
"""A module and the name of something that is defined at its top."""


def readers(entries: Mapping[str, Definition], settings: Mapping[Definition, str]) -> Mapping[str, frozenset[str]]:
    """Return what each program reads: values of `settings`, and names of variables without a settings class.

    `entries`: the function that each program begins with. `settings`: a name for each settings class.
    """
    return {program: frozenset(_reads(entry, settings)) for program, entry in entries.items()}


def _reads(entry: Definition, settings: Mapping[Definition, str]) -> Iterator[str]:
    seen, todo = {entry}, [entry]
    while todo:
        module, name = todo.pop()
        for node in _expressions(_definitions(module)[name]):
            if isinstance(node, ast.Call):
                yield from _variable(node)
                called = node.func.value if isinstance(node.func, ast.Attribute) else node.func
                definition = _definition_of(module, called)
                if definition and definition in settings:
                    yield settings[definition]
            definition = _definition_of(module, node)
            if definition and definition not in seen:
                seen.add(definition)
                todo.append(definition)


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below one, without annotations."""
    for field, value in ast.iter_fields(node):
        if field not in {"annotation", "returns"}:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield child
                    yield from _expressions(child)


def _variable(call: ast.Call) -> Iterator[str]:
    if ast.unparse(call.func) == "os.environ.get" and isinstance(call.args[0], ast.Constant):
        name = str(call.args[0].value)
        if name in PLAIN_VARIABLES:
            yield name


def _definition_of(module: str, node: ast.AST) -> Definition | None:
    """Return where the definition stands that an expression of a module names, None where it is not ours."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):  # a name in a module that was imported
        inside = _imports(module).get(node.value.id)
        return _resolved(".".join(inside), node.attr) if inside else None
    return _resolved(module, node.id) if isinstance(node, ast.Name) else None


def _resolved(module: str, name: str) -> Definition | None:
    if name in _definitions(module):
        return module, name
    imported = _imports(module).get(name)
    return _resolved(*imported) if imported else None


@cache
def _tree(module: str) -> ast.Module:
    path = _ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return ast.parse(file.read_text(encoding="utf-8"))
    return ast.Module([], [])  # no module: a name in one


@cache
def _definitions(module: str) -> Mapping[str, ast.AST]:
    """Return what is defined at the top of a module, by name."""
    found: dict[str, ast.AST] = {}
    for node in _tree(module).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = node
    return found


@cache
def _imports(module: str) -> Mapping[str, Definition]:
    """Return what a module imports of the project at any depth: the definition that each name means."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in _PACKAGES
        for alias in node.names
    }
