"""The number of processes that KEDA and the autoscaler compute from the offsets of a topic and a group.

KEDA 2.21.0, `pkg/scalers/kafka_scaler.go`: `getLagForPartition` and `getTotalLag`; and the HPA's
`GetExternalPerPodMetricReplicas` (without its tolerance of a tenth). `python -m tools.keda` asks KEDA's own code.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import yaml

from tools.samples import ROOT

SCALED_OBJECTS = ROOT / "deploy" / "k8s" / "components" / "keda" / "scaled-objects.yaml"


@dataclass(frozen=True, slots=True)
class Offsets:
    """The offsets of a partition: of its first record, of its next record, and of the group, None if it has none."""

    first: int
    end: int
    committed: int | None


@dataclass(frozen=True, slots=True)
class Scaling:
    """A shipped ScaledObject."""

    service: str
    trigger: Mapping[str, str]
    least: int
    most: int

    @property
    def threshold(self) -> int:
        """The lag for which one process is started."""
        return int(self.trigger["lagThreshold"])

    def processes(self, lag: float) -> int:
        """Return how many processes the autoscaler sets at a lag that KEDA reports."""
        return min(self.most, max(self.least, ceil(lag / self.threshold)))


def shipped() -> Iterator[Scaling]:
    """Yield the shipped ScaledObject of each service."""
    for document in yaml.safe_load_all(SCALED_OBJECTS.read_text(encoding="utf-8")):
        specification: dict[str, Any] = document["spec"]
        (trigger,) = specification["triggers"]
        yield Scaling(
            document["metadata"]["name"],
            trigger["metadata"],
            specification["minReplicaCount"],
            specification["maxReplicaCount"],
        )


@dataclass
class Scaler:
    """KEDA's scaler of one trigger, which remembers the offsets of its last poll; for `offsetResetPolicy: earliest`."""

    trigger: Mapping[str, str]
    _before: dict[int, int] = field(default_factory=dict)

    def look(self, partitions: Mapping[int, Offsets]) -> int:
        """Return the lag that KEDA reports to the autoscaler."""
        lags = [self._lag(number, offsets) for number, offsets in partitions.items()]
        total, threshold = sum(lags), int(self.trigger["lagThreshold"])
        with_lag = sum(lag > 0 for lag in lags)
        bound = with_lag if self.trigger.get("limitToPartitionsWithLag") == "true" else len(lags)
        return bound * threshold if total // threshold > bound else total

    def _lag(self, number: int, offsets: Offsets) -> int:
        if offsets.committed is None:
            return offsets.end - offsets.first
        if self.trigger.get("excludePersistentLag") == "true":
            if self._before.get(number) == offsets.committed:
                return 0
            self._before[number] = offsets.committed
        return offsets.end - offsets.committed
