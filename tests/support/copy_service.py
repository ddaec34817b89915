"""A service that copies records, as a process that a test may kill.

`python -m tests.support.copy_service SERVICE INSTANCE FROM TO`
"""

import sys
import time
from collections.abc import Sequence

from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.service import service
from shared.stream.worker import WorkerSettings
from tests.support.processors import Functions


def main() -> None:
    """Copy until SIGTERM, slowly enough that a test can kill the process before the end."""
    name, instance, source, target = sys.argv[1:]

    def copied(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        time.sleep(0.05)
        return [ProducedRecord(target, record.key or b"", record.value, {}) for record in records]

    with service("copier") as copier:
        stream = KafkaStream(KafkaSettings(), name, instance, [source])
        copier.run(stream, Functions(process=copied), WorkerSettings(batch=5), stall_timeout=60)


if __name__ == "__main__":
    main()
