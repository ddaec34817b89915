"""The rules of the manifests find what they are for: each is shown mistakes of the kind that people make."""

import pytest

from tests.support.manifest_faults.cluster_faults import CLUSTER_FAULTS
from tests.support.manifest_faults.faults import NEW, Fault, with_fault
from tests.support.manifest_faults.pod_faults import POD_FAULTS
from tests.support.manifest_faults.service_faults import SERVICE_FAULTS
from tests.support.manifest_faults.setting_faults import SETTING_FAULTS
from tools.manifests.kustomize import rendered
from tools.manifests.rules import RULES

FAULTS = (*POD_FAULTS, *SERVICE_FAULTS, *SETTING_FAULTS, *CLUSTER_FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_mistake_is_found(fault: Fault) -> None:
    documents = rendered(fault.variant)
    found = list(fault.rule(with_fault(documents, fault)))
    assert found, f"{fault.rule.__name__} finds nothing"
    assert list(fault.rule(documents)) == []
    kind, _, name = fault.where.partition("/")
    if fault.where != NEW and kind in {"Deployment", "StatefulSet", "Job", "CronJob"}:
        assert any(name in line for line in found), found


def test_every_rule_is_shown_a_mistake() -> None:
    assert {fault.rule for fault in FAULTS} == set(RULES)
