"""The three ports that one database implements, as one."""

from typing import Protocol

from shared.ports.generations import GenerationStore
from shared.ports.lease import LeaseStore
from shared.ports.photos import PhotoCatalog


class FaceRepository(PhotoCatalog, GenerationStore, LeaseStore, Protocol):
    """Photographs, generations and the lease. A function takes the narrowest of the three that serves it."""
