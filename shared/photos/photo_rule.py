"""The rule for which files are photographs. Folders, uploads, the stream and the reconciler all use it."""

from dataclasses import dataclass, field
from functools import cache
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from shared.photos.other_programs import OWNER_OF
from shared.photos.path_patterns import PathPatterns
from shared.photos.photo_names import Likely, PassedOver, Reason, Verdict, classify_ending
from shared.settings import Settings


class PhotoSettings(Settings):
    """Files that are passed over.

    They come in addition to files whose names belong to other kinds of files than photographs.
    """

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_PHOTOS_")

    ignore: Annotated[
        str,
        Field(
            description="Patterns of paths that are passed over, separated by colons. docs/photographs.md explains"
            " their syntax."
        ),
    ] = ""
    ignore_known: Annotated[
        bool,
        Field(
            description="Whether to pass over the files that other programs keep beside photographs."
            " docs/photographs.md lists them."
        ),
    ] = True

    @field_validator("ignore")
    @classmethod
    def _means_something(cls, text: str) -> str:
        for pattern in _split(text):
            if not pattern.strip("/*"):
                msg = f"expected patterns that leave something over, found {pattern!r}"
                raise ValueError(msg)
        return text

    @property
    def patterns(self) -> tuple[str, ...]:
        """Return the patterns of `ignore`, each by itself."""
        return _split(self.ignore)


def _split(text: str) -> tuple[str, ...]:
    return tuple(pattern.strip() for pattern in text.split(":") if pattern.strip())


@cache
def _known() -> PathPatterns:
    return PathPatterns(OWNER_OF)


_NONE = PathPatterns(())


@dataclass(frozen=True, slots=True)
class PhotoRule:
    """The rule with its settings: equal rules give the same verdict on a name in every process.

    `above`: the path of the folder that is walked; a pattern of several parts may begin in it, because a person may
    choose `Photos Library.photoslibrary` itself as the folder. Empty for a bucket.
    """

    ignored: PathPatterns = _NONE
    known: PathPatterns = field(default_factory=_known)
    above: str = ""

    @classmethod
    def of(cls, settings: PhotoSettings, above: str = "") -> "PhotoRule":
        """Return the rule with these settings."""
        return cls(PathPatterns(settings.patterns), _known() if settings.ignore_known else _NONE, above)

    def in_bucket(self, key: str) -> Verdict:
        """Return the verdict on the key of an object. A key that ends in a slash marks a folder, and is no file."""
        by_path = self._of_path(key)
        if by_path:
            return by_path
        if key.endswith("/"):
            return PassedOver(Reason.FOLDER)
        return classify_ending(key)

    def in_folder(self, key: str) -> Verdict:
        """Return the verdict on the key of a file, as `FolderStore` lists it.

        There a key that ends in a slash is a folder that cannot be read. It may have photographs in it, so it counts as
        a photograph, which is then reported as unreadable, unless everything in it would be passed over.
        """
        by_path = self._of_path(key)
        if by_path:
            return by_path
        return Likely.PHOTOGRAPH if key.endswith("/") else classify_ending(key)

    def passes_over(self, key: str) -> bool:
        """Return whether an object of a bucket is passed over by its key. It is then not read, and has no outcome."""
        return isinstance(self.in_bucket(key), PassedOver)

    def _of_path(self, key: str) -> PassedOver | None:
        if hit := self.ignored.find(key, self.above):
            return PassedOver(Reason.IGNORED, hit.pattern)
        if hit := self.known.find(key, self.above):
            return PassedOver(Reason.KEPT, f"{OWNER_OF[hit.pattern]}: {hit.path}")
        if key.startswith(".") or "/." in key:
            return PassedOver(Reason.HIDDEN)
        return None
