"""The changes in a folder since the last run: its files compared with the index, by names, sizes and times."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from shared.ordered import outer_join
from shared.photos.photo_names import PassedOver, Reason
from shared.ports.file_index import IndexedFile
from shared.ports.objects import FolderEntry, ObjectInfo

Rule = Callable[[FolderEntry, IndexedFile | None], PassedOver | None]
"""Returns why a file is passed over; None if it is a photograph. The second argument is its entry in the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The differences between a listing of the folder and the index.

    `unchanged`: number of photographs that nobody has touched. `beyond`: number of known photographs below a folder or
    link that cannot be read now; they are not missing. `changed`: files that may have been touched, or that are to be
    decoded again, each with its entry in the index. `new`: files that the index does not know as photographs.
    `missing`: known photographs that are not listed. `disowned`: known photographs that are listed and passed over now.
    `folders`: all folders that have photographs now; the top folder is the empty text. `passed_over`: files that are
    no photographs, and whose entry in the index is missing or differs. `reasons`: numbers of all files that are no
    photographs. `vanished`: keys of files that were no photographs and are gone.
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

    `decoders` names the decoders of this run: files that other decoders could not decode are tried again.
    """
    walk = _Walk(rule=rule, decoders=decoders)
    for entry, file in outer_join(listing, known, lambda entry: entry.info.key, lambda file: file.key):
        if entry:
            walk.listed(entry, file)
        elif file:
            walk.absent(file)
    return walk.result()


@dataclass(slots=True, kw_only=True)
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
            if not info.size:  # a link whose target is away may have led to a folder
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
