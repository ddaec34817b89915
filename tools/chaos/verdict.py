"""The checks at the end of a drill."""

from collections import Counter

from shared.domain.events import ImageProcessed
from shared.domain.topics import IMAGES_PROCESSED
from tools.chaos.drill import Drill
from tools.chaos.reference import people_of


def findings(drill: Drill) -> list[str]:
    """Upload the remaining photographs, wait for their outcomes, and return a line for each error.

    Errors are photographs without an outcome, events published twice, and people that differ from the reference.
    """
    drill.stream_all()
    return [
        *(f"{key}: no outcome, or one of an older content" for key in drill.wait_for_outcomes("the last photographs")),
        *map(str, drill.witness.repeated()),
        *_outcomes(drill),
        *_people(drill),
    ]


def _outcomes(drill: Drill) -> list[str]:
    """Check that every object that was put once has exactly one outcome, and that no other object has any."""
    outcomes = (
        ImageProcessed.model_validate_json(record.value)
        for record in drill.witness.records(IMAGES_PROCESSED.name)
        if record.value is not None
    )
    found = Counter(outcome.photo.key for outcome in outcomes)
    wanted = {key for key in drill.feed.wanted if not drill.is_special(key)}
    return [f"{key}: expected one outcome, found {found[key]}" for key in wanted if found[key] != 1] + [
        f"{key}: has an outcome, but was never put" for key in found.keys() - drill.feed.wanted.keys()
    ]


def _people(drill: Drill) -> list[str]:
    """Check the cluster of each face of the reference, in the database and in the topic since the last generation."""
    reference, published = drill.reference.people(), drill.witness.assignments()
    special = {face for face, event in published.items() if drill.is_special(event.key)}
    with drill.pipeline.repository() as repository:
        stored = {face: person for face, person in people_of(repository).items() if face not in special}
    topic = {face: event for face, event in published.items() if face not in special}
    last = max(event.generation for event in published.values())
    wrong = [face for face in stored.keys() | reference.keys() if stored.get(face, "") != reference.get(face, "")]
    wrong_event = [
        face
        for face, event in topic.items()
        if event.generation == last and event.cluster_id != reference.get(face, "")
    ]
    return [
        *(f"face {face}: stored {stored.get(face, 'no such face')}, expected {reference.get(face)}" for face in wrong),
        *(f"face {face}: published {topic[face].cluster_id}, expected {reference.get(face)}" for face in wrong_event),
        *(f"face {face}: never published" for face in reference.keys() - topic.keys()),
        *(f"face {face}: published, but not in the reference" for face in topic.keys() - reference.keys()),
    ]
