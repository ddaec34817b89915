"""`facestream generations`: which there are, what differs, which are kept and which are not."""

from collections.abc import Iterator
from datetime import datetime

from rich.table import Table

from cli.jobs.repositories import active, numbered
from cli.terminal import cell
from services.reclusterer.generations.diff import diff_generations, paired_memberships
from shared.domain.event_words import in_words
from shared.domain.events import Change
from shared.domain.records import Generation, GenerationState
from shared.errors import InvalidInput
from shared.ports.repository import FaceRepository


def table(repository: FaceRepository) -> Table:
    """Return all generations as a table."""
    lines = Table(box=None, pad_edge=False)
    for name in ("generation", "state", "made", "faces", "people", "assigned", "reason"):
        lines.add_column(name, justify="right" if name in {"generation", "faces", "people", "assigned"} else "left")
    pinned = repository.pinned()
    for generation in repository.generations():
        counts = (str(generation.counts.get(name, "")) for name in ("faces", "clusters", "assigned"))
        cells = (str(generation.number), _state(generation, pinned), _time(generation.created_at), *counts)
        lines.add_row(*map(cell, (*cells, generation.reason)))
    return lines


def described(repository: FaceRepository, number: int) -> Iterator[str]:
    """Yield lines that describe a generation."""
    generation = numbered(repository, number)
    yield f"generation {number}: {_state(generation, repository.pinned())}"
    yield f"made: {_time(generation.created_at)}"
    yield f"published: {_time(generation.published_at)}, in the place of {generation.previous or 'none'}"
    yield f"announced: {'yes' if generation.announced else 'no'}"
    if generation.reason:
        yield f"held back: {generation.reason}"
    yield f"model: {generation.model_id}"
    yield from (f"{name}: {value}" for name, value in generation.counts.items())
    yield from (f"{name}: {value}" for name, value in generation.parameters.items())
    yield from (f"{name}: {seconds:.2f} s" for name, seconds in generation.timings.items())


def difference(repository: FaceRepository, before: int, after: int) -> Iterator[str]:
    """Yield lines that say what differs between two generations: faces, then people that are not as they were."""
    for number in (before, after):
        numbered(repository, number)
    moved = left = found = 0
    for old, new in paired_memberships(repository, before, after):
        was, now = old and old.cluster_id, new and new.cluster_id
        moved += bool(was and now and was != now)
        left += bool(was and not now)
        found += bool(now and not was)
    yield f"faces: {moved} have another person, {left} are unknown now, {found} were unknown before"
    for change in diff_generations(repository, before, after):
        if change.change is not Change.KEPT:
            words = f"{in_words(change.change)} {change.other or ''}".rstrip()
            yield f"{change.cluster_id}  {words}  {change.size} faces"


def pin(repository: FaceRepository, number: int) -> str:
    """Keep a generation; return what that means."""
    generation = numbered(repository, number)
    if generation.state is GenerationState.BUILDING:
        msg = f"generation {number}: expected one that is whole, this one is being made"
        raise InvalidInput(msg)
    repository.pin(number)
    if number == active(repository).number:
        return f"generation {number} is pinned and active: no other one is published until it is unpinned"
    return f"generation {number} is pinned: it is kept until it is unpinned"


def unpin(repository: FaceRepository, number: int) -> str:
    """Undo `pin`; return what that means."""
    if number not in repository.pinned():
        pinned = ", ".join(map(str, sorted(repository.pinned()))) or "none"
        msg = f"generation {number}: expected a pinned one ({pinned})"
        raise InvalidInput(msg)
    repository.unpin(number)
    return f"generation {number} is no longer pinned"


def remove(repository: FaceRepository, number: int) -> str:
    """Remove a generation with its people, medoids and all, before its time; return what that means.

    Whoever calls it keeps out those who publish generations. Raises `InvalidInput` where it is needed.
    """
    generation, now, pinned = numbered(repository, number), active(repository), repository.pinned()
    if number == now.number or number in pinned:
        msg = f"generation {number}: expected one that is neither active nor pinned, it is {_state(generation, pinned)}"
        raise InvalidInput(msg)
    if number == now.previous and not now.announced:
        msg = (
            f"generation {number}: what differs from it is still to be told; the next start of the reclusterer does it"
        )
        raise InvalidInput(msg)
    repository.remove_generation(number)
    return f"generation {number} is removed: there is no way back to it"


def _state(generation: Generation, pinned: frozenset[int]) -> str:
    return generation.state + (", pinned" if generation.number in pinned else "")


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else moment.astimezone().isoformat(sep=" ", timespec="seconds")
