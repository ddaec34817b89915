"""A second server of MongoDB's protocol: mongo-java-server, in memory.

It shares no code with nx-27017 (`mongo.py`), so that what both do is rarely an error of one of them
(docs/decisions/026-a-second-witness-for-the-database.md).
"""

from dataclasses import dataclass

from tools.stack.install import java, mongo_java_server
from tools.stack.mongo import MongoServer


@dataclass
class MongoJavaServer(MongoServer):
    """A server of MongoDB's protocol whose data end with its process; `uri` reaches it.

    Only its unique indexes are indexes: a condition on another field than `_id` reads the whole collection.
    """

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            *(java(), "-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
            *("-cp", f"{mongo_java_server()}:{mongo_java_server()}/*", "MongoJavaServer", str(self.port)),
        ]
