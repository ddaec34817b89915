"""`facestream announce`. The environment names the servers, as it does for the services."""

from cli.output.terminal import say


def announce() -> None:
    """Publish the person of every face and the outcome of every photograph again, after Kafka has lost them.

    Nothing is computed, and the database is not changed. Programs that have read the records before read them again.
    """
    from cli.jobs.announce import announce_all
    from services.reclusterer.generations.publish import NOT_ANNOUNCED

    announced = announce_all()
    say(f"announced: {announced.faces} faces, {announced.clusters} people, {announced.photos} photographs")
    if not announced.is_complete:
        say(NOT_ANNOUNCED, on_error_stream=True)
