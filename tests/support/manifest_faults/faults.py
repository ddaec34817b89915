"""Faults in manifests, each with the rule that must find it."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tools.manifests.kustomize import Document
from tools.manifests.workloads import title

GONE = object()
NEW = "a new document"

POD = ("spec", "template", "spec")
ONE = (*POD, "containers", "service")
SECRETS = (*POD, "volumes", "secrets", "projected", "sources")


@dataclass(frozen=True)
class Fault:
    """A changed value of a document.

    `where`: kind and name of the document. `path`: keys and indexes to the value; a text finds an element of a list by
    its name. `value`: the new value; `GONE` removes it.
    """

    rule: Callable[[Sequence[Document]], Iterator[str]]
    what: str
    where: str
    path: tuple[str | int, ...]
    value: object = GONE
    variant: str = "production"

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def with_fault(documents: Sequence[Document], fault: Fault) -> list[Document]:
    """Return a copy of the documents that has the fault."""
    changed = deepcopy(list(documents))
    if fault.where == NEW:
        assert isinstance(fault.value, dict)
        return [*changed, fault.value]
    (document,) = (document for document in changed if title(document).startswith(fault.where))
    if not fault.path:
        changed.remove(document)
        return changed
    target: Any = document
    for part in fault.path[:-1]:
        target = target[_index(target, part)]
    last = _index(target, fault.path[-1])
    if fault.value is GONE:
        del target[last]
    elif isinstance(target, list) and last == len(target):
        target.append(fault.value)
    else:
        target[last] = fault.value
    return changed


def _index(target: Any, part: str | int) -> str | int:
    if isinstance(target, list) and isinstance(part, str):
        return next(number for number, element in enumerate(target) if element["name"] == part)
    return part


def detector(
    rule: Callable[[Sequence[Document]], Iterator[str]], what: str, *path: str | int, value: object = GONE
) -> Fault:
    return Fault(rule, what, "Deployment/detector", path, value)
