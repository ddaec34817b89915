"""What a folder holds beside what the index knows of it, by names, sizes and times."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from shared.ordered import outer_join
from shared.photos.photo_names import PassedOver, Reason
from shared.ports.file_index import IndexedFile
from shared.ports.objects import FolderEntry, ObjectInfo

Rule = Callable[[FolderEntry, IndexedFile | None], PassedOver | None]
"""Says why a file is passed over, None where it is a photograph; the second is what the index knows of it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A listing beside the index.

    `unchanged` counts photographs that nobody has touched. `changed`: files that somebody may have touched, or whose
    photograph is to be tried again. `new`: files of unknown names. `missing`: known photographs that are not listed.
    `disowned`: known photographs that are listed and passed over now. `beyond` counts photographs below what cannot be
    read now, a folder or a link: they are not missing. `folders`: all in which photographs lie now, the top one is the
    empty text. `passed_over`: files that are no photographs, as the index is to know them where it does not, and
    `reasons` the numbers of all such files; `vanished`: keys of such files that are gone.
    """

    unchanged: int = 0
    beyond: int = 0
    changed: tuple[tuple[ObjectInfo, IndexedFile], ...] = ()
    new: tuple[ObjectInfo, ...] = ()
    missing: tuple[IndexedFile, ...] = ()
    disowned: tuple[IndexedFile, ...] = ()
    folders: frozenset[str] = frozenset()
    passed_over: tuple[IndexedFile, ...] = ()
    reasons: Mapping[Reason, int] = field(default_factory=dict)
    vanished: tuple[str, ...] = ()

    @property
    def photos(self) -> int:
        """Photographs in the listing."""
        return self.unchanged + len(self.changed) + len(self.new)

    @property
    def known(self) -> int:
        """Photographs in the index."""
        return self.unchanged + self.beyond + len(self.changed) + len(self.missing) + len(self.disowned)


def compare(listing: Iterable[FolderEntry], known: Iterable[IndexedFile], rule: Rule, decoders: str) -> Comparison:
    """Compare a listing with the index, both in ascending order of the UTF-8 bytes of their keys.

    `decoders` names what decodes photographs in this run: what other decoders could not read is tried again.
    """
    walk = _Walk(rule, decoders)
    for entry, file in outer_join(listing, known, lambda entry: entry.info.key, lambda file: file.key):
        if entry:
            walk.listed(entry, file)
        elif file:
            walk.absent(file)
    return walk.result()


@dataclass(slots=True)
class _Walk:
    rule: Rule
    decoders: str
    unchanged: int = 0
    beyond: int = 0
    closed: str = ""
    changed: list[tuple[ObjectInfo, IndexedFile]] = field(default_factory=list)
    new: list[ObjectInfo] = field(default_factory=list)
    missing: list[IndexedFile] = field(default_factory=list)
    disowned: list[IndexedFile] = field(default_factory=list)
    closed_names: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    passed_over: list[IndexedFile] = field(default_factory=list)
    reasons: Counter[Reason] = field(default_factory=Counter)
    vanished: list[str] = field(default_factory=list)

    def listed(self, entry: FolderEntry, file: IndexedFile | None) -> None:
        info, passed_over = entry.info, self.rule(entry, file)
        if passed_over:
            row = IndexedFile(info.key, info.stamp, info.size, self.decoders, "", str(passed_over))
            if row != file:
                self.passed_over.append(row)
            self.reasons[passed_over.reason] += 1
            if not info.size:  # a link whose target is away may have been a folder
                self.closed_names.add(info.key)
            if file and file.image_id:
                self.disowned.append(file)
            return
        if info.key.endswith("/"):
            self.closed = info.key
        else:
            self.folders.add(folder_of(info.key))
        if file is None or not file.image_id:
            self.new.append(info)
        elif file.stamp == info.stamp and file.unread_by in (None, self.decoders):
            self.unchanged += 1
        else:
            self.changed.append((info, file))

    def absent(self, file: IndexedFile) -> None:
        if self._is_below_what_is_closed(file.key):
            self.beyond += bool(file.image_id)
        elif file.image_id:
            self.missing.append(file)
        else:
            self.vanished.append(file.key)

    def _is_below_what_is_closed(self, key: str) -> bool:
        if self.closed and key.startswith(self.closed):
            return True
        return bool(self.closed_names) and any(str(above) in self.closed_names for above in PurePosixPath(key).parents)

    def result(self) -> Comparison:
        return Comparison(
            unchanged=self.unchanged,
            beyond=self.beyond,
            changed=tuple(self.changed),
            new=tuple(self.new),
            missing=tuple(self.missing),
            disowned=tuple(self.disowned),
            folders=frozenset(self.folders),
            passed_over=tuple(self.passed_over),
            reasons=self.reasons,
            vanished=tuple(self.vanished),
        )


def folder_of(key: str) -> str:
    """Return the folder of a key, the empty text for the top one."""
    parent = str(PurePosixPath(key).parent)
    return "" if parent == "." else parent
