"""Servers on this machine without a container engine: Kafka, MinIO and a server of MongoDB's protocol.

`python -m tools.stack up` starts one of each and prints their addresses. Tests start servers of their own.
"""

from tools.stack.certificates import Certificates, issue
from tools.stack.install import Missing
from tools.stack.kafka import KafkaServer
from tools.stack.minio import MinioServer
from tools.stack.mongo import MongoServer
from tools.stack.mongo_java import MongoJavaServer
from tools.stack.runs import new_run
from tools.stack.server import Server

__all__ = [
    "Certificates",
    "KafkaServer",
    "MinioServer",
    "Missing",
    "MongoJavaServer",
    "MongoServer",
    "Server",
    "issue",
    "new_run",
]
