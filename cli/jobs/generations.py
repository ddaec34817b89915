"""The work of `facestream generations`: list, show, compare, pin and remove generations."""

from collections.abc import Iterator
from datetime import datetime

from rich.table import Column, Table

from cli.output.tables import table_of
from cli.repositories import active, numbered
from services.reclusterer.generations.diff import diff_generations, paired_memberships
from shared.domain.event_words import in_words
from shared.domain.events import Change
from shared.domain.records import Generation, GenerationState
from shared.errors import InvalidInput
from shared.ports.repository import FaceRepository


def table(repository: FaceRepository) -> Table:
    """Return all generations as a table."""
    columns = (
        Column("generation", justify="right"),
        Column("state"),
        Column("made"),
        Column("faces", justify="right"),
        Column("people", justify="right"),
        Column("assigned", justify="right"),
        Column("reason"),
    )
    pinned = repository.pinned()
    rows = (
        (
            str(generation.number),
            _state(generation, pinned),
            _time(generation.created_at),
            *(str(generation.counts.get(name, "")) for name in ("faces", "clusters", "assigned")),
            generation.reason,
        )
        for generation in repository.generations()
    )
    return table_of(columns, rows)


def described(repository: FaceRepository, number: int) -> Iterator[str]:
    """Yield lines about a generation: state, times, model, counts, settings and durations."""
    generation = numbered(repository, number)
    yield f"generation {number}: {_state(generation, repository.pinned())}"
    yield f"made: {_time(generation.created_at)}"
    yield f"published: {_time(generation.published_at)}, instead of {generation.previous or 'none'}"
    yield f"announced: {'yes' if generation.announced else 'no'}"
    if generation.reason:
        yield f"held back: {generation.reason}"
    yield f"model: {generation.model_id}"
    yield from (f"{name}: {value}" for name, value in generation.counts.items())
    yield from (f"{name}: {value}" for name, value in generation.parameters.items())
    yield from (f"{name}: {seconds:.2f} s" for name, seconds in generation.timings.items())


def difference(repository: FaceRepository, before: int, after: int) -> Iterator[str]:
    """Yield a line with the numbers of faces whose person differs, then a line for each person that changed."""
    for number in (before, after):
        numbered(repository, number)
    moved = lost = newly_known = 0
    for old, new in paired_memberships(repository, before, after):
        was, now = old and old.cluster_id, new and new.cluster_id
        moved += bool(was and now and was != now)
        lost += bool(was and not now)
        newly_known += bool(now and not was)
    yield f"faces: {moved} have another person, {lost} are unknown now, {newly_known} were unknown before"
    for change in diff_generations(repository, before, after):
        if change.change is not Change.KEPT:
            words = f"{in_words(change.change)} {change.other or ''}".rstrip()
            yield f"{change.cluster_id}  {words}  {change.size} faces"


def pin(repository: FaceRepository, number: int) -> str:
    """Pin a generation, so that it is kept; return a line about the effect."""
    generation = numbered(repository, number)
    if generation.state is GenerationState.BUILDING:
        msg = f"generation {number}: expected a complete one, this one is being made"
        raise InvalidInput(msg)
    repository.pin(number)
    if number == active(repository).number:
        return f"generation {number} is pinned and active: no other one is published until it is unpinned"
    return f"generation {number} is pinned: it is kept until it is unpinned"


def unpin(repository: FaceRepository, number: int) -> str:
    """Unpin a generation; return a line about the effect."""
    if number not in repository.pinned():
        pinned = ", ".join(map(str, sorted(repository.pinned()))) or "none"
        msg = f"generation {number}: expected a pinned one ({pinned})"
        raise InvalidInput(msg)
    repository.unpin(number)
    return f"generation {number} is no longer pinned"


def remove(repository: FaceRepository, number: int) -> str:
    """Remove a generation with its people and medoids; return a line about the effect.

    The caller must have the lease or the lock of the folder. Raises `InvalidInput` if the generation is still needed.
    """
    generation, now, pinned = numbered(repository, number), active(repository), repository.pinned()
    if number == now.number or number in pinned:
        msg = f"generation {number}: expected one that is neither active nor pinned, it is {_state(generation, pinned)}"
        raise InvalidInput(msg)
    if number == now.previous and not now.announced:
        msg = f"generation {number}: what changed after it is not announced yet; the next reclusterer does that"
        raise InvalidInput(msg)
    repository.remove_generation(number)
    return f"generation {number} is removed; it cannot be activated again"


def _state(generation: Generation, pinned: frozenset[int]) -> str:
    return generation.state + (", pinned" if generation.number in pinned else "")


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else moment.astimezone().isoformat(sep=" ", timespec="seconds")
