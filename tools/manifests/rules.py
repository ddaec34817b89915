"""All rules. Each takes the documents of a variant and yields a line for each violation."""

from tools.manifests.cluster_rules import CLUSTER_RULES
from tools.manifests.pod_rules import POD_RULES
from tools.manifests.service_rules import SERVICE_RULES
from tools.manifests.setting_rules import SETTING_RULES

RULES = (*POD_RULES, *SERVICE_RULES, *SETTING_RULES, *CLUSTER_RULES)
