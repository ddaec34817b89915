"""All rules: each takes the documents of a variant and yields a line for each thing that is wrong."""

from tests.deploy.cluster_rules import CLUSTER_RULES
from tests.deploy.pod_rules import POD_RULES
from tests.deploy.service_rules import SERVICE_RULES
from tests.deploy.setting_rules import SETTING_RULES

RULES = (*POD_RULES, *SERVICE_RULES, *SETTING_RULES, *CLUSTER_RULES)
