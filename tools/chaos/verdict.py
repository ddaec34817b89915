"""What must be true in the end, whatever has happened."""

from collections import Counter

from shared.domain.events import ImageProcessed
from shared.domain.topics import IMAGES_PROCESSED
from tools.chaos.drill import Drill
from tools.chaos.reference import people_of


def findings(drill: Drill) -> list[str]:
    """Return all that is wrong, nothing if the stream lost nothing, said nothing twice, and agrees with the reference.

    Feeds what is left of the photographs before.
    """
    drill.stream_all()
    return [
        *(f"{key}: no outcome, or an old one" for key in drill.settle("the last photographs")),
        *map(str, drill.witness.repeated()),
        *_outcomes(drill),
        *_people(drill),
    ]


def _outcomes(drill: Drill) -> list[str]:
    """Every object that was put once has one outcome, and nothing else has any."""
    outcomes = (
        ImageProcessed.model_validate_json(record.value)
        for record in drill.witness.records(IMAGES_PROCESSED.name)
        if record.value is not None
    )
    told = Counter(outcome.photo.key for outcome in outcomes)
    wanted = {key for key in drill.feed.wanted if not drill.is_special(key)}
    return [f"{key}: expected one outcome, found {told[key]}" for key in wanted if told[key] != 1] + [
        f"{key}: was never put, and has an outcome" for key in told.keys() - drill.feed.wanted.keys()
    ]


def _people(drill: Drill) -> list[str]:
    """The database says of every face what the reference says, and so does the topic of every face since then."""
    reference, said = drill.reference.people(), drill.witness.assignments()
    special = {face for face, event in said.items() if drill.is_special(event.key)}
    with drill.pipeline.repository() as repository:
        stored = {face: person for face, person in people_of(repository).items() if face not in special}
    topic = {face: event for face, event in said.items() if face not in special}
    last = max(event.generation for event in said.values())
    wrong = [face for face in stored.keys() | reference.keys() if stored.get(face, "") != reference.get(face, "")]
    wrong_event = [
        face
        for face, event in topic.items()
        if event.generation == last and event.cluster_id != reference.get(face, "")
    ]
    return [
        *(f"face {face}: stored {stored.get(face, 'no such face')}, wanted {reference.get(face)}" for face in wrong),
        *(f"face {face}: told {topic[face].cluster_id}, wanted {reference.get(face)}" for face in wrong_event),
        *(f"face {face}: never told of" for face in reference.keys() - topic.keys()),
        *(f"face {face}: told of, and nowhere found" for face in topic.keys() - reference.keys()),
    ]
