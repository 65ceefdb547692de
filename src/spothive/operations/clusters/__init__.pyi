from .applying import AppliedHibernation, Outcome, apply_hibernation
from .due import DueHibernation, Step, due_hibernation
from .finding import find_cluster
from .hibernation import (
    Hibernation,
    cancel_override,
    find_hibernation,
    hours_if,
    list_hibernation,
    set_override,
    set_schedule,
    set_schedule_enabled,
)
from .hours import Change, Hours, plan, state_at
from .policies import POLICY_KEYS, find_policy, set_policy
from .previewing import HibernationPreview, preview_hibernation
from .reading import ListedCluster, describe_cluster, list_clusters
from .templates import (
    ListedTemplate,
    NodeShape,
    create_template,
    delete_template,
    list_templates,
    set_default_template,
)
from .week import read_week, tell_week

__all__ = [
    "POLICY_KEYS",
    "AppliedHibernation",
    "Change",
    "DueHibernation",
    "Hibernation",
    "HibernationPreview",
    "Hours",
    "ListedCluster",
    "ListedTemplate",
    "NodeShape",
    "Outcome",
    "Step",
    "apply_hibernation",
    "cancel_override",
    "create_template",
    "delete_template",
    "describe_cluster",
    "due_hibernation",
    "find_cluster",
    "find_hibernation",
    "find_policy",
    "hours_if",
    "list_clusters",
    "list_hibernation",
    "list_templates",
    "plan",
    "preview_hibernation",
    "read_week",
    "set_default_template",
    "set_override",
    "set_policy",
    "set_schedule",
    "set_schedule_enabled",
    "state_at",
    "tell_week",
]
