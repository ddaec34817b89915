"""The port of the lease: which process may make and publish generations."""

from typing import Protocol

from shared.domain.records import Lease


class LeaseStore(Protocol):
    """One lease. Every call blocks, and raises `Transient` where no answer comes."""

    def lease(self) -> Lease | None:
        """Return the lease as it is, or None before the first."""
        ...

    def replace_lease(self, expected: Lease | None, lease: Lease) -> bool:
        """Write a lease if number and renewals are still the expected ones; say whether they were.

        One atomic write. Where it returns True, `activate` refuses lower numbers from then on.
        """
        ...
