"""A process that reads a topic from its beginning and goes on reading it.

`python -m tests.support.read_topic TOPIC` prints `read` and the value of each record.
"""

import sys

from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings


def main() -> None:
    with KafkaReader(KafkaSettings(), sys.argv[1]) as reader:
        for record in reader.follow(from_beginning=True):
            sys.stdout.write(f"read {(record.value or b'').decode()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
