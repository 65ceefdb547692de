"""Clusters: what may be done with them, what their nodes may look like, and when they sleep."""

from spothive.operations.clusters.applying import AppliedHibernation, Outcome, apply_hibernation
from spothive.operations.clusters.due import DueHibernation, Step, due_hibernation
from spothive.operations.clusters.hibernation import (
    Hibernation,
    cancel_override,
    find_hibernation,
    hours_if,
    list_hibernation,
    set_override,
    set_schedule,
    set_schedule_enabled,
)
from spothive.operations.clusters.hours import Change, Hours, plan, state_at
from spothive.operations.clusters.policies import POLICY_KEYS, find_policy, set_policy
from spothive.operations.clusters.previewing import HibernationPreview, preview_hibernation
from spothive.operations.clusters.reading import ListedCluster, describe_cluster, list_clusters
from spothive.operations.clusters.templates import (
    ListedTemplate,
    NodeShape,
    create_template,
    delete_template,
    list_templates,
    set_default_template,
)
from spothive.operations.clusters.week import read_week, tell_week
from spothive.operations.finding_clusters import find_cluster

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
