"""The port of the lease: which process may make and publish generations."""

from typing import Protocol

from shared.domain.records import Lease


class LeaseStore(Protocol):
    """One lease. Every call blocks, and raises `Transient` if no answer comes in time."""

    def lease(self) -> Lease | None:
        """Return the current lease, or None if there never was one."""
        ...

    def replace_lease(self, expected: Lease | None, lease: Lease) -> bool:
        """Replace the lease if its number and renewals are those of `expected`; return whether they were.

        One atomic write. After True, `GenerationStore.activate` refuses lower fencing numbers.
        """
        ...
