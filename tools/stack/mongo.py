"""A server of MongoDB's protocol: nx-27017, over SQLite. No package registry has mongod itself."""

from dataclasses import dataclass

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tools.stack.install import mongo_program
from tools.stack.server import Server


@dataclass
class MongoServer(Server):
    """A server of MongoDB's protocol; `uri` reaches it."""

    @property
    def uri(self) -> str:
        """The address for clients."""
        return f"mongodb://127.0.0.1:{self.port}/"

    def command(self) -> list[str]:
        """Return the command line."""
        program = mongo_program()
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        return [
            *(str(program), "--data-dir", str(data), "--host", "127.0.0.1", "--port", str(self.port)),
            *("--log-file", str(self.folder / "nx.log"), "--pid-file", str(self.folder / "nx.pid")),
        ]

    def healthy(self) -> bool:
        """Return whether the server answers a ping."""
        with MongoClient[dict[str, object]](self.uri, timeoutMS=1000) as client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                return False
            return True
