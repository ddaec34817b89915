"""Real servers on this machine, without a container engine: Kafka, MinIO and a server of MongoDB's protocol.

`python -m tests.stack up` starts one of each and prints their addresses; tests start their own.
"""

from tests.stack.certificates import Certificates, issue
from tests.stack.install import Missing
from tests.stack.kafka import KafkaServer
from tests.stack.minio import MinioServer
from tests.stack.mongo import MongoServer
from tests.stack.runs import new_run
from tests.stack.server import Server

__all__ = ["Certificates", "KafkaServer", "MinioServer", "Missing", "MongoServer", "Server", "issue", "new_run"]
