"""An object store whose reads fail."""

from shared.adapters.memory.objects import MemoryObjectStore
from shared.ports.objects import StoredObject


class FailingStore(MemoryObjectStore):
    """An object store whose every read raises the same error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:  # noqa: ARG002  of the port
        raise self._error
